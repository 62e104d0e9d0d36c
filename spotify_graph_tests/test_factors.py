"""Latent factors of two groups of users who share no track, and users with tastes alike."""

import math
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from spotify_graph.transforms.recommendations import factors
from spotify_graph.transforms.recommendations.capped import Floats
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.similar_users import similar_users

GROUP = 6
"""Users of each group, and tracks; those of the first group come first."""
NOBODY, NOTHING = 2 * GROUP, 2 * GROUP
"""A user who only skips, and a track that is only skipped."""
UNDISLIKED = 3
"""A track that user 0 has not met, until they skip it."""
PARAMETERS = Parameters(rank=4, iterations=6)

Feedback = list[tuple[int, int, float]]


def group_of(number: int) -> int:
    return number // GROUP


def listens(user: int, track: int) -> bool:
    """Each user knows four of the six tracks of their group, no two users the same ones."""
    return group_of(user) == group_of(track) and (track - user) % GROUP not in {3, 4}


FEEDBACK: Feedback = [
    (user, track, 1.0) for user in range(2 * GROUP) for track in range(2 * GROUP) if listens(user, track)
]


def confidence(spark: SparkSession, feedback: Feedback) -> DataFrame:
    return spark.createDataFrame(feedback, "user int, track int, profile double")


def trained(spark: SparkSession, feedback: Feedback, parameters: Parameters = PARAMETERS) -> tuple[Floats, Floats]:
    known = factors.feedback(confidence(spark, feedback))
    assert known is not None
    users, tracks = factors.factors(known, parameters)
    return (
        factors.as_array(users, 2 * GROUP + 1, parameters.rank),
        factors.as_array(tracks, 2 * GROUP + 1, parameters.rank),
    )


@pytest.fixture(scope="module")
def of_likes(spark: SparkSession) -> tuple[Floats, Floats]:
    return trained(spark, FEEDBACK)


def test_unmet_tracks_of_the_own_group_score_above_all_of_the_other_group(of_likes: tuple[Floats, Floats]) -> None:
    users, tracks = of_likes
    scores = users @ tracks.T
    for user in range(2 * GROUP):
        unmet = [track for track in range(2 * GROUP) if not listens(user, track)]
        own = [scores[user, track] for track in unmet if group_of(track) == group_of(user)]
        others = [scores[user, track] for track in unmet if group_of(track) != group_of(user)]
        assert len(own) == 2
        assert min(own) > max(others) + 0.1


def test_negative_feedback_lowers_a_score_and_who_only_skips_has_no_factors(
    spark: SparkSession, of_likes: tuple[Floats, Floats]
) -> None:
    assert not listens(0, UNDISLIKED)
    skips = [(0, UNDISLIKED, -2.0), (NOBODY, 0, -1.0), (1, NOTHING, -1.0), (NOBODY, NOTHING, -1.0), (2, 9, 0.0)]
    users, tracks = trained(spark, FEEDBACK + skips)
    before, after = (u[0] @ t[UNDISLIKED] for u, t in (of_likes, (users, tracks)))
    assert before > 0.1
    assert after < before / 2
    assert not users[NOBODY].any()
    assert not tracks[NOTHING].any()


@pytest.mark.parametrize("seed", range(2))
def test_fewer_tracks_than_factors_do_not_fail_also_where_some_are_only_skipped(spark: SparkSession, seed: int) -> None:
    skips = [(2, 1, -0.5), (2, 3, -0.5), (1, 3, -0.5), (1, 4, -0.3), (0, 1, -1e-60), (1, 2, 1e-60)]
    few = [(0, 0, 1.0), (1, 1, 1.0), *skips]
    users, tracks = trained(spark, few, Parameters(rank=16, iterations=2, seed=seed))
    assert [bool(row.any()) for row in users[:3]] == [True, True, False]
    assert [bool(row.any()) for row in tracks[:5]] == [True, True, False, False, False]
    assert np.isfinite(users).all()


@pytest.mark.parametrize("feedback", [[], [(0, 0, -1.0), (1, 0, 0.0)]])
def test_where_nobody_likes_anything_there_are_no_factors(spark: SparkSession, feedback: Feedback) -> None:
    assert factors.feedback(confidence(spark, feedback)) is None
    nobody = spark.createDataFrame([], factors.SCHEMA)
    array = factors.as_array(nobody, 2, PARAMETERS.rank)
    assert not array.any()
    assert similar_users(nobody, array, np.zeros(2, dtype=np.float32), PARAMETERS).collect() == []


def alike(spark: SparkSession, rows: Floats, strength: list[float], **given: Any) -> dict[int, list[tuple[int, float]]]:
    """Each user's similar users and how much, of users with these factors."""
    with_factors = [(user, row.tolist()) for user, row in enumerate(rows) if row.any()]
    table = spark.createDataFrame(with_factors, factors.SCHEMA)
    found = similar_users(table, rows, np.array(strength, dtype=np.float32), Parameters(**given)).collect()
    return {row.user: list(zip(row.similar_users, row.similarities, strict=True)) for row in found}


def test_users_of_the_own_group_are_alike_and_nobody_is_like_themselves(
    spark: SparkSession, of_likes: tuple[Floats, Floats]
) -> None:
    users, _ = of_likes
    found = alike(spark, users, [1.0] * len(users), similar_users=GROUP - 1)
    assert {user: {other for other, _ in like} for user, like in found.items()} == {
        user: {other for other in range(2 * GROUP) if group_of(other) == group_of(user)} - {user}
        for user in range(2 * GROUP)
    }


SIX = np.array([[1, 0], [2, 2], [0, 3], [-1, 0], [0, 0], [3, 1]], dtype=np.float32)
"""The factors of six users; one has none."""


def cosine(one: int, other: int) -> float:
    (a, b), (c, d) = SIX[one].tolist(), SIX[other].tolist()
    return float((a * c + b * d) / math.hypot(a, b) / math.hypot(c, d))


@pytest.mark.parametrize(("among", "kept", "candidates"), [(20, 9, (0, 1, 2, 3, 5)), (3, 9, (1, 2, 5)), (20, 2, None)])
def test_similar_users_are_the_nearest_above_0_of_those_with_most_confidence(
    spark: SparkSession, among: int, kept: int, candidates: tuple[int, ...] | None
) -> None:
    found = alike(spark, SIX, [1, 2, 2, 1, 9, 3], similar_among=among, similar_users=kept)
    expected = {}
    for user in (0, 1, 2, 3, 5):
        others = [other for other in candidates or (0, 1, 2, 3, 5) if other != user and cosine(user, other) > 0]
        expected[user] = sorted(others, key=lambda other, user=user: -cosine(user, other))[:kept]  # type: ignore[misc]
    assert {user: [other for other, _ in like] for user, like in found.items()} == expected
    for user, like in found.items():
        assert [near for _, near in like] == pytest.approx([cosine(user, other) for other, _ in like])
