"""Neighbours against loops over users and pairs of tracks, written from the formulas alone."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spotify_graph.transforms.recommendations.arrays import together
from spotify_graph.transforms.recommendations.histories import Histories, cap
from spotify_graph.transforms.recommendations.neighbours import Listened, Neighbours, Weighting, neighbours
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph_tests import handmade

TRACKS = 12
LONELY, UNKNOWN = 10, 11
"""A track of one user who has no other, and a track that nobody has."""
KEPT = 4
PARAMETERS = Parameters(neighbours=KEPT, bm25_k1=1.6, bm25_b=0.6)

History = dict[int, float]
Weigh = Callable[[list[History]], list[History]]
Neighbours_ = dict[int, list[tuple[Any, ...]]]
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


def worked_out(weights: list[History]) -> Neighbours_:
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


def as_lists(near: Neighbours) -> Neighbours_:
    """The neighbours of each track that has any."""
    rows = zip(near.tracks.tolist(), near.scores.tolist(), near.listeners.tolist(), strict=True)
    found = {track: [each for each in zip(*row, strict=True) if each[1] > 0] for track, row in enumerate(rows)}
    return {track: best for track, best in found.items() if best}


def found(histories: list[History], weighting: Weighting) -> Neighbours_:
    given = handmade.capped(TRACKS, *histories)
    return as_lists(neighbours(Listened.of(given, TRACKS, PARAMETERS, weighting), range(TRACKS), KEPT))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("weighting", "weights"), [(Weighting.BM25, bm25), (Weighting.COSINE, of_length_1)])
def test_each_track_keeps_the_neighbours_that_a_count_over_all_pairs_finds_best(
    weighting: Weighting, weights: Weigh, seed: int
) -> None:
    histories = random_histories(seed)
    expected = worked_out(weights(histories))
    assert any(len(best) == KEPT for best in expected.values())
    assert LONELY not in expected
    assert UNKNOWN not in expected
    assert found(histories, weighting) == {
        track: [(other, pytest.approx(score, rel=1e-5), shared) for other, score, shared in best]
        for track, best in expected.items()
    }


def test_cosine_of_two_tracks_that_the_same_people_like_alike_is_1() -> None:
    twins: list[History] = [{0: 1.0, 1: 2.0}, {0: 2.0, 1: 4.0}]
    assert found(twins, Weighting.COSINE) == {
        0: [(1, pytest.approx(1), 2)],
        1: [(0, pytest.approx(1), 2)],
    }


def test_equal_neighbours_are_cut_by_number() -> None:
    alike: History = dict.fromkeys(range(TRACKS), 1.0)
    best = found([alike, alike], Weighting.BM25)
    assert [other for other, *_ in best[0]] == [1, 2, 3, 4]
    assert [other for other, *_ in best[2]] == [0, 1, 3, 4]


def test_tracks_are_worked_on_in_blocks() -> None:
    given = handmade.capped(TRACKS, *random_histories(0))
    listened = Listened.of(given, TRACKS, PARAMETERS, Weighting.BM25)
    blocks = [neighbours(listened, block, KEPT) for block in (range(5), range(5, TRACKS))]
    assert as_lists(together(blocks)) == found(random_histories(0), Weighting.BM25)


def test_the_cap_of_histories_bounds_which_pairs_are_counted() -> None:
    known: Histories = handmade.histories({track: 1.0 + track for track in range(6)}, {0: 1.0, 5: 1.0})
    two = cap(known, tracks=6, size=2, weights=known.cooccurrence)
    near = as_lists(neighbours(Listened.of(two, 6, Parameters(), Weighting.BM25), range(6), KEPT))
    # Of the first user's six tracks the strongest two.
    assert {(track, other) for track, best in near.items() for other, *_ in best} == {(4, 5), (5, 4), (0, 5), (5, 0)}


@pytest.mark.parametrize("tracks", [0, 3])
def test_where_nobody_likes_anything_no_track_has_neighbours(tracks: int) -> None:
    nobody = handmade.capped(tracks, {}, {})
    near = neighbours(Listened.of(nobody, tracks, Parameters(), Weighting.BM25), range(tracks), 2)
    assert near.tracks.tolist() == [[tracks] * 2] * tracks
    assert not np.any(near.scores)
