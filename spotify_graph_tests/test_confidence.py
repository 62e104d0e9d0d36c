"""Confidences worked out by hand: weights, halving, damping, and what a morning knows."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from spotify_graph.transforms.recommendations import capped, confidence, numbering
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph_tests.handmade import cleaned_events, cleaned_tracks, read

MORNING = 20_000
"""The day whose morning it is."""
ANN, BEN = range(2)
HIT, FLOP, SONG, LATE = range(4)
EVENTS = [
    ("ann", "1 hit", "play", MORNING - 1),
    ("ann", "1 hit", "play", MORNING - 1),
    ("ann", "1 hit", "like", MORNING - 21),
    ("ann", "2 flop", "skip", MORNING - 1),
    ("ann", "2 flop", "skip", MORNING - 41),
    ("ann", "3 song", "pause", MORNING - 11),
    ("ann", "3 song", "seek", MORNING - 11),
    ("ben", "2 flop", "play", MORNING - 31),
    ("ben", "2 flop", "skip", MORNING - 1),
    # What the morning doesn't know:
    ("ann", "1 hit", "play", MORNING + 5),
    ("ann", "2 flop", "like", MORNING),
    ("ben", "4 late", "play", MORNING),
]
PLAIN = Parameters(
    play=1,
    like=10,
    pause=100,
    seek=1000,
    skip=-0.5,
    damping=False,
    profile_half_life_days=None,
    cooccurrence_half_life_days=None,
)
"""Weights that can be told apart in a sum, and nothing else."""


@pytest.fixture(scope="module")
def activity(spark: SparkSession) -> Iterator[DataFrame]:
    logs = read(spark, EVENTS)
    yield logs.activity
    logs.release()


def confidences(activity: DataFrame, parameters: Parameters) -> dict[tuple[int, int], tuple[Any, Any]]:
    """Profile and co-occurrence of each user and track."""
    rows = confidence.confidence(activity, MORNING, parameters).collect()
    return {(row.user, row.track): (row.profile, row.cooccurrence) for row in rows}


def profiles(activity: DataFrame, parameters: Parameters) -> dict[tuple[int, int], float]:
    return {pair: profile for pair, (profile, _) in confidences(activity, parameters).items()}


def test_each_type_of_event_has_its_weight_and_skips_weigh_against_a_track(activity: DataFrame) -> None:
    assert profiles(activity, PLAIN) == {
        (ANN, HIT): 1 + 1 + 10,
        (ANN, FLOP): -0.5 - 0.5,
        (ANN, SONG): 100 + 1000,
        (BEN, FLOP): 1 - 0.5,
    }


@pytest.mark.parametrize(
    ("off", "pair", "left"),
    [
        ("play", (ANN, HIT), 10),
        ("like", (ANN, HIT), 1 + 1),
        ("pause", (ANN, SONG), 1000),
        ("seek", (ANN, SONG), 100),
        ("skip", (ANN, FLOP), 0),
    ],
)
def test_a_type_of_weight_0_adds_nothing(activity: DataFrame, off: str, pair: tuple[int, int], left: float) -> None:
    found = profiles(activity, PLAIN.model_copy(update={off: 0.0}))
    assert found[pair] == left
    assert len(found) == 4  # a track that one only skipped is met all the same


def test_an_event_counts_half_for_every_half_life_and_each_confidence_has_one_of_its_own(activity: DataFrame) -> None:
    both = PLAIN.model_copy(update={"profile_half_life_days": 20.0, "cooccurrence_half_life_days": 40.0})
    # Yesterday counts in full: ann liked the hit 20 days before, and skipped the flop 40 days before.
    assert confidences(activity, both) == {
        (ANN, HIT): (pytest.approx(1 + 1 + 10 / 2), pytest.approx(1 + 1 + 10 / 2**0.5)),
        (ANN, FLOP): (pytest.approx(-0.5 - 0.5 / 4), pytest.approx(-0.5 - 0.5 / 2)),
        (ANN, SONG): (pytest.approx(1100 / 2**0.5), pytest.approx(1100 / 2**0.25)),
        (BEN, FLOP): (pytest.approx(1 / 2**1.5 - 0.5), pytest.approx(1 / 2**0.75 - 0.5)),
    }


def test_damping_takes_the_logarithm_and_keeps_the_sign(activity: DataFrame) -> None:
    damped = profiles(activity, PLAIN.model_copy(update={"damping": True}))
    assert damped == {
        (ANN, HIT): pytest.approx(math.log(1 + 12)),
        (ANN, FLOP): pytest.approx(-math.log(1 + 1)),
        (ANN, SONG): pytest.approx(math.log(1 + 1100)),
        (BEN, FLOP): pytest.approx(math.log(1 + 0.5)),
    }


def test_a_skip_makes_no_play_and_no_listener(activity: DataFrame) -> None:
    rows = confidence.confidence(activity, MORNING, Parameters()).collect()
    assert {(row.user, row.track): row.last_play for row in rows} == {
        (ANN, HIT): MORNING - 1,
        (ANN, FLOP): None,
        (ANN, SONG): None,
        (BEN, FLOP): MORNING - 31,
    }
    ever = confidence.positive(activity, MORNING - 100, MORNING).collect()
    assert {row.user: row.relevant for row in ever} == {ANN: [HIT], BEN: [FLOP]}


def test_a_window_holds_its_first_day_and_not_the_day_after_its_last(activity: DataFrame) -> None:
    def positive(first: int, until: int) -> dict[int, list[int]]:
        return {row.user: row.relevant for row in confidence.positive(activity, first, until).collect()}

    assert positive(MORNING, MORNING + 6) == {ANN: [HIT, FLOP], BEN: [LATE]}
    assert positive(MORNING + 1, MORNING + 5) == {}
    met = {row.user: set(row.met) for row in confidence.met(activity, MORNING).collect()}
    assert met == {ANN: {HIT, FLOP, SONG}, BEN: {FLOP}}


def test_an_event_that_two_files_hold_counts_once(spark: SparkSession) -> None:
    first = cleaned_events(spark, EVENTS, "a.csv")
    both = first.union(cleaned_events(spark, EVENTS[:3], "b.csv"))
    catalogue = numbering.catalogue(cleaned_tracks(spark, []), both)
    found = confidence.activity(both, numbering.numbered_users(both), numbering.numbered_tracks(catalogue, both))
    counts = {tuple(row)[:4]: row["count"] for row in found.collect()}
    assert sum(counts.values()) == len(EVENTS)
    assert counts[ANN, HIT, "play", MORNING - 1] == 2  # at two moments of one day


def test_a_history_is_in_falling_order_and_holds_what_the_user_only_skipped(activity: DataFrame) -> None:
    rows = confidence.histories(confidence.confidence(activity, MORNING, PLAIN)).collect()
    assert {row.user: list(zip(row.tracks, row.profile, strict=True)) for row in rows} == {
        ANN: [(SONG, 1100), (HIT, 12), (FLOP, -1)],
        BEN: [(FLOP, 0.5)],
    }


@pytest.fixture(scope="module")
def histories(spark: SparkSession) -> DataFrame:
    """Two confidences in opposite orders; user 1 likes nothing, and user 2 has no history."""
    rows = [
        (0, 4, 0.5, 3.0),
        (0, 2, 0.9, 1.0),
        (0, 1, 0.9, 2.0),
        (0, 0, -2.0, 9.0),
        (0, 3, 0.0, 0.5),
        (1, 0, -1.0, 0.0),
    ]
    given = spark.createDataFrame(rows, "user int, track int, profile double, cooccurrence double")
    return confidence.histories(given).localCheckpoint()


@pytest.mark.parametrize(
    ("size", "kind", "tracks", "weights"),
    [
        (2, "profile", [1, 2], [0.9, 0.9]),  # equal ones by number
        (4, "profile", [1, 2, 4, 5], [0.9, 0.9, 0.5, 0]),  # neither the skipped one nor the one of confidence 0
        (4, "cooccurrence", [0, 4, 1, 2], [9, 3, 2, 1]),
    ],
)
def test_a_capped_history_keeps_the_strongest_tracks_and_only_those_above_0(
    histories: DataFrame, size: int, kind: str, tracks: list[int], weights: list[float]
) -> None:
    found = capped.cap(histories, users=3, tracks=5, size=size, kind=kind)
    assert found.tracks.tolist() == [tracks, [5] * size, [5] * size]
    assert found.weights.tolist() == [pytest.approx(weights), [0] * size, [0] * size]


def test_a_log_without_events_is_known_as_one(spark: SparkSession) -> None:
    logs: Logs = read(spark, [], [("t1", "Jazz", None)])
    assert (logs.first, logs.until, logs.user_count, len(logs.catalogue)) == (0, 0, 0, 1)
    none = confidence.histories(confidence.confidence(logs.activity, MORNING, Parameters()))
    assert capped.cap(none, users=0, tracks=1, size=3, kind="profile").tracks.shape == (0, 3)
    logs.release()
