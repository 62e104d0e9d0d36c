"""The snapshots from a catalogue and a log that are small enough to be read at a glance."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from spotify_graph.graph_model import EVENT_TYPES, FACTS
from spotify_graph.lake.versions import arrow_schema
from spotify_graph.neo4j_io.vocabulary import PropertyType
from spotify_graph.transforms import graph_tables, popularity
from spotify_graph.transforms.interactions import DEVICE_KEYS, counted, distinct, interactions

DAY = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 8)]
EVENTS = [
    ("a.csv", "u1", "t1", "play", DAY[1], "s1", "web"),
    ("a.csv", "u1", "t1", "play", DAY[3], "s1", "mobile"),
    ("b.csv", "u1", "t1", "play", DAY[3], "s1", "mobile"),  # the same event, in another file
    ("a.csv", "u1", "t1", "like", DAY[4], "s1", None),  # no device: none to list
    ("a.csv", "u2", "lost", "seek", DAY[2], None, None),  # a track that the catalogue lacks
]
TRACKS = [
    ("t1", "Title", "Artist", "Album", 1000, "Genre", "tracks.csv", 2),
    ("t2", None, "Artist", None, None, None, "tracks.csv", 3),  # never played
    ("t3", None, None, None, None, "Other\nGenre", "tracks.csv", 4),  # of two genres
]
TYPES = {
    PropertyType.STRING: pa.string(),
    PropertyType.INTEGER: pa.int64(),
    PropertyType.FLOAT: pa.float64(),
    PropertyType.BOOLEAN: pa.bool_(),
    PropertyType.ZONED_DATETIME: pa.timestamp("us", "UTC"),
    PropertyType.STRING_LIST: pa.list_(pa.string()),
}


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    """Each asset's snapshot."""
    events = table(
        EVENTS,
        "file string, user_id string, track_id string, event_type string, event_ts timestamp, "
        "session_id string, device string",
    )
    tracks = table(
        TRACKS,
        "track_id string, title string, artist string, album string, duration_ms long, genre string, "
        "file string, line long",
    )
    counts = interactions(events)
    return {
        "user_nodes": graph_tables.user_nodes(counted(distinct(events), DEVICE_KEYS)),
        "track_nodes": graph_tables.track_nodes(tracks, popularity.sums(counts)),
        "artist_nodes": graph_tables.artist_nodes(tracks),
        "genre_nodes": graph_tables.genre_nodes(tracks),
        "by_edges": graph_tables.by_edges(tracks),
        "in_genre_edges": graph_tables.in_genre_edges(tracks),
        **{event.relationship.asset: graph_tables.interaction_edges(counts, event) for event in EVENT_TYPES},
    }


def table(rows: Sequence[tuple[Any, ...]], ddl: str) -> pa.Table:
    schema = arrow_schema(ddl)
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=str)


def test_every_table_has_the_columns_of_the_model(tables: dict[str, pa.Table]) -> None:
    described = {table.asset: table for table in FACTS}
    assert tables.keys() == described.keys()
    for asset, table in described.items():
        found = [(field.name, field.type) for field in tables[asset].schema]
        assert found == [(column.name, TYPES[column.type]) for column in table.columns]


def test_a_user_with_two_devices_is_one_node(tables: dict[str, pa.Table]) -> None:
    assert rows(tables["user_nodes"]) == [
        ("u1", ["mobile", "web"], DAY[1], DAY[4]),
        ("u2", [], DAY[2], DAY[2]),
    ]


def test_among_thousands_of_users_each_has_their_own_devices() -> None:
    dice = random.Random(1)  # noqa: S311
    start, names = DAY[1], ["web", "tv", "", "tablet"]
    counts = {(f"u{dice.randrange(5_000)}", dice.choice(names)): dice.randrange(10**6) for _ in range(10_000)}
    devices = table(
        [(*key, 1, start + timedelta(seconds=at), start + timedelta(seconds=at)) for key, at in counts.items()],
        "user_id string, device string, count long, first_ts timestamp, last_ts timestamp",
    )
    wanted: dict[str, set[str]] = {}
    for user, device in counts:
        wanted.setdefault(user, set()).update({device} - {""})
    found = {row["user_id"]: row for row in graph_tables.user_nodes(devices).to_pylist()}
    assert {user: row["devices"] for user, row in found.items()} == {user: sorted(it) for user, it in wanted.items()}
    for user, row in found.items():
        seconds = [at for (of, _), at in counts.items() if of == user] if user in {"u1", "u2", "u3"} else []
        assert not seconds or (row["first_seen"], row["last_seen"]) == (
            start + timedelta(seconds=min(seconds)),
            start + timedelta(seconds=max(seconds)),
        )


def test_a_track_is_a_node_when_the_catalogue_or_an_event_names_it(
    tables: dict[str, pa.Table],
) -> None:
    assert rows(tables["track_nodes"]) == [
        ("lost", None, None, None, False, None),  # sought in, and not played
        ("t1", "Title", "Album", 1000, True, pytest.approx(days_after_2019(DAY[3]) / 30)),
        ("t2", None, None, None, True, None),
        ("t3", None, None, None, True, None),
    ]


def days_after_2019(day: datetime) -> int:
    return (day - datetime(2020, 1, 1, tzinfo=UTC)).days


def test_each_listener_of_a_track_counts_half_for_every_30_days_since_they_played_it() -> None:
    march, january = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 1, 31, tzinfo=UTC)
    last = [march, march, january]
    plays = [(f"u{i}", "t1", "play", 7, day, day) for i, day in enumerate(last)]
    counts = table(
        [*plays, ("u9", "t1", "skip", 9, last[0], last[0])],
        "user_id string, track_id string, event_type string, count long, first_ts timestamp, last_ts timestamp",
    )
    none = table([], "track_id string, title string, album string, duration_ms long")
    parts = [popularity.sums(counts.slice(0, 1)), popularity.sums(counts.slice(1))]
    for sums in (popularity.sums(counts), popularity.added(pa.concat_tables(parts))):
        [track] = graph_tables.track_nodes(none, sums).to_pylist()
        at_march = track["popularity"] - days_after_2019(march) / 30
        assert 2**at_march == pytest.approx(1 + 1 + 0.5, rel=1e-5)


def test_an_artist_or_a_genre_of_two_tracks_is_one_node(tables: dict[str, pa.Table]) -> None:
    assert rows(tables["artist_nodes"]) == [("Artist",)]
    assert rows(tables["genre_nodes"]) == [("Genre",), ("Other",)]


def test_a_track_without_an_artist_or_a_genre_has_no_such_edge(tables: dict[str, pa.Table]) -> None:
    assert rows(tables["by_edges"]) == [("t1", "Artist"), ("t2", "Artist")]
    assert rows(tables["in_genre_edges"]) == [("t1", "Genre"), ("t3", "Genre"), ("t3", "Other")]


def test_events_of_a_pair_and_type_are_one_edge(tables: dict[str, pa.Table]) -> None:
    assert rows(tables["played_edges"]) == [("u1", "t1", 2, DAY[1], DAY[3])]
    assert rows(tables["liked_edges"]) == [("u1", "t1", 1, DAY[4], DAY[4])]
    assert rows(tables["seeked_edges"]) == [("u2", "lost", 1, DAY[2], DAY[2])]
    assert rows(tables["skipped_edges"]) == rows(tables["paused_edges"]) == []
