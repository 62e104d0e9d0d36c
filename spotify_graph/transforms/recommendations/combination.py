"""The combination of all models into one ranking: a weighted product of their scores.

Each model's scores of a user are divided by the largest one; the combination is the sum of weight * log(score), a
log-linear pool (Genest and Zidek, "Combining Probability Distributions", 1986). The weights, none below 0, are those of
a conditional logit (McFadden, "Conditional Logit Analysis of Qualitative Choice Behavior", 1974): each track that a
user went on to play was chosen among those that they did not. It answers with a probability, which grows with the
ranking and is what the graph keeps as score.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spotify_graph.transforms.recommendations.arrays import Bools, Floats, Ints, Places
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS, Block
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

_LEAST = 1e-2
"""A score beside the largest one below which differences say nothing; also the score of what a model has no opinion
on."""


@dataclass(frozen=True)
class Combination:
    """How the models are combined.

    Attributes:
        weights: each model's weight; models with weight 0 are not asked.
        intercept: moves the probability, and not the ranking.
    """

    weights: Mapping[str, float]
    intercept: float = 0.0

    @classmethod
    def of(cls, model: str) -> "Combination":
        """One model alone."""
        return cls({model: 1.0})

    def score(self, block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
        """The log-odds that each user goes on to play each track, shape (users, tracks)."""
        total = np.full((len(block), len(known)), self.intercept, dtype=np.float32)
        for model, weight in self.weights.items():
            if weight:
                total += np.float32(weight) * logarithm(MODELS[model](block, known, parameters))
        return total


DEFAULT = Combination(
    {
        "popularity": 0.02,
        "genre_popularity": 0.25,
        "artist_popularity": 0.3,
        "neighbours": 0.3,
        "cosine_neighbours": 0.3,
        "linear": 0.3,
        "factors": 0.3,
        "similar_users": 0.05,
    },
    intercept=-1.0,
)
"""Where there are too few events to learn from."""


def logarithm(scores: Floats) -> Floats:
    """The logarithm of each user's scores, beside the largest one; at the least about -4.6."""
    largest = scores.max(axis=1, keepdims=True, initial=0)
    relative = np.maximum(scores, 0) / np.where(largest > 0, largest, 1)
    return np.log(relative + np.float32(_LEAST))


@dataclass(frozen=True)
class Examples:
    """What the combination learns from: candidates of users, one user's after the other's.

    Attributes:
        user: shape (rows,): whose candidate it is.
        features: shape (rows, models): `logarithm` of each model's score.
        played: shape (rows,).
        weight: likewise: how many candidates the row stands for.
    """

    user: Ints
    features: Floats
    played: Bools
    weight: Floats


def fit(examples: Examples, models: tuple[str, ...]) -> Combination:
    """Learns the weights; DEFAULT where there is nothing to be learned.

    Args:
        examples: what to learn from.
        models: the names of the features, in order.
    """
    choices = _Choices.of(examples)
    if not len(choices.played):
        return DEFAULT
    weights = _likeliest(choices)
    if not weights.any():
        return DEFAULT
    scores = examples.features @ weights
    return Combination(
        {model: round(float(weight), 6) for model, weight in zip(models, weights, strict=True)},
        round(_intercept(scores, examples), 6),
    )


_RIDGE, _STEPS, _HALVINGS = 1e-4, 40, 30
_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Choices:
    """Each played track, among all the tracks of its user that were not.

    Attributes:
        played: shape (choices, models): the features of what was played.
        user: shape (choices,): whose choice it was, as a position in `starts`.
        share: likewise: how much it counts: all users count the same.
        others: shape (others, models): the features of what was not played, one user's after the other's.
        starts: where each user's others start.
        times: shape (others,): the logarithm of how many candidates each stands for.
    """

    played: _Doubles
    user: Places
    share: _Doubles
    others: _Doubles
    starts: Places
    times: _Doubles

    @classmethod
    def of(cls, examples: Examples) -> "_Choices":
        """The choices of the users who played something and not everything."""
        both = np.intersect1d(examples.user[examples.played], examples.user[~examples.played])
        chose = np.isin(examples.user, both)
        won, lost = chose & examples.played, chose & ~examples.played
        user = np.searchsorted(both, examples.user[won])
        return cls(
            played=examples.features[won].astype(np.float64),
            user=user,
            share=1 / np.bincount(user)[user] / max(len(both), 1),
            others=examples.features[lost].astype(np.float64),
            starts=np.unique(examples.user[lost], return_index=True)[1],
            times=np.log(examples.weight[lost].astype(np.float64)),
        )

    def loss(self, weights: _Doubles) -> float:
        """How unlikely the choices are: a conditional logit, with a little ridge."""
        best, total = self._others(weights)
        return float(
            self.share @ np.logaddexp(0, (np.log(total) + best)[self.user] - self.played @ weights)
            + _RIDGE * weights @ weights / 2
        )

    def slope_and_curve(self, weights: _Doubles) -> tuple[_Doubles, _Doubles]:
        """The gradient of the loss and its Hessian."""
        best, total = self._others(weights)
        lengths = np.diff(np.append(self.starts, len(self.others)))
        chance = np.exp(self.others @ weights + self.times - np.repeat(best + np.log(total), lengths))
        middle = np.add.reduceat(self.others * chance[:, None], self.starts)
        lost = 1 / (1 + np.exp(np.clip(self.played @ weights - (np.log(total) + best)[self.user], -500, 500)))
        apart = self.played - middle[self.user]
        of_users = np.bincount(self.user, self.share * lost, len(self.starts))
        spread = self.others - np.repeat(middle, lengths, axis=0)
        curve = (apart.T * (self.share * lost * (1 - lost))) @ apart
        curve += (spread.T * (chance * np.repeat(of_users, lengths))) @ spread
        return -(self.share * lost) @ apart + _RIDGE * weights, curve + _RIDGE * np.eye(len(weights))

    def _others(self, weights: _Doubles) -> tuple[_Doubles, _Doubles]:
        """For each user the largest score of the others, and the sum of their odds beside that one."""
        scores = self.others @ weights + self.times
        best = np.maximum.reduceat(scores, self.starts)
        lengths = np.diff(np.append(self.starts, len(scores)))
        return best, np.add.reduceat(np.exp(scores - np.repeat(best, lengths)), self.starts)


def _likeliest(choices: _Choices) -> _Doubles:
    """The weights, none below 0, that make the choices likeliest.

    Newton's method, projected: a weight that is 0 and would fall stays out of a step (Bertsekas, "Projected Newton
    Methods for Optimization Problems with Simple Constraints", 1982).
    """
    at = np.zeros(choices.played.shape[1])
    for _ in range(_STEPS):
        slope, curve = choices.slope_and_curve(at)
        free = (at > 0) | (slope < 0)
        step = np.zeros_like(at)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        for halving in range(_HALVINGS):
            there = np.maximum(at - step / 2**halving, 0)
            if choices.loss(there) < choices.loss(at):
                break
        else:
            break
        at = there
    return at


def _intercept(scores: _Doubles, examples: Examples) -> float:
    """What added to the scores makes as many tracks likely as were played."""
    low, high = -100.0, 100.0
    played = float(examples.weight[examples.played].sum())
    for _ in range(60):
        middle = (low + high) / 2
        expected = float(examples.weight @ (1 / (1 + np.exp(-np.clip(scores + middle, -500, 500)))))
        low, high = (middle, high) if expected < played else (low, middle)
    return middle


def probability(log_odds: Floats) -> Floats:
    """The probability of log-odds."""
    found: Floats = np.exp(-np.logaddexp(0, -log_odds)).astype(np.float32)
    return found
