"""However the logs come, the graph is the one that a rebuild from scratch makes of what is active in the end.

Events are drawn from few users, tracks and times, so that the same event often comes twice, in one file or in several,
late, out of order, and leaves with one file while another still has it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from neo4j import Driver

from spotify_graph.lake import keyed
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import buckets
from spotify_graph.neo4j_io.running import in_process
from spotify_graph.parts import Part, save
from spotify_graph.tasks import interactions as of
from spotify_graph.transforms import interactions as counting
from spotify_graph_tests import oracle, promised
from spotify_graph_tests.cleaned_rows import SCHEMA
from spotify_graph_tests.cleaned_rows import counted as all_counted
from spotify_graph_tests.platform import installed

TRACKS = ("track_id,artist,album,duration_ms,genre", "t1,Ann,First,180000,jazz", "t2,Bob,Second,200000,rock")
HEADER = "user_id,track_id,event_type,event_ts,session_id,device"

Event = tuple[str, str, str, str, str, str]
Logs = dict[str, list[Event]]

events = st.tuples(
    st.sampled_from(["u1", "u2"]),
    st.sampled_from(["t1", "t2", "uncatalogued"]),
    st.sampled_from(["play", "like", "skip"]),
    st.sampled_from(["2026-01-01 10:00:00", "2026-01-02 10:00:00", "2025-06-01 00:00:00"]),
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["tv", "web"]),
)
names = st.sampled_from(["user_events_a.csv", "user_events_b.csv", "user_events_c.csv"])
contents = st.lists(events, min_size=1, max_size=6)
land = st.tuples(names, contents)
forget = st.tuples(names, st.none())
steps = st.lists(st.one_of(land, land, forget), min_size=2, max_size=6)

# The same examples every time: what fails here must fail everywhere.
few = settings(
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def counted(logs: Logs) -> Counter[tuple[str, str, str]]:
    """How many distinct events there are of each user, track and type: what every way must lead to."""
    distinct = {event for content in logs.values() for event in content}
    return Counter((user, track, kind) for user, track, kind, *_ in distinct)


def cleaned(logs: Iterable[tuple[str, list[Event]]]) -> pa.Table:
    """Cleaned events: each once for each file."""
    rows = [
        (file, user, track, kind, datetime.fromisoformat(at).replace(tzinfo=UTC), session, device)
        for file, content in logs
        for user, track, kind, at, session, device in sorted(set(content))
    ]
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


@settings(few, max_examples=40)
@given(steps=steps)
def test_what_is_counted_file_by_file_is_what_is_counted_of_all_files(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[Event] | None]]
) -> None:
    folder = tmp_path_factory.mktemp("entry")
    logs: Logs = {}
    tables = {
        name: keyed.write(rows, of.KEYS[name], version(folder, 0))
        for name, rows in all_counted(cleaned(logs.items())).items()
    }
    for number, (file, content) in enumerate(steps, 1):
        before = all_counted(cleaned(logs.items()))
        went, came = lake_part(folder, file, logs.pop(file, [])), lake_part(folder, file, content or [])
        stayed = lake_part(folder, "others", [event for each in logs.values() for event in set(each)])
        if content is not None:
            logs[file] = content
        readable = {name: keyed.table(it, folder) for name, it in tables.items()}
        drafted = of.draft(SCHEMA, readable, of.Files(came, went, stayed))
        events = Part((*came.files, *stayed.files))
        changes = of.changes(SCHEMA, readable, [drafted], events, in_process)
        tables = {name: keyed.revise(tables[name], it, version(folder, number)) for name, it in changes.items()}
        for name, rows in all_counted(cleaned(logs.items())).items():
            keys = list(of.KEYS[name])
            assert is_exact(changes[name], before[name], keys)
            found = keyed.table(tables[name], folder).read()
            order = [(key, "ascending") for key in keys]
            assert found.sort_by(order).equals(rows.sort_by(order)), name
            assert tables[name].rows == rows.num_rows
    found = keyed.table(tables[of.INTERACTIONS], folder).read()
    assert {tuple(row[key] for key in counting.KEYS): row["count"] for row in found.to_pylist()} == counted(logs)


def version(folder: Path, number: int) -> Path:
    """The folder of a version."""
    path = folder / f"v{number}"
    path.mkdir(exist_ok=True)
    return path


def lake_part(folder: Path, name: str, content: list[Event]) -> Part:
    """A file of cleaned events, sorted by time."""
    rows = cleaned([(name, content)]).sort_by("event_ts")
    return Part((save(rows, folder / "files"),)) if content else Part(())


def is_exact(changes: pa.Table, before: pa.Table, keys: list[str]) -> bool:
    """Whether changes have the old values that there were, and no row that changes nothing."""
    values = [name for name in before.column_names if name not in keys]
    old = {tuple(row[key] for key in keys): [row[name] for name in values] for row in before.to_pylist()}
    for row in changes.to_pylist():
        was, is_ = [row[f"old_{name}"] for name in values], [row[name] for name in values]
        if was == is_ or was != old.get(tuple(row[key] for key in keys), [None] * len(values)):
            return False
    return True


PLAY: Event = ("u1", "t1", "play", "2026-01-02 10:00:00", "s1", "tv")
EARLIER_PLAY: Event = ("u1", "t1", "play", "2025-06-01 00:00:00", "s1", "tv")
THE_SAME_PLAY: Event = (" u1", "t1\u3000", "PLAY", "2026-01-02T11:00:00+01:00", "s1", "tv")
LIKE: Event = ("u2", "uncatalogued", "like", "2026-01-01 10:00:00", "s2", "web")
BAD: Event = ("", "t1", "dance", "never", "s1", "tv")


@pytest.fixture(params=["in this process", "by Spark's tasks, in four buckets"])
def tasks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the tables are computed."""
    if request.param != "in this process":
        request.getfixturevalue("spark")
        monkeypatch.setenv("SPOTIFY_GRAPH_IN_PROCESS_ROWS", "0")
        monkeypatch.setattr(buckets, "count_for", lambda _rows: 4)
    return str(request.param)


