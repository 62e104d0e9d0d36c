"""The textbook metrics of ranked lists, for each user, and the confidence intervals of their means.

`hits` has shape (users, places): whether the track at each place was relevant; a place without a track is no hit.
`relevant` has shape (users,): how many relevant tracks each user has, at least 1.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_RESAMPLES = 1000


def recall(hits: Bools, relevant: Counts, k: int) -> Values:
    """The share of a user's relevant tracks that are among the first k."""
    found: Values = hits[:, :k].sum(axis=1) / relevant
    return found


def ndcg(hits: Bools, relevant: Counts, k: int) -> Values:
    """Normalized discounted cumulative gain at k, with binary relevance.

    A hit at place i, from 1, gains 1 / log2(i + 1); the sum is divided by that of the best possible ranking, which has
    all relevant tracks first (Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", 2002).
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    places = hits[:, :k]
    ideal = np.cumsum(gains)[np.minimum(relevant, k) - 1]
    found: Values = (places * gains[: places.shape[1]]).sum(axis=1) / ideal
    return found


def coverage(ranked: npt.NDArray[np.int32], tracks: int, k: int) -> float:
    """The share of the catalogue that is among the first k of anybody. Places without a track are -1."""
    first = ranked[:, :k]
    return len(np.unique(first[first >= 0])) / tracks if tracks else 0.0


def diversity(
    ranked: npt.NDArray[np.int32], genre: npt.NDArray[np.int32], artist: npt.NDArray[np.int32], k: int
) -> float:
    """The intra-list diversity of the first k: the mean distance of two tracks of a list, in the mean over lists.

    Two tracks are half apart for different genres (of several, not all the same) and half for different artists, 1 for
    both. After Ziegler et al.,
    "Improving Recommendation Lists Through Topic Diversification" (2005). Lists of fewer than two tracks are left out.
    """
    distances = []
    for row in ranked[:, :k]:
        tracks = row[row >= 0]
        pairs = len(tracks) * (len(tracks) - 1)
        if pairs:
            alike = sum(float((np.bincount(of[tracks]) ** 2).sum()) - len(tracks) for of in (genre, artist))
            distances.append(1 - alike / 2 / pairs)
    return float(np.mean(distances)) if distances else 0.0


@dataclass(frozen=True)
class Mean:
    """A mean over users, with its confidence interval.

    Attributes:
        value: the mean.
        low: the lower end of the 95 % interval.
        high: the upper end.
    """

    value: float
    low: float
    high: float


def mean(values: Values, seed: int = 0) -> Mean:
    """The mean over users with its 95 % interval: the percentile bootstrap of Efron (1979), with 1,000 resamples."""
    count = len(values)
    if not count:
        return Mean(0.0, 0.0, 0.0)
    low, high = np.quantile(_draws(count, seed) @ values / count, (0.025, 0.975))
    return Mean(float(values.mean()), float(low), float(high))


@lru_cache(maxsize=4)
def _draws(count: int, seed: int) -> Values:
    """How often each of so many users is drawn in each resample; many means are of the same users."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    return drawn.astype(np.float64)
