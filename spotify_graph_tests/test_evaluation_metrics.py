"""The textbook metrics against cases worked out by hand."""

import math

import numpy as np
import pytest

from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.metrics import Bools, Counts

HITS: Bools = np.array(
    [
        [True, False, True, False],
        [False, False, False, True],
        [False, False, False, False],
        [True, True, True, True],
    ]
)
RELEVANT: Counts = np.array([2, 1, 3, 9])
DISCOUNTED = [1 / math.log2(place + 1) for place in range(1, 20)]


def test_recall_is_the_share_of_a_users_tracks_among_the_first_k() -> None:
    assert metrics.recall(HITS, RELEVANT, 1).tolist() == [1 / 2, 0, 0, 1 / 9]
    assert metrics.recall(HITS, RELEVANT, 4).tolist() == [2 / 2, 1, 0, 4 / 9]


def test_ndcg_is_1_for_the_best_ranking_and_less_the_later_the_hits() -> None:
    assert metrics.ndcg(HITS, RELEVANT, 4).tolist() == pytest.approx(
        [
            (1 + 1 / 2) / (1 + 1 / math.log2(3)),
            1 / math.log2(5),
            0,
            1,  # nine are to be found, in four places
        ]
    )
    assert metrics.ndcg(HITS, RELEVANT, 3).tolist() == pytest.approx([(1 + 1 / 2) / (1 + 1 / math.log2(3)), 0, 0, 1])


def test_lists_of_fewer_than_k_places_lose_what_they_do_not_name() -> None:
    assert metrics.recall(HITS, RELEVANT, 100).tolist() == metrics.recall(HITS, RELEVANT, 4).tolist()
    assert metrics.ndcg(HITS, RELEVANT, 10)[3] == pytest.approx(sum(DISCOUNTED[:4]) / sum(DISCOUNTED[:9]))


def test_nobody_asked_gives_no_values() -> None:
    nobody = np.zeros((0, 5), dtype=bool), np.zeros(0, dtype=np.int64)
    assert metrics.recall(*nobody, 10).shape == metrics.ndcg(*nobody, 10).shape == (0,)


RANKED = np.array([[0, 1, 2], [1, 0, -1], [3, -1, -1], [-1, -1, -1]], dtype=np.int32)


def test_coverage_is_the_share_of_the_catalogue_that_anybody_is_shown() -> None:
    assert metrics.coverage(RANKED, 8, 1) == 3 / 8
    assert metrics.coverage(RANKED, 8, 3) == 4 / 8
    assert metrics.coverage(RANKED[3:], 8, 3) == 0
    assert metrics.coverage(RANKED[:0], 0, 3) == 0


def test_diversity_is_the_mean_distance_of_two_tracks_of_a_list() -> None:
    genre, artist = np.array([0, 0, 1, 1], dtype=np.int32), np.array([0, 1, 2, 2], dtype=np.int32)
    # In the first list 0 and 1 differ in the artist alone, and each from 2 in both; in the second there is one pair;
    # the others have none.
    assert metrics.diversity(RANKED, genre, artist, 3) == pytest.approx(((1 / 2 + 1 + 1) / 3 + 1 / 2) / 2)
    assert metrics.diversity(RANKED, genre, artist, 2) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert metrics.diversity(RANKED, genre, artist, 1) == 0


@pytest.mark.parametrize(
    "values",
    [[0.1, 0.1, 0.1], [0.7], [0.0] * 9 + [1.0], list(np.random.default_rng(3).random(57)), [1 / 3] * 7],
    ids=["equal", "one", "skewed", "random", "thirds"],
)
def test_the_interval_of_a_mean_holds_it(values: list[float]) -> None:
    found = metrics.mean(np.array(values))
    assert found.value == pytest.approx(sum(values) / len(values))
    assert found.low <= found.value <= found.high
    assert min(values) - 1e-9 <= found.low
    assert found.high <= max(values) + 1e-9


def test_the_interval_is_about_two_standard_errors_wide_to_each_side_and_so_narrower_with_more_users() -> None:
    few, many = np.tile([0.0, 1.0], 50), np.tile([0.0, 1.0], 800)
    for values in (few, many):
        error = 0.5 / math.sqrt(len(values))
        found = metrics.mean(values)
        assert found.high - found.value == pytest.approx(1.96 * error, rel=0.2)
        assert found.value - found.low == pytest.approx(1.96 * error, rel=0.2)


def test_a_seed_gives_the_same_interval_each_time_and_another_seed_another_one() -> None:
    values = np.random.default_rng(1).random(40)
    first = metrics.mean(values, seed=5)
    metrics.mean(np.random.default_rng(2).random(30), seed=5)
    assert metrics.mean(values, seed=5) == first
    assert metrics.mean(values, seed=6) != first


def test_the_mean_over_nobody_is_0() -> None:
    assert metrics.mean(np.zeros(0)) == metrics.Mean(0.0, 0.0, 0.0)
