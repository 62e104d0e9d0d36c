"""An item-item linear model with a closed form: each user's tracks are predicted from the other ones that they like.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019), known as EASE: the weights B, with a diagonal of 0,
for which |X - X B|^2 + strength * |B|^2 is least, where X is 1 for each track of a capped history. Unlike neighbours,
two tracks that say the same are not counted twice, and a track can speak against another. Weights are of all pairs, so
that the model is of the tracks with most listeners: 8 bytes for each pair while it is solved, 200 MB for 5,000 tracks
and each of a few steps, and 4 bytes in every task.
"""

import numpy as np
import numpy.typing as npt

from spotify_graph.transforms.recommendations.arrays import Floats, Ints
from spotify_graph.transforms.recommendations.histories import Capped

_PAIRS = 4_000_000
"""How many pairs of tracks are counted at once."""


def popular(history: Capped, tracks: int, most: int) -> Ints:
    """The tracks with most listeners, by number; those without any are left out."""
    listeners = np.bincount(history.tracks.ravel(), minlength=tracks + 1)[:tracks]
    best = np.lexsort((np.arange(tracks), -listeners))[:most]
    return np.sort(best[listeners[best] > 0]).astype(np.int32)


def together(history: Capped, of: Ints, tracks: int) -> npt.NDArray[np.float64]:
    """How many users like both, for each pair of some tracks."""
    count = len(of)
    place = np.full(tracks + 1, count, dtype=np.int64)
    place[of] = np.arange(count)
    found = np.zeros((count + 1) ** 2)
    size = max(1, _PAIRS // max(history.tracks.shape[1] ** 2, 1))
    for start in range(0, len(history.tracks), size):
        some = history[start : start + size]
        at = place[some.tracks]
        pairs = at[:, :, None] * (count + 1) + at[:, None, :]
        found += np.bincount(pairs.ravel(), minlength=len(found))
    return found.reshape(count + 1, count + 1)[:count, :count]


def solve(together: npt.NDArray[np.float64], strength: float) -> Floats:
    """The weights with which each track speaks for each other one, shape (tracks, tracks).

    Args:
        together: from `together`.
        strength: the regularization, beside the mean of the diagonal.
    """
    count = len(together)
    if not count:
        return np.zeros((0, 0), dtype=np.float32)
    diagonal = np.arange(count)
    held = together.copy()
    held[diagonal, diagonal] += strength * together.trace() / count
    inverse = np.linalg.inv(held)
    weights = inverse / -inverse[diagonal, diagonal]
    weights[diagonal, diagonal] = 0
    return weights.astype(np.float32)
