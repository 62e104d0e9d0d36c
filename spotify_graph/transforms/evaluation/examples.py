"""What the combination learns from: candidates of each user, played or not."""

import numpy as np

from spotify_graph.transforms.evaluation.lists import Asked
from spotify_graph.transforms.recommendations.combination import Examples, logarithm
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS, top
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

CANDIDATES = 300
"""How many of the best tracks of each model are candidates."""
_UNPLAYED = 100
"""How many candidates of a user that were not played are kept at the most; each stands for several."""


def examples(asked: Asked, known: TrackFeatures, parameters: Parameters) -> Examples:
    """The candidates of some users: the best tracks of every model among those that the user had never met.

    Args:
        asked: the users.
        known: what the models know.
        parameters: the models' parameters.
    """
    shape = asked.met.shape
    scores = [np.broadcast_to(score(asked.block, known, parameters), shape) for score in MODELS.values()]
    candidates = np.zeros(shape, dtype=bool)
    for each in scores:
        best = top(each, ~asked.met & (each > 0), CANDIDATES)
        row, place = np.nonzero(best >= 0)
        candidates[row, best[row, place]] = True
    rows, tracks, weight = [], [], []
    for at, user in enumerate(asked.block.users.tolist()):
        played = np.flatnonzero(candidates[at] & asked.relevant[at])
        if not len(played):
            continue
        others = np.flatnonzero(candidates[at] & ~asked.relevant[at])
        kept = np.random.default_rng([parameters.seed, user]).permutation(others)[:_UNPLAYED]
        rows.append(np.full(len(played) + len(kept), at))
        tracks.append(np.append(played, kept))
        weight.append(np.append(np.ones(len(played)), np.full(len(kept), len(others) / max(len(kept), 1))))
    if not rows:
        none = np.zeros(0)
        return Examples(
            none.astype(np.int32), np.zeros((0, len(MODELS)), np.float32), none.astype(bool), none.astype(np.float32)
        )
    row, track = np.concatenate(rows), np.concatenate(tracks)
    features = np.column_stack([logarithm(each)[row, track] for each in scores])
    return Examples(
        asked.block.users[row], features, asked.relevant[row, track], np.concatenate(weight).astype(np.float32)
    )
