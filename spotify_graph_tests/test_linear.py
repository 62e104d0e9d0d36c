"""The linear model against its definition: the weights of least squares, with a diagonal of 0."""

import numpy as np
import pytest

from spotify_graph.transforms.recommendations import linear
from spotify_graph_tests.handmade import capped

TRACKS = 6
HISTORIES = [{0: 1.0, 1: 2.0, 2: 1.0}, {0: 3.0, 1: 1.0}, {2: 1.0, 3: 1.0}, {0: 1.0, 3: 2.0, 1: 1.0}, {4: 1.0}]
"""Nobody has the last track."""


def test_it_is_of_the_tracks_with_most_listeners_and_of_none_without_any() -> None:
    history = capped(TRACKS, *HISTORIES)
    assert linear.popular(history, TRACKS, 10).tolist() == [0, 1, 2, 3, 4]
    assert linear.popular(history, TRACKS, 3).tolist() == [0, 1, 2]
    assert linear.popular(history, TRACKS, 0).tolist() == []


def test_pairs_are_counted_by_who_likes_both() -> None:
    history = capped(TRACKS, *HISTORIES)
    counted = linear.together(history, np.array([0, 1, 3], dtype=np.int32), TRACKS)
    assert counted.tolist() == [[3, 3, 1], [3, 3, 1], [1, 1, 2]]


@pytest.mark.parametrize("strength", [0.3, 3.0])
def test_no_other_weights_predict_better(strength: float) -> None:
    history = capped(TRACKS, *HISTORIES)
    tracks = linear.popular(history, TRACKS, TRACKS)
    weights = linear.solve(linear.together(history, tracks, TRACKS), strength)
    assert weights.diagonal().tolist() == [0] * 5
    likes = np.zeros((len(HISTORIES), 5))
    for user, own in enumerate(HISTORIES):
        likes[user, list(own)] = 1
    held = strength * likes.sum() / 5

    def loss(of: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
        return float(((likes - likes @ of) ** 2).sum() + held * (of**2).sum())

    best = loss(weights.astype(np.float64))
    for row in range(5):
        for column in set(range(5)) - {row}:
            for step in (-0.01, 0.01):
                other = weights.astype(np.float64)
                other[row, column] += step
                assert loss(other) > best


def test_of_no_tracks_there_are_no_weights() -> None:
    history = capped(TRACKS)
    none = linear.popular(history, TRACKS, 5)
    assert linear.solve(linear.together(history, none, TRACKS), 1.0).shape == (0, 0)
