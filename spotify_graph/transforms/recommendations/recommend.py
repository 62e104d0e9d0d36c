"""The lists that the graph holds of a model: the tracks that each user never met, best first."""

from collections.abc import Iterator, Sequence

import numpy as np

from spotify_graph.transforms.recommendations.arrays import Bools, Floats, Ints, Places
from spotify_graph.transforms.recommendations.combination import Combination, probability
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import Block, top
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

_CELLS = 4_000_000
"""How many scores of users and tracks are held at once for each model."""


def block_size(tracks: int) -> int:
    """How many users to score at once, so that memory does not grow with the catalogue."""
    return max(1, min(256, _CELLS // max(tracks, 1)))


def in_blocks(users: Ints, tracks: int) -> Iterator[Ints]:
    """Some users in blocks that can be scored at once; one without users where there are none."""
    size = block_size(tracks)
    return (users[start : start + size] for start in range(0, max(len(users), 1), size))


def recommended(
    block: Block, known: TrackFeatures, combination: Combination, parameters: Parameters
) -> tuple[Ints, Floats]:
    """Ranks for each user the tracks that they never met.

    Returns:
        The tracks, best first, -1 where a user has fewer, and their probabilities; shape (users, places) each.
    """
    scores = combination.score(block, known, parameters)
    never_met = ~mask(block.histories.rows, block.histories.tracks, scores.shape)
    best = top(scores, never_met, parameters.recommended)
    return best, probability(np.take_along_axis(scores, np.maximum(best, 0), axis=1))


def mask(rows: Places, tracks: Ints, shape: Sequence[int]) -> Bools:
    """Which tracks each user has, shape (users, tracks), from pairs of a row and a track."""
    found = np.zeros(tuple(shape), dtype=bool)
    found[rows, tracks] = True
    return found
