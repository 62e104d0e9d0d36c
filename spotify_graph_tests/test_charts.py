import base64
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pyarrow as pa
from PIL import Image

from spotify_graph import charts
from spotify_graph.charts import Point, is_due
from spotify_graph.transforms import cleaning

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
