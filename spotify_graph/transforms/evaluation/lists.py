"""What each model would have recommended, beside what users then listened to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from spotify_graph.transforms.evaluation.metrics import Counts
from spotify_graph.transforms.recommendations.arrays import Bools, Floats, Ints
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.recommend import mask
from spotify_graph.transforms.recommendations.scores import Block, top
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

PLACES = 100
"""How many places of each list are looked at."""

Ranker = Callable[[Block, TrackFeatures, Parameters], Floats]
"""Scores the whole catalogue for some users; 0 or less is not ranked. Shape (users or 1, tracks)."""


class Scope(StrEnum):
    """Which tracks are ranked, and which of those that a user listened to are to be found."""

    ALL = "all"
    """The whole catalogue."""
    NEW = "never heard"
    """Tracks that the user had never met before."""


@dataclass(frozen=True)
class Lists:
    """The lists of one ranker in one scope, one row for each user who has something to be found.

    Attributes:
        users: the users' numbers, ascending.
        ranked: shape (users, places): the tracks, best first; -1 past the end of a list.
        hits: likewise, whether they were to be found.
        relevant: how many were to be found.
    """

    users: Ints
    ranked: Ints
    hits: Bools
    relevant: Counts


@dataclass(frozen=True)
class Asked:
    """Some users, and what is to be found for them.

    Attributes:
        block: the users, as the models know them.
        relevant: shape (users, tracks): what they were to be recommended.
        met: likewise: what they had met before.
    """

    block: Block
    relevant: Bools
    met: Bools

    @classmethod
    def of(cls, block: Block, relevant: Ints, met: Ints, tracks: int) -> "Asked":
        """From pairs of a user's number and a track, shape (pairs, 2), of these users at least, sorted by user."""
        shape = (len(block), tracks)
        return cls(block, _mask(block.users, relevant, shape), _mask(block.users, met, shape))


def _mask(users: Ints, pairs: Ints, shape: tuple[int, int]) -> Bools:
    place = np.searchsorted(users, pairs[:, 0])
    here = np.append(users, -1)[place] == pairs[:, 0]
    return mask(place[here], pairs[here, 1], shape)


def lists(
    asked: Asked,
    known: TrackFeatures,
    rankers: Mapping[str, Ranker],
    scopes: Sequence[Scope],
    parameters: Parameters,
) -> dict[tuple[str, Scope], Lists]:
    """Ranks the whole catalogue for some users, with each ranker.

    Args:
        asked: the users.
        known: what the models know.
        rankers: by name.
        scopes: what to rank and to find.
        parameters: the models' parameters.
    """
    found = {}
    for name, ranker in rankers.items():
        scores = np.broadcast_to(ranker(asked.block, known, parameters), asked.met.shape)
        for scope in scopes:
            allowed = ~asked.met if scope is Scope.NEW else np.ones_like(asked.met)
            wanted = asked.relevant & allowed
            counts = wanted.sum(axis=1)
            ranked = _padded(top(scores, allowed & (scores > 0), PLACES))
            hits = np.take_along_axis(wanted, np.maximum(ranked, 0), axis=1) & (ranked >= 0)
            some = counts > 0
            found[name, scope] = Lists(asked.block.users[some], ranked[some], hits[some], counts[some])
    return found


def _padded(ranked: Ints) -> Ints:
    """Lists of PLACES places."""
    return np.pad(ranked, ((0, 0), (0, PLACES - ranked.shape[1])), constant_values=-1)
