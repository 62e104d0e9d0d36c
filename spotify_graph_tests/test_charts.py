import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
from neo4j import Driver
from PIL import Image

from spotify_graph import charts
from spotify_graph.charts import FEW, Point, is_due
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.transforms import cleaning
from spotify_graph_tests.platform import installed

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def drawn(markdown: str) -> Image.Image:
    found = re.fullmatch(r"!\[([^\]]+)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found
    content = base64.b64decode(found[2])
    assert len(content) < 20_000
    return Image.open(BytesIO(content))


def test_each_chart_is_a_small_picture_with_something_on_it() -> None:
    points = [Point("2026-01-01", 0.3, 0.2, 0.4), Point("2026-01-02", 0.35, 0.3, 0.4)]
    for markdown in (
        charts.of_days("Events", "events", {"play": {"2026-01-01": 3, "2026-01-02": 5}, "skip": {"2026-01-02": 1}}),
        charts.of_reasons("Rejected", "rows", {"bad_event_ts": 9, "unknown_event_type": 4}),
        charts.of_degrees("Degrees of [:PLAYED]", {"User": [1, 2, 3, 900], "Track": [1, 1]}),
        charts.of_time("Quality", "recall@100", {"combination": points}),
        charts.of_rankers(
            "Recall", "recall@100", [(points[0], "model"), (points[1], "oracle")], {"model": "m", "oracle": "o"}
        ),
    ):
        with drawn(markdown) as image:
            assert image.width == 560
            assert len(image.convert("RGB").getcolors() or []) > 2


def test_degrees_are_counted_by_powers_of_two() -> None:
    assert charts.bucketed([1, 1, 2, 3, 4, 7, 8]) == {1: 2, 2: 2, 4: 2, 8: 1}
    assert "| 4 to 7 | 2 |" in charts.degrees_table({"User": [1, 1, 2, 3, 4, 7, 8]})


def test_a_chart_is_drawn_anew_when_a_twentieth_has_changed_or_a_day_has_passed() -> None:
    assert not is_due(1040, 1000, NOW, NOW)
    assert is_due(1060, 1000, NOW, NOW)
    assert is_due(900, 1000, NOW, NOW)
    assert is_due(1000, 1000, NOW - timedelta(hours=25), NOW)


def test_events_are_counted_by_day_and_by_month_where_days_are_too_many() -> None:
    times = [NOW, NOW + timedelta(hours=23), NOW + timedelta(days=1)]
    events = pa.table({"event_type": ["play"] * 3, "event_ts": pa.array(times, pa.timestamp("us", "UTC"))})
    assert cleaning.days(events) == {"play": {"2026-01-02": 2, "2026-01-03": 1}}
    years = [NOW + timedelta(days=day) for day in range(400)]
    many = pa.table({"event_type": ["play"] * 400, "event_ts": pa.array(years, pa.timestamp("us", "UTC"))})
    by_month = cleaning.days(many)["play"]
    assert by_month["2026-01"] == 30
    assert sum(by_month.values()) == 400
    assert cleaning.added_days([cleaning.days(events), cleaning.days(many)])["play"]["2026-01"] == 33


def shown(home: Path) -> list[str]:
    """Every text in Markdown that Dagster's history keeps, as often as it keeps it."""
    found: list[str] = []
    for file in (home / "dagster" / "history" / "runs").glob("*.db"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            for (event,) in database.execute("SELECT event FROM event_logs"):
                found += markdown_in(json.loads(event))
    return found


def markdown_in(value: Any) -> Iterator[str]:
    match value:
        case {"md_str": str(text)}:
            yield text
        case dict():
            for each in value.values():
                yield from markdown_in(each)
        case list():
            for each in value:
                yield from markdown_in(each)


def test_one_small_file_adds_few_bytes_of_charts_and_rows_to_dagsters_history(
    tmp_path: Path, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> None:
    header = "user_id,track_id,event_type,event_ts,session_id,device"
    with installed(tmp_path, local_neo4j, neo4j_driver) as platform:
        # Every type of event has so many relationships that they are drawn.
        pairs = [(f"u{number % 40}", f"t{number // 40}") for number in range(FEW + 200)]
        names = [event.name for event in EVENT_TYPES]
        events = [f"{user},{track},{name},2026-01-01 00:00:00,s,web" for user, track in pairs for name in names]
        platform.land("user_events_1.csv", header, *events)
        assert platform.refresh().exit_code == 0
        before = shown(tmp_path)
        platform.land("user_events_2.csv", header, "u1,new,play,2026-01-02 00:00:00,s,web")
        assert platform.refresh().exit_code == 0
        after = shown(tmp_path)
    assert sum("data:image/png" in it for it in after) - sum("data:image/png" in it for it in before) > len(names)
    assert sum(map(len, after)) - sum(map(len, before)) < 200_000