@settings(few, phases=[Phase.explicit])
@given(steps=steps)
# Twice in one file and in two, in other spellings, beside a bad one, backdated, replaced by less, landed again
# unchanged, and forgotten.
@example(
    steps=[
        ("user_events_b.csv", [PLAY, PLAY, LIKE, BAD]),
        ("user_events_a.csv", [EARLIER_PLAY, THE_SAME_PLAY, LIKE]),
        ("user_events_b.csv", [PLAY, THE_SAME_PLAY, BAD]),
        ("user_events_b.csv", [PLAY, THE_SAME_PLAY, BAD]),
        ("user_events_a.csv", None),
    ]
)
def test_the_graph_after_any_history_is_the_one_that_a_rebuild_from_scratch_makes_and_that_the_design_promises(
    tmp_path_factory: pytest.TempPathFactory,
    local_neo4j: LocalNeo4j,
    neo4j_driver: Driver,
    tasks: str,
    steps: list[tuple[str, list[Event] | None]],
) -> None:
    logs: Logs = {}
    # So few events that any change is a large part of them.
    lenient: dict[str, Any] = {"drop_error": 1.0, "duplicates_warn": 1.0, "rejected_error": 1.0}
    with installed(tmp_path_factory.mktemp("history"), local_neo4j, neo4j_driver, **lenient) as platform:
        platform.land("tracks.csv", *TRACKS)
        for file, content in steps:
            if content is None:
                if logs.pop(file, None) is not None:
                    platform.succeed("forget", file)
                continue
            logs[file] = content
            platform.land(file, HEADER, *map(",".join, content))
            assert platform.refresh().exit_code == 0
        by_history = promised.contents(platform.driver)
    with installed(tmp_path_factory.mktemp("scratch"), local_neo4j, neo4j_driver, **lenient) as platform:
        platform.land("tracks.csv", *TRACKS)
        everything = [event for content in reversed(logs.values()) for event in content]
        platform.land("user_events_all.csv", HEADER, *map(",".join, reversed(everything)))
        assert platform.refresh().exit_code == 0
        assert promised.contents(platform.driver) == by_history
    files = {"tracks.csv": TRACKS, **{file: (HEADER, *map(",".join, content)) for file, content in logs.items()}}
    landed = {file: "\n".join(lines).encode() for file, lines in files.items()}
    promised.is_promised(by_history, oracle.expected(landed, datetime.now(UTC)))
