"""From a log that fits on a page to the tables that the graph holds."""

from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from spotify_graph.transforms.recommendations import recommend
from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination
from spotify_graph.transforms.recommendations.knowledge import Knowledge, Prepared, learn
from spotify_graph.transforms.recommendations.logs import Logs
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


def rows(table: DataFrame) -> list[Row]:
    return [row.asDict() for row in table.collect()]


def tables(logs: Logs, combination: Combination = DEFAULT, parameters: Parameters = PARAMETERS) -> dict[str, list[Row]]:
    """Every table of the models that know the whole log."""
    prepared = Prepared.of(logs, logs.until, parameters)
    knowledge: Knowledge = learn(logs, prepared, parameters)
    lists = recommend.recommended(knowledge, combination, parameters)
    found = {
        "recommended": rows(recommend.recommended_table(lists, logs)),
        "similar tracks": rows(recommend.similar_track_table(knowledge.neighbours, logs)),
        "similar users": rows(recommend.similar_user_table(knowledge.similar_users, logs)),
    }
    knowledge.release()
    prepared.release()
    return found


@pytest.fixture(scope="module")
def logs(spark: SparkSession) -> Iterator[Logs]:
    logs = read(spark, EVENTS, TRACKS)
    yield logs
    logs.release()


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
    spark: SparkSession, events: list[Event], tracks: list[Track]
) -> None:
    logs = read(spark, events, tracks)
    assert tables(logs) == {"recommended": [], "similar tracks": [], "similar users": []}
    logs.release()


def test_users_who_only_skip_are_recommended_what_they_did_not_skip(spark: SparkSession) -> None:
    logs = read(spark, [("u", "t1", "skip", DAY), ("v", "t2", "skip", DAY)])
    recommended = lists(tables(logs)["recommended"], "user_id", "track_id")
    assert {user: [track for track, _ in items] for user, items in recommended.items()} == {"u": ["t2"], "v": ["t1"]}
    logs.release()


def test_the_memory_of_a_block_does_not_grow_with_the_catalogue() -> None:
    cells = [tracks * recommend.block_size(tracks) for tracks in (1_000, 100_000, 2_000_000)]
    assert max(cells) <= 4_000_000
    assert [recommend.block_size(tracks) for tracks in (0, 10_000_000)] == [256, 1]
