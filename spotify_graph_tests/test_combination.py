"""The combination of the models: what it makes of their scores, and what it learns."""

import math
import random

import numpy as np
import pytest

from spotify_graph.transforms.recommendations import combination
from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination, Examples, probability
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS
from spotify_graph_tests.handmade import block, track_features

ONE_USER = block({0: 1.0}, factors=[[1.0]])

Row = tuple[int, list[float], float, float]
"""User, features, played, and weight."""


def given(rows: list[Row]) -> Examples:
    """Examples from rows."""
    user, features, played, weight = zip(*rows, strict=True) if rows else ([], [], [], [])
    return Examples(
        np.array(user, dtype=np.int32),
        np.array(features, dtype=np.float32),
        np.array(played) == 1,
        np.array(weight, dtype=np.float32),
    )


def test_the_score_is_the_weighted_sum_of_the_logarithms_of_each_models_scores_beside_the_best() -> None:
    known = track_features(3, popularity=[4, 2, 0], factors=[[-1], [1], [2]])
    found = Combination({"popularity": 2.0, "factors": 0.5}, intercept=-1.0).score(ONE_USER, known, Parameters())
    # A score of 0 or less counts as one that is beneath notice, 1e-2 of the best; that much is added to all of them.
    assert found.tolist() == [
        pytest.approx(
            [
                -1 + 2 * math.log(1 + 1e-2) + 0.5 * math.log(1e-2),
                -1 + 2 * math.log(1 / 2 + 1e-2) + 0.5 * math.log(1 / 2 + 1e-2),
                -1 + 2 * math.log(1e-2) + 0.5 * math.log(1 + 1e-2),
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
    [scores] = DEFAULT.score(ONE_USER, track_features(4, **of), Parameters())
    assert (np.diff(scores) > 0.01).all()
    assert (np.diff(probability(scores)) > 0).all()


def test_a_model_of_weight_0_is_not_asked() -> None:
    assert "no such model" not in MODELS
    given = {"popularity": 1.0, "no such model": 0.0}
    known = track_features(2, popularity=[1, 2])
    found = Combination(given).score(ONE_USER, known, Parameters())
    assert found.tolist() == Combination.of("popularity").score(ONE_USER, known, Parameters()).tolist()


def test_probabilities_are_those_of_the_log_odds_however_long() -> None:
    with np.errstate(over="raise", invalid="raise"):
        found = probability(np.array([0, math.log(3), -math.log(3), -120, 120], dtype=np.float32))
    assert found.tolist() == pytest.approx([1 / 2, 3 / 4, 1 / 4, 0, 1])


def examples(seed: int) -> list[Row]:
    """What each user plays of twenty, by the first feature; the second says nothing, the third speaks against it."""
    dice = random.Random(seed)  # noqa: S311
    rows: list[Row] = []
    for user in range(200):
        features = [[dice.uniform(-4.6, 0) for _ in range(3)] for _ in range(20)]
        odds = [math.exp(1.2 * first - 0.3 * third) for first, _, third in features]
        chosen = dice.choices(range(20), odds)[0]
        rows += [(user, of, float(track == chosen), 1.0) for track, of in enumerate(features)]
    return rows


def unlikely(rows: list[Row], weights: list[float]) -> float:
    """How unlikely each user's choice is, in the mean."""
    total = 0.0
    for user in {user for user, *_ in rows}:
        odds = {
            played: sum(
                weight * math.exp(sum(w * feature for w, feature in zip(weights, features, strict=True)))
                for of, features, was, weight in rows
                if (of, was) == (user, played)
            )
            for played in (0.0, 1.0)
        }
        total += math.log(1 + odds[0.0] / odds[1.0])
    return total / len({user for user, *_ in rows})


def test_what_tells_plays_has_a_weight_and_what_says_nothing_or_speaks_against_them_none() -> None:
    learned = combination.fit(given(examples(seed=0)), ("tells", "nothing", "against"))
    assert 0.8 < learned.weights["tells"] < 1.6
    assert 0 <= learned.weights["nothing"] < 0.2
    assert learned.weights["against"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_no_other_weights_are_likelier(seed: int) -> None:
    rows = examples(seed)
    learned = combination.fit(given(rows), ("tells", "nothing", "against"))
    found = list(learned.weights.values())
    best = unlikely(rows, found)
    for place in range(len(found)):
        for step in (-0.05, 0.05):
            other = [value + step * (at == place) for at, value in enumerate(found)]
            if min(other) >= 0:
                assert unlikely(rows, other) > best


def test_a_row_counts_as_many_times_as_its_weight_says() -> None:
    rows = [row for row in examples(seed=3) if row[0] < 40]
    thrice = [(*row[:3], 1.0 if row[2] else 3.0) for row in rows]
    copied = [row for row in rows for _ in range(1 if row[2] else 3)]
    models = ("tells", "nothing", "against")
    found, same = (combination.fit(given(each), models) for each in (thrice, copied))
    assert [*found.weights.values()] == pytest.approx([*same.weights.values()], abs=1e-4)
    assert found.intercept == pytest.approx(same.intercept, abs=1e-4)


def test_probabilities_add_up_to_what_was_played() -> None:
    rows = examples(seed=4)
    learned = combination.fit(given(rows), ("tells", "nothing", "against"))
    odds = np.array([row[1] for row in rows]) @ np.array([*learned.weights.values()]) + learned.intercept
    assert probability(odds.astype(np.float32)).sum() == pytest.approx(200, rel=1e-3)


def test_all_users_count_the_same_however_much_they_play() -> None:
    # One plays nine tracks by the first feature, and ten play one each by the second.
    rows: list[Row] = [(0, [-0.1 * place, -2.0], float(place < 9), 1.0) for place in range(20)]
    for user in range(1, 11):
        rows += [(user, [-2.0, -0.1 * place], float(place == 0), 1.0) for place in range(20)]
    learned = combination.fit(given(rows), ("of one", "of ten"))
    assert learned.weights["of ten"] > learned.weights["of one"] > 0


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, [-1.0], 0.0, 1.0), (0, [-2.0], 0.0, 1.0)],  # nobody played
        [(0, [-1.0], 1.0, 1.0), (0, [-2.0], 1.0, 1.0)],  # all is played
        [(0, [-1.0], 0.0, 1.0), (0, [-2.0], 1.0, 1.0)],  # the better, the less it is played
        [(0, [-1.0], 0.0, 1.0), (1, [-2.0], 1.0, 1.0)],  # nobody had a choice
    ],
)
def test_where_nothing_can_be_learned_the_default_stands(rows: list[Row]) -> None:
    assert combination.fit(given(rows), ("popularity",)) == DEFAULT


def test_features_that_say_the_same_or_nothing_share_a_weight_and_do_not_fail() -> None:
    rows: list[Row] = [(user, [of[0], of[0], -4.6], played, weight) for user, of, played, weight in examples(seed=1)]
    learned = combination.fit(given(rows), ("one", "same", "constant"))
    assert learned.weights["one"] == pytest.approx(learned.weights["same"], abs=1e-4)
    assert learned.weights["constant"] == 0
