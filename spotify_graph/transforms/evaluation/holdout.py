"""What is kept from the models to be predicted: the days of a window, or a share of what each user likes.

In a window, never-heard tracks are those that a user first met there. Where listeners keep returning to the same
tracks, hardly anybody meets any in a few days, and a window says nothing. Pairs of a user and a track that are held out
whenever they met say something about every user.
"""

from dataclasses import dataclass

import numpy as np

from spotify_graph.transforms.evaluation.split import Window
from spotify_graph.transforms.recommendations.arrays import Bools, Ints
from spotify_graph.transforms.recommendations.confidence import Activity, liked

_SHARE = 0.2
_LEAST_TRACKS = 5
"""Of how many tracks that a user likes some are held out: of fewer, too little would be left to know the user by."""


@dataclass(frozen=True)
class Pairs:
    """A fifth of the tracks that each user likes, drawn by a seed.

    Attributes:
        known_until: models know the events before this day, without any of those pairs.
        seed: draws others.
    """

    known_until: int
    seed: int

    def held(self, activity: Activity) -> Bools:
        """Which rows are of pairs that are held out."""
        starts = activity.starts
        lengths = np.diff(np.append(starts, len(activity.user)))
        likes = liked(activity) & (activity.day < self.known_until)
        user, track = activity.user[starts], activity.track[starts]
        liked_pair = np.logical_or.reduceat(likes, starts) if len(starts) else np.zeros(0, dtype=bool)
        many = np.bincount(user[liked_pair], minlength=int(user.max(initial=-1)) + 1)[user] >= _LEAST_TRACKS
        return np.repeat(liked_pair & many & (_drawn(user, track, self.seed) < _SHARE), lengths)


Holdout = Window | Pairs
"""What is kept from the models."""


@dataclass(frozen=True)
class Sought:
    """Whom to recommend to, and what to find: pairs of a user and a track, sorted, each once.

    Attributes:
        relevant: shape (pairs, 2): what the users were to be recommended.
        met: likewise: what they had met before.
    """

    relevant: Ints
    met: Ints


def sought(activity: Activity, holdout: Holdout) -> Sought:
    """What was held out of what some users did."""
    if isinstance(holdout, Pairs):
        held, known = holdout.held(activity), activity.day < holdout.known_until
        return Sought(_pairs(activity, known & held & liked(activity)), _pairs(activity, known & ~held))
    inside = (activity.day >= holdout.first) & (activity.day < holdout.until)
    return Sought(_pairs(activity, inside & liked(activity)), _pairs(activity, activity.day < holdout.first))


def _pairs(activity: Activity, mask: Bools) -> Ints:
    some = activity.where(mask)
    starts = some.starts
    return np.column_stack([some.user[starts], some.track[starts]])


def _drawn(user: Ints, track: Ints, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A number from 0 to 1 for each pair, the same for ever: SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = (user.astype(np.uint64) << np.uint64(32)) | track.astype(np.uint64)
    mixed += np.uint64(((2 * seed + 1) * 0x9E3779B97F4A7C15) % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) / np.float64(2**64)
