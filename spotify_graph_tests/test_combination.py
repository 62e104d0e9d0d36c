"""The combination of the models: what it makes of their scores, and what it learns."""

import math
import random

import numpy as np
import pytest
from pyspark.sql import SparkSession

from spotify_graph.transforms.recommendations import combination
from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination, probability
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS, Block
from spotify_graph_tests.handmade import of_tracks

SCHEMA = "features array<float>, played double, weight double"
ONE_USER = Block(
    tracks=[np.array([0], dtype=np.int32)],
    profile=[np.array([1.0], dtype=np.float32)],
    features=np.array([[1.0]], dtype=np.float32),
    similar_users=[np.zeros(0, dtype=np.int32)],
    similarities=[np.zeros(0, dtype=np.float32)],
)


def test_the_score_is_the_weighted_sum_of_the_logarithms_of_each_models_scores_beside_the_best() -> None:
    known = of_tracks(3, popularity=[4, 2, 0], factors=[[-1], [1], [2]])
    found = Combination({"popularity": 2.0, "factors": 0.5}, intercept=-1.0).score(ONE_USER, known, Parameters())
    # A score of 0 or less counts as one that is beneath notice, 1e-4 of the best; that much is added to all of them.
    assert found.tolist() == [
        pytest.approx(
            [
                -1 + 2 * math.log(1 + 1e-4) + 0.5 * math.log(1e-4),
                -1 + 2 * math.log(1 / 2 + 1e-4) + 0.5 * math.log(1 / 2 + 1e-4),
                -1 + 2 * math.log(1e-4) + 0.5 * math.log(1 + 1e-4),
            ],
            rel=1e-5,
        )
    ]


@pytest.mark.parametrize("model", ["popularity", "factors"])
def test_the_score_grows_with_the_score_of_each_model(model: str) -> None:
    rising = [0.1, 0.2, 0.7, 0.9]
    same = [0.3] * 4
    of = {"popularity": same, "factors": [[score] for score in same]}
    of[model] = [[score] for score in rising] if model == "factors" else rising
    [scores] = DEFAULT.score(ONE_USER, of_tracks(4, **of), Parameters())
    assert (np.diff(scores) > 0.01).all()
    assert (np.diff(probability(scores)) > 0).all()


def test_a_model_of_weight_0_is_not_asked() -> None:
    assert "no such model" not in MODELS
    given = {"popularity": 1.0, "no such model": 0.0}
    known = of_tracks(2, popularity=[1, 2])
    found = Combination(given).score(ONE_USER, known, Parameters())
    assert found.tolist() == Combination.of("popularity").score(ONE_USER, known, Parameters()).tolist()


def test_probabilities_are_those_of_the_log_odds_however_long() -> None:
    with np.errstate(over="raise", invalid="raise"):
        found = probability(np.array([0, math.log(3), -math.log(3), -120, 120], dtype=np.float32))
    assert found.tolist() == pytest.approx([1 / 2, 3 / 4, 1 / 4, 0, 1])


def examples(seed: int) -> list[tuple[list[float], float, float]]:
    """Who plays, by the first feature; the second says nothing, and the third speaks against it."""
    dice = random.Random(seed)  # noqa: S311
    rows = []
    for _ in range(600):
        features = [dice.uniform(-9, 0) for _ in range(3)]
        log_odds = 1 + 0.8 * features[0] - 0.3 * features[2]
        rows.append((features, float(dice.random() < 1 / (1 + math.exp(-log_odds))), 1.0))
    return rows


def test_what_tells_plays_has_a_weight_and_what_says_nothing_or_speaks_against_them_none(spark: SparkSession) -> None:
    learned = combination.fit(spark.createDataFrame(examples(seed=0), SCHEMA), ("tells", "nothing", "against"))
    # Somewhat less than 0.8, for the third feature, which would tell the rest, may not be used.
    assert 0.5 < learned.weights["tells"] < 0.9
    assert 0 <= learned.weights["nothing"] < 0.1
    assert learned.weights["against"] == 0


def test_a_row_counts_as_many_times_as_its_weight_says(spark: SparkSession) -> None:
    # One of four is played at either score: the odds are 1 to 3, whatever the score.
    rows = [([score], played, weight) for score in (-1.0, -2.0) for played, weight in ((1.0, 1.0), (0.0, 3.0))]
    rows.append(([0.0], 1.0, 1.0))  # and one surely at the best
    learned = combination.fit(spark.createDataFrame(rows, SCHEMA), ("popularity",))
    at_2 = learned.intercept - 2 * learned.weights["popularity"]
    assert learned.weights["popularity"] > 0.1
    assert 1 / (1 + math.exp(-at_2)) < 0.3


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [([-1.0], 0.0, 1.0), ([-2.0], 0.0, 1.0)],  # nobody played
        [([-1.0], 1.0, 1.0), ([-2.0], 1.0, 1.0)],  # all is played
        [([-1.0], 0.0, 1.0), ([-2.0], 1.0, 1.0)],  # the better, the less it is played
    ],
)
def test_where_nothing_can_be_learned_the_default_stands(
    spark: SparkSession, rows: list[tuple[list[float], float, float]]
) -> None:
    assert combination.fit(spark.createDataFrame(rows, SCHEMA), ("popularity",)) == DEFAULT
