"""How popular tracks are of late: the model that needs to know nothing of a user.

Each listener of a track counts once, and half for every half-life since they last played it. To count listeners and
not plays keeps one fan from making a hit; see Ji et al., "A Re-visit of the Popularity Baseline in Recommender Systems"
(2020), on why a popularity must be one of its time. Popularity within a genre or by an artist is the same number, among
the tracks of that genre or artist (`scores.by_group`).
"""

import numpy as np

from spotify_graph.transforms.recommendations.arrays import Floats
from spotify_graph.transforms.recommendations.confidence import decay
from spotify_graph.transforms.recommendations.histories import NEVER, Histories


def popularity(histories: Histories, tracks: int, until: int, half_life_days: float | None) -> tuple[Floats, Floats]:
    """Counts each track's listeners among some users.

    Args:
        histories: the users'.
        tracks: how many tracks there are.
        until: the day on whose morning it is asked.
        half_life_days: after how long a listener counts half; None counts all alike.

    Returns:
        The listeners, all of them, and those of late; shape (tracks,) each.
    """
    played = histories.last_play != NEVER
    track = histories.tracks[played]
    weights = decay(until - 1 - histories.last_play[played], half_life_days)
    ever, of_late = np.bincount(track, minlength=tracks), np.bincount(track, weights, tracks)
    return ever.astype(np.float32), of_late.astype(np.float32)
