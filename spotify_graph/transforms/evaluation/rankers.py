"""What is compared: each model, the combination, the baselines, and the oracle of sample data."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from spotify_graph.transforms.evaluation.lists import Ranker
from spotify_graph.transforms.recommendations.capped import Floats, Ints
from spotify_graph.transforms.recommendations.combination import Combination, probability
from spotify_graph.transforms.recommendations.knowledge import OfTracks
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS, Block, Score, by_neighbours, by_own_history

COMBINATION = "combination"
ORACLE = "oracle"
PUBLISHED = "published model"


def of_model(score: Score) -> Ranker:
    """Ranks by a model's scores."""
    return lambda rows, block, known, parameters: score(block, known, parameters)


def models() -> Mapping[str, Ranker]:
    """Each model alone."""
    return {name: of_model(score) for name, score in MODELS.items()}


def combined(combination: Combination) -> Ranker:
    """Ranks by the combination of all models."""
    return lambda rows, block, known, parameters: probability(combination.score(block, known, parameters))


def baselines(cosine: tuple[Ints, Floats]) -> Mapping[str, Ranker]:
    """What a model has to beat.

    Args:
        cosine: `neighbours.as_arrays` of cosine neighbours.
    """
    return {
        "random": _random,
        "all-time popularity": lambda rows, block, known, parameters: known.listeners[None, :],
        "own history": of_model(by_own_history),
        "item-item cosine": _Cosine(*cosine),
    }


@dataclass(frozen=True)
class Truth:
    """What sample data was drawn from, by the tracks' numbers.

    Attributes:
        popularity: the true popularity of each track.
        genre: each track's true genre, as a position in the column `taste` of the users' rows.
    """

    popularity: npt.NDArray[np.float32]
    genre: Ints

    def __call__(self, rows: pd.DataFrame, block: Block, known: OfTracks, parameters: Parameters) -> Floats:
        """Ranks as one who knows the truth: taste * popularity."""
        taste = np.stack(rows["taste"].to_list()).astype(np.float32)
        scores: Floats = taste[:, self.genre] * self.popularity
        return scores


def published(rows: pd.DataFrame, block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """Ranks as the published model did before the window: the column `published` has its lists."""
    scores = np.zeros((len(rows), len(known)), dtype=np.float32)
    for i, ranked in enumerate(rows["published"]):
        if ranked is not None:
            scores[i, ranked] = np.arange(len(ranked), 0, -1)
    return scores


@dataclass(frozen=True)
class _Cosine:
    similar: Ints
    scores: Floats

    def __call__(self, rows: pd.DataFrame, block: Block, known: OfTracks, parameters: Parameters) -> Floats:
        known = OfTracks(**{**vars(known), "similar": self.similar, "scores": self.scores})
        return by_neighbours(block, known, parameters)


def _random(rows: pd.DataFrame, block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    draws = [np.random.default_rng([parameters.seed, user]).random(len(known)) for user in rows["user"]]
    return np.stack(draws).astype(np.float32) + np.float32(1e-6)
