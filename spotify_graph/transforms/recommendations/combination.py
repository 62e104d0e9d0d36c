"""The combination of all models into one ranking: a weighted product of their scores.

Each model's scores of a user are divided by the largest one; the combination is the sum of weight * log(score), a
log-linear pool (Genest and Zidek, "Combining Probability Distributions", 1986). The weights are those of a logistic
regression, MLlib's, that tells the tracks which a user went on to play from those which they did not, with no weight
below 0. It answers with a probability, which grows with the ranking and is what the graph keeps as score.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.functions import array_to_vector
from pyspark.ml.linalg import Matrices
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spotify_graph.transforms.recommendations.capped import Floats
from spotify_graph.transforms.recommendations.knowledge import OfTracks
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS, Block

_LEAST = 1e-4
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

    def score(self, block: Block, known: OfTracks, parameters: Parameters) -> Floats:
        """The log-odds that each user goes on to play each track, shape (users, tracks)."""
        total = np.full((len(block), len(known)), self.intercept, dtype=np.float32)
        for model, weight in self.weights.items():
            if weight:
                total += np.float32(weight) * logarithm(MODELS[model](block, known, parameters))
        return total


DEFAULT = Combination(
    {
        "popularity": 0.1,
        "genre_popularity": 0.4,
        "artist_popularity": 0.05,
        "neighbours": 0.05,
        "factors": 0.1,
        "similar_users": 0.1,
    },
    intercept=-3.0,
)
"""Where there are too few events to learn from."""


def logarithm(scores: Floats) -> Floats:
    """The logarithm of each user's scores, beside the largest one; at the least about -9."""
    largest = scores.max(axis=1, keepdims=True, initial=0)
    relative = np.maximum(scores, 0) / np.where(largest > 0, largest, 1)
    return np.log(relative + np.float32(_LEAST))


def fit(examples: DataFrame, models: tuple[str, ...]) -> Combination:
    """Learns the weights.

    Args:
        examples: features (array of float: `logarithm` of each model's score), played (double: 1 or 0), weight (double:
            how many candidates the row stands for).
        models: the names of the features, in order.
    """
    rows = (
        examples.select(array_to_vector(F.col("features")).alias("features"), "played", "weight").coalesce(2).persist()
    )
    regression = LogisticRegression(
        labelCol="played",
        weightCol="weight",
        regParam=1e-5,
        maxIter=40,
        lowerBoundsOnCoefficients=Matrices.dense(1, len(models), [0.0] * len(models)),
    )
    try:
        if rows.select("played").distinct().count() < len({True, False}):
            return DEFAULT
        model = regression.fit(rows)
    finally:
        rows.unpersist()
    weights = {name: round(float(weight), 6) for name, weight in zip(models, model.coefficients, strict=True)}
    if not any(weights.values()):
        return DEFAULT
    return Combination(weights, round(float(model.intercept), 6))


def probability(log_odds: Floats) -> Floats:
    """The probability of log-odds."""
    found: Floats = np.exp(-np.logaddexp(0, -log_odds)).astype(np.float32)
    return found
