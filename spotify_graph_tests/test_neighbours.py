"""Neighbours against loops over users and pairs of tracks, written from the formulas alone."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from spotify_graph.transforms.recommendations import capped, confidence, neighbours
from spotify_graph.transforms.recommendations.neighbours import Weighting
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph_tests import handmade

TRACKS = 12
LONELY, UNKNOWN = 10, 11
"""A track of one user who has no other, and a track that nobody has."""
KEPT = 4
PARAMETERS = Parameters(neighbours=KEPT, bm25_k1=1.6, bm25_b=0.6)

History = dict[int, float]
Weigh = Callable[[list[History]], list[History]]
Neighbours = dict[int, list[tuple[Any, ...]]]
"""Of each track: the neighbours, their scores, and how many listeners they share."""


def random_histories(seed: int) -> list[History]:
    """Of 14 users; one has nothing, and one only the lonely track."""
    dice = random.Random(seed)  # noqa: S311
    some = [{track: dice.uniform(0.1, 3) for track in range(LONELY) if dice.random() < 0.4} for _ in range(12)]
    return [*some, {}, {LONELY: 1.0}]


def bm25(histories: list[History]) -> list[History]:
    users = [history for history in histories if history]
    mean_length = sum(sum(history.values()) for history in users) / len(users)
    k1, b = PARAMETERS.bm25_k1, PARAMETERS.bm25_b

    def weight(history: History, track: int) -> float:
        having = sum(track in other for other in users)
        rarity = math.log(1 + (len(users) - having + 0.5) / (having + 0.5))
        length = sum(history.values()) / mean_length
        return rarity * history[track] * (k1 + 1) / (history[track] + k1 * (1 - b + b * length))

    return [{track: weight(history, track) for track in history} for history in histories]


def of_length_1(histories: list[History]) -> list[History]:
    def length(track: int) -> float:
        return math.sqrt(sum(history.get(track, 0) ** 2 for history in histories))

    return [{track: weight / length(track) for track, weight in history.items()} for history in histories]


def worked_out(weights: list[History]) -> Neighbours:
    best = {}
    for track in range(TRACKS):
        pairs = []
        for other in set(range(TRACKS)) - {track}:
            products = [of[track] * of[other] for of in weights if track in of and other in of]
            if products:
                pairs.append((other, sum(products), len(products)))
        if pairs:
            best[track] = sorted(pairs, key=lambda pair: -pair[1])[:KEPT]
    return best


def found(spark: SparkSession, histories: list[History], weighting: Weighting) -> Neighbours:
    given = handmade.capped(TRACKS, *histories)
    rows = neighbours.neighbours(spark, given, TRACKS, PARAMETERS, weighting).collect()
    return {row.track: list(zip(row.similar, row.scores, row.listeners, strict=True)) for row in rows}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("weighting", "weights"), [(Weighting.BM25, bm25), (Weighting.COSINE, of_length_1)])
def test_each_track_keeps_the_neighbours_that_a_count_over_all_pairs_finds_best(
    spark: SparkSession, weighting: Weighting, weights: Weigh, seed: int
) -> None:
    histories = random_histories(seed)
    expected = worked_out(weights(histories))
    assert any(len(best) == KEPT for best in expected.values())
    assert LONELY not in expected
    assert UNKNOWN not in expected
    assert found(spark, histories, weighting) == {
        track: [(other, pytest.approx(score, rel=1e-5), shared) for other, score, shared in best]
        for track, best in expected.items()
    }


def test_cosine_of_two_tracks_that_the_same_people_like_alike_is_1(spark: SparkSession) -> None:
    twins: list[History] = [{0: 1.0, 1: 2.0}, {0: 2.0, 1: 4.0}]
    assert found(spark, twins, Weighting.COSINE) == {
        0: [(1, pytest.approx(1), 2)],
        1: [(0, pytest.approx(1), 2)],
    }


def test_equal_neighbours_are_cut_by_number(spark: SparkSession) -> None:
    alike: History = dict.fromkeys(range(TRACKS), 1.0)
    best = found(spark, [alike, alike], Weighting.BM25)
    assert [other for other, *_ in best[0]] == [1, 2, 3, 4]
    assert [other for other, *_ in best[2]] == [0, 1, 3, 4]


def test_the_cap_of_histories_bounds_which_pairs_are_counted(spark: SparkSession) -> None:
    rows = [(0, track, 0.0, 1.0 + track) for track in range(6)] + [(1, 0, 0.0, 1.0), (1, 5, 0.0, 1.0)]
    known = spark.createDataFrame(rows, "user int, track int, profile double, cooccurrence double")
    two = capped.cap(confidence.histories(known), users=2, tracks=6, size=2, kind="cooccurrence")
    pairs = {
        (row.track, other)
        for row in neighbours.neighbours(spark, two, 6, Parameters()).collect()
        for other in row.similar
    }
    assert pairs == {(4, 5), (5, 4), (0, 5), (5, 0)}  # of the first user's six tracks the strongest two


def test_rows_are_of_one_length_with_no_track_past_the_last_neighbour(spark: SparkSession) -> None:
    near = spark.createDataFrame([(1, [2, 0], [0.5, 0.25], [3, 1])], neighbours.SCHEMA)
    similar, scores = neighbours.as_arrays(near, tracks=3, keep=3)
    assert similar.tolist() == [[3, 3, 3], [2, 0, 3], [3, 3, 3]]
    assert scores.tolist() == [[0, 0, 0], [0.5, 0.25, 0], [0, 0, 0]]


@pytest.mark.parametrize("tracks", [0, 3])
def test_where_nobody_likes_anything_no_track_has_neighbours(spark: SparkSession, tracks: int) -> None:
    nobody = handmade.capped(tracks, {}, {})
    found = neighbours.neighbours(spark, nobody, tracks, Parameters())
    similar, scores = neighbours.as_arrays(found, tracks, keep=2)
    assert similar.tolist() == [[tracks] * 2] * tracks
    assert not np.any(scores)
