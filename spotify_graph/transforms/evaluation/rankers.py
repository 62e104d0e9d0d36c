"""What is compared: each model, the combination, the baselines, and the oracle of sample data."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spotify_graph.transforms.evaluation.lists import Ranker
from spotify_graph.transforms.recommendations.arrays import Floats, Ints
from spotify_graph.transforms.recommendations.combination import Combination, probability
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import Block, by_own_history
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

COMBINATION = "combination"
ORACLE = "oracle"
PUBLISHED = "published model"


def combined(combination: Combination) -> Ranker:
    """Ranks by the combination of all models."""
    return lambda block, known, parameters: probability(combination.score(block, known, parameters))


def baselines() -> Mapping[str, Ranker]:
    """What a model has to beat."""
    return {
        "random": _random,
        "all-time popularity": lambda block, known, parameters: known.listeners[None, :],
        "own history": by_own_history,
    }


@dataclass(frozen=True)
class Truth:
    """What sample data was drawn from, by the tracks' and the users' numbers.

    Attributes:
        popularity: the true popularity of each track.
        genre: each track's true genre, as a position in `tastes`.
        tastes: shape (users, genres): how much of what each user plays is of each genre.
    """

    popularity: Floats
    genre: Ints
    tastes: Floats

    def __call__(self, block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
        """Ranks as one who knows the truth: taste * popularity."""
        scores: Floats = self.tastes[block.users][:, self.genre] * self.popularity
        return scores


@dataclass(frozen=True)
class Published:
    """Ranks as the published model did.

    Attributes:
        users: the users' numbers, ascending.
        ranked: shape (users, places): their tracks, best first; -1 past the end.
    """

    users: Ints
    ranked: Ints

    def __call__(self, block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
        """The place in the list, from its end."""
        place = np.searchsorted(self.users, block.users)
        here = np.flatnonzero(np.append(self.users, -1)[place] == block.users)
        ranked = self.ranked[place[here]]
        row, at = np.nonzero(ranked >= 0)
        scores = np.zeros((len(block), len(known)), dtype=np.float32)
        scores[here[row], ranked[row, at]] = ranked.shape[1] - at
        return scores


def _random(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    draws = [np.random.default_rng([parameters.seed, user]).random(len(known)) for user in block.users.tolist()]
    return np.array(draws, dtype=np.float32).reshape(len(block), len(known)) + np.float32(1e-6)
