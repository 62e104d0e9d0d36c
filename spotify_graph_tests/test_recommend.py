"""From a log that fits on a page to the tables that the graph holds."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spotify_graph.resources.spark import SparkResource
from spotify_graph.training import tables as graph_tables
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.train import train
from spotify_graph.transforms.recommendations import recommend
from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph_tests.handmade import Event, Track, read

DAY = 20_000
PARAMETERS = Parameters(rank=2, iterations=2, recommended=3, neighbours=2, similar_users=2)
TRACKS: list[Track] = [
    ("jazz 1", "Jazz", "Ann"),
    ("jazz 2", "Jazz", "Ann"),
    ("jazz 3", "Jazz", "Bea"),
    ("rock 1", "Rock", "Cid"),
    ("rock 2", "Rock", "Cid"),
    ("rock 3", None, None),
    ("unheard", "Rock", "Cid"),
]
EVENTS: list[Event] = [
    *[(user, track, "play", DAY) for user in ("j1", "j2", "j3") for track in ("jazz 1", "jazz 2")],
    *[("j2", track, "like", DAY) for track in ("jazz 3", "uncatalogued")],
    ("j3", "uncatalogued", "play", DAY),
    *[(user, track, "play", DAY - 3) for user in ("r1", "r2", "r3") for track in ("rock 1", "rock 2")],
    ("r2", "rock 3", "play", DAY),
    ("j1", "jazz 3", "skip", DAY),
    *[("sceptic", track, "skip", DAY) for track in ("jazz 1", "rock 1", "rock 3")],
]
MET = {user: {track for other, track, *_ in EVENTS if other == user} for user, *_ in EVENTS}

Row = dict[str, Any]


def tables(logs: Logs, combination: Combination = DEFAULT, parameters: Parameters = PARAMETERS) -> dict[str, list[Row]]:
    """Every table of the models that know the whole log."""
    prepared = Prepared.of(logs, logs.until, parameters)
    trained = train(prepared, parameters)
    parts = {
        "recommended": graph_tables.recommended_tables(prepared, trained, combination, parameters),
        "similar users": graph_tables.similar_user_tables(prepared, trained, parameters),
    }
    found = {name: pa.concat_tables(part.read() for part in of).to_pylist() for name, of in parts.items()}
    return {**found, "similar tracks": graph_tables.similar_track_table(trained, logs).to_pylist()}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    return read(tmp_path_factory.mktemp("logs"), EVENTS, TRACKS)


@pytest.fixture(scope="module")
def found(logs: Logs) -> dict[str, list[Row]]:
    return tables(logs)


def lists(rows: list[Row], owner: str, item: str) -> dict[str, list[tuple[str, float]]]:
    """The items of each owner by rank, which goes from 1 without gaps, with their scores, which never rise."""
    by_owner: dict[str, list[Row]] = {}
    for row in rows:
        by_owner.setdefault(row[owner], []).append(row)
    made = {}
    for key, own in by_owner.items():
        own.sort(key=lambda row: row["rank"])
        assert [row["rank"] for row in own] == list(range(1, len(own) + 1))
        assert [row["score"] for row in own] == sorted((row["score"] for row in own), reverse=True)
        made[key] = [(row[item], row["score"]) for row in own]
    return made


def test_nobody_is_recommended_a_track_that_they_met_or_more_tracks_than_asked_for(found: dict[str, list[Row]]) -> None:
    recommended = lists(found["recommended"], "user_id", "track_id")
    assert recommended.keys() == MET.keys()  # also one who only skips gets recommendations
    for user, items in recommended.items():
        tracks = [track for track, _ in items]
        assert not set(tracks) & MET[user]
        assert len(set(tracks)) == len(tracks) == PARAMETERS.recommended
        assert all(0 < probability < 1 for _, probability in items)


def test_a_track_that_the_catalogue_lacks_can_be_recommended(found: dict[str, list[Row]]) -> None:
    recommended = lists(found["recommended"], "user_id", "track_id")
    # All who like the same jazz like it; the other jazz is one that j1 skipped.
    assert recommended["j1"][0][0] == "uncatalogued"
    # Who likes rock, is recommended the rock that one of them likes besides.
    assert recommended["r1"][0][0] == recommended["r3"][0][0] == "rock 3"


def test_similar_tracks_are_those_of_the_same_listeners_with_how_many_they_share(found: dict[str, list[Row]]) -> None:
    similar = lists(found["similar tracks"], "track_id", "similar_track_id")
    listeners = {(row["track_id"], row["similar_track_id"]): row["listeners"] for row in found["similar tracks"]}
    likes = {
        track: {user for user, other, kind, _ in EVENTS if other == track and kind != "skip"}
        for track in {track for _, track, *_ in EVENTS}
    }
    for (track, other), shared in listeners.items():
        assert shared == len(likes[track] & likes[other]) > 0
    assert similar["rock 1"][0][0] == "rock 2"
    assert {track for track, _ in similar["jazz 3"]} <= {"jazz 1", "jazz 2", "uncatalogued"}
    assert all(len(items) <= PARAMETERS.neighbours for items in similar.values())
    assert similar.keys() == likes.keys()


def test_similar_users_are_others_who_like_the_same(found: dict[str, list[Row]]) -> None:
    similar = lists(found["similar users"], "user_id", "similar_user_id")
    assert "sceptic" not in similar
    for user, items in similar.items():
        others = {other for other, _ in items}
        assert len(others) == PARAMETERS.similar_users
        assert others < {name for name in MET if name[0] == user[0]} - {user} | {"nobody"}
        assert all(0 < cosine <= 1 + 1e-6 for _, cosine in items)


def test_fewer_tracks_than_asked_for_are_all_recommended_but_those_that_one_met(logs: Logs) -> None:
    everything = PARAMETERS.model_copy(update={"recommended": 1000})
    found = tables(logs, Combination.of("popularity"), everything)["recommended"]
    catalogue = {track for track, *_ in TRACKS} | {track for _, track, *_ in EVENTS}
    for user, items in lists(found, "user_id", "track_id").items():
        assert {track for track, _ in items} == catalogue - MET[user]
        assert items[-1][0] == "unheard"  # played by nobody


@pytest.mark.parametrize(
    ("events", "tracks"),
    [
        ([], []),
        ([], TRACKS),
        ([("u", "t1", "play", DAY)], []),  # all there is, is met
        ([("u", "t1", "skip", DAY), ("v", "t1", "skip", DAY)], []),
    ],
    ids=["nothing", "no events", "one event", "skips of one track"],
)
def test_logs_that_nothing_can_be_learned_from_give_empty_tables(
    tmp_path: Path, events: list[Event], tracks: list[Track]
) -> None:
    logs = read(tmp_path, events, tracks)
    assert tables(logs) == {"recommended": [], "similar tracks": [], "similar users": []}


def test_users_who_only_skip_are_recommended_what_they_did_not_skip(tmp_path: Path) -> None:
    logs = read(tmp_path, [("u", "t1", "skip", DAY), ("v", "t2", "skip", DAY)])
    recommended = lists(tables(logs)["recommended"], "user_id", "track_id")
    assert {user: [track for track, _ in items] for user, items in recommended.items()} == {"u": ["t2"], "v": ["t1"]}


@pytest.mark.parametrize("others", [0, 9, 99])
def test_a_listener_among_any_number_of_others_gets_what_nobody_played_yet_by_their_artists(
    tmp_path: Path, others: int
) -> None:
    """The others listen to something else: nothing but the catalogue says what goes with what one likes."""
    catalogue: list[Track] = [
        *((f"by ann {i}", "Jazz", "Ann") for i in range(4)),
        *((f"jazz {i}", "Jazz", f"other {i}") for i in range(4)),
        *((f"rock {i}", "Rock", f"another {i}") for i in range(8)),
    ]
    events: list[Event] = [("fan", f"by ann {i}", "play", DAY - day) for i in (0, 1) for day in range(10)]
    events += [(f"u{i:02}", f"rock {(i * i + j) % 6}", "play", DAY - j) for i in range(others) for j in range(3)]
    parameters = Parameters(recommended=6)
    found = tables(read(tmp_path, events, catalogue), parameters=parameters)["recommended"]
    tracks = [track for track, _ in lists(found, "user_id", "track_id")["fan"]]
    assert {"by ann 2", "by ann 3"} < set(tracks)
    if not others:
        assert set(tracks[:2]) == {"by ann 2", "by ann 3"}
        assert set(tracks[2:]) == {f"jazz {i}" for i in range(4)}


def test_the_memory_of_a_block_does_not_grow_with_the_catalogue() -> None:
    cells = [tracks * recommend.block_size(tracks) for tracks in (1_000, 100_000, 2_000_000)]
    assert max(cells) <= 4_000_000
    assert [recommend.block_size(tracks) for tracks in (0, 10_000_000)] == [256, 1]


def test_sparks_tasks_over_users_in_buckets_find_what_this_process_finds(
    spark: SparkSession, tmp_path: Path, found: dict[str, list[Row]]
) -> None:
    run = SparkResource(in_process_rows=0).over(len(EVENTS))
    by_tasks = tables(read(tmp_path, EVENTS, TRACKS, run=run, buckets=4))
    for name, rows in found.items():
        one, other = (sorted(each, key=_place) for each in (by_tasks[name], rows))
        assert [_place(row) for row in one] == [_place(row) for row in other]
        assert [row["score"] for row in one] == pytest.approx([row["score"] for row in other], rel=1e-3)


def _place(row: Row) -> tuple[str, int]:
    """Whose list, and which place of it."""
    return str(next(iter(row.values()))), int(row["rank"])
