"""Latent factors of two groups of users who share no track, and users with tastes alike."""

import math
from typing import Any

import numpy as np
import pytest

from spotify_graph.transforms.recommendations import factors
from spotify_graph.transforms.recommendations.arrays import Floats
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.similar_users import candidates, similar_users

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


def solved(feedback: Feedback, known: Floats, before: Floats, parameters: Parameters, *, users: bool) -> Floats:
    """The factors of users that fit to those of tracks, or of tracks to those of users; 0 without feedback."""
    key, other = (0, 1) if users else (1, 0)
    rows = sorted((each for each in feedback if each[2]), key=lambda each: each[key])
    numbers, starts = np.unique([each[key] for each in rows], return_index=True)
    others = np.array([each[other] for each in rows], dtype=np.int32)
    given = np.array([each[2] for each in rows], dtype=np.float32)
    found = np.zeros_like(before)
    found[numbers] = factors.solve(np.append(starts, len(rows)), others, given, known, before[numbers], parameters)
    return found


def trained(feedback: Feedback, parameters: Parameters = PARAMETERS) -> tuple[Floats, Floats]:
    tracks = factors.initial(2 * GROUP + 1, parameters)
    users = np.zeros_like(tracks)
    for _ in range(parameters.iterations):
        users = solved(feedback, tracks, users, parameters, users=True)
        tracks = solved(feedback, users, tracks, parameters, users=False)
    return users, tracks


@pytest.fixture(scope="module")
def of_likes() -> tuple[Floats, Floats]:
    return trained(FEEDBACK)


@pytest.mark.parametrize("seed", range(3))
def test_factors_are_those_of_least_squares_with_a_weight_for_what_is_unknown(seed: int) -> None:
    draw = np.random.default_rng(seed)
    parameters = Parameters(rank=3, unobserved=0.2, regularization=0.05)
    tracks = draw.standard_normal((9, 3)).astype(np.float32)
    feedback = [
        (user, track, float(draw.normal(1, 1))) for user in range(4) for track in range(9) if draw.random() < 0.5
    ]
    found = np.zeros((4, 3), dtype=np.float32)
    for _ in range(30):
        found = solved(feedback, tracks, found, parameters, users=True)
    for user in range(4):
        own = {track: value for of, track, value in feedback if of == user}
        # The slope of the loss, from its definition: 0 at the least.
        slope = 0.05 * (len(own) + 0.2 * 9) * found[user]
        for track in range(9):
            score = found[user] @ tracks[track]
            slope += 0.2 * score * tracks[track]
            if track in own:
                slope += abs(own[track]) * (score - (own[track] > 0)) * tracks[track]
        assert slope == pytest.approx(np.zeros(3), abs=1e-3)


def test_unmet_tracks_of_the_own_group_score_above_all_of_the_other_group(of_likes: tuple[Floats, Floats]) -> None:
    users, tracks = of_likes
    scores = users @ tracks.T
    for user in range(2 * GROUP):
        unmet = [track for track in range(2 * GROUP) if not listens(user, track)]
        own = [scores[user, track] for track in unmet if group_of(track) == group_of(user)]
        others = [scores[user, track] for track in unmet if group_of(track) != group_of(user)]
        assert len(own) == 2
        assert min(own) > max(others) + 0.1


def test_negative_feedback_lowers_a_score_and_who_only_skips_has_no_factors(of_likes: tuple[Floats, Floats]) -> None:
    assert not listens(0, UNDISLIKED)
    skips = [(0, UNDISLIKED, -2.0), (NOBODY, 0, -1.0), (1, NOTHING, -1.0), (NOBODY, NOTHING, -1.0), (2, 9, 0.0)]
    users, tracks = trained(FEEDBACK + skips)
    before, after = (u[0] @ t[UNDISLIKED] for u, t in (of_likes, (users, tracks)))
    assert before > 0.1
    assert after < before / 2
    assert not users[NOBODY].any()
    assert not tracks[NOTHING].any()


@pytest.mark.parametrize("seed", range(2))
def test_fewer_tracks_than_factors_do_not_fail_also_where_some_are_only_skipped(seed: int) -> None:
    skips = [(2, 1, -0.5), (2, 3, -0.5), (1, 3, -0.5), (1, 4, -0.3), (0, 1, -1e-30), (1, 2, 1e-30)]
    few = [(0, 0, 1.0), (1, 1, 1.0), *skips]
    users, tracks = trained(few, Parameters(rank=16, iterations=2, seed=seed))
    assert np.isfinite(users).all()
    assert [np.abs(row).max() > 1e-6 for row in users[:3]] == [True, True, False]
    assert [np.abs(row).max() > 1e-6 for row in tracks[:5]] == [True, True, False, False, False]


def test_rows_of_any_lengths_are_solved_as_each_alone() -> None:
    draw = np.random.default_rng(4)
    known = draw.standard_normal((500, 4)).astype(np.float32)
    before = np.zeros((60, 4), dtype=np.float32)
    lengths = np.append(draw.integers(1, 400, 59), 1)
    others = np.concatenate([draw.choice(500, length, replace=False) for length in lengths]).astype(np.int32)
    feedback = draw.standard_normal(len(others)).astype(np.float32)
    starts = np.append(0, np.cumsum(lengths))
    together = factors.solve(starts, others, feedback, known, before, PARAMETERS)
    for row in range(60):
        mine = slice(starts[row], starts[row + 1])
        length = np.array([0, lengths[row]])
        alone = factors.solve(length, others[mine], feedback[mine], known, before[:1], PARAMETERS)
        assert together[row] == pytest.approx(alone[0], rel=1e-3, abs=1e-5)


def alike(rows: Floats, strength: list[float], **given: Any) -> dict[int, list[tuple[int, float]]]:
    """Each user's similar users and how much, of users with these factors."""
    parameters = Parameters(**given)
    among = candidates(rows, np.array(strength, dtype=np.float32), parameters.similar_among)
    everybody = np.arange(len(rows), dtype=np.int32)
    nearest, near = similar_users(everybody, rows, among, rows[among], parameters.similar_users)
    found = {
        user: [(int(among[place]), cosine) for place, cosine in zip(places, cosines, strict=True) if place >= 0]
        for user, (places, cosines) in enumerate(zip(nearest.tolist(), near.tolist(), strict=True))
    }
    return {user: like for user, like in found.items() if like}


def test_users_of_the_own_group_are_alike_and_nobody_is_like_themselves(of_likes: tuple[Floats, Floats]) -> None:
    users, _ = of_likes
    found = alike(users, [1.0] * len(users), similar_users=GROUP - 1)
    assert {user: {other for other, _ in like} for user, like in found.items()} == {
        user: {other for other in range(2 * GROUP) if group_of(other) == group_of(user)} - {user}
        for user in range(2 * GROUP)
    }


def test_where_nobody_has_factors_nobody_is_alike() -> None:
    assert alike(np.zeros((2, 3), dtype=np.float32), [1, 1]) == {}


SIX = np.array([[1, 0], [2, 2], [0, 3], [-1, 0], [0, 0], [3, 1]], dtype=np.float32)
"""The factors of six users; one has none."""


def cosine(one: int, other: int) -> float:
    (a, b), (c, d) = SIX[one].tolist(), SIX[other].tolist()
    return float((a * c + b * d) / math.hypot(a, b) / math.hypot(c, d))


@pytest.mark.parametrize(("among", "kept", "candidates"), [(20, 9, (0, 1, 2, 3, 5)), (3, 9, (1, 2, 5)), (20, 2, None)])
def test_similar_users_are_the_nearest_above_0_of_those_with_most_confidence(
    among: int, kept: int, candidates: tuple[int, ...] | None
) -> None:
    found = alike(SIX, [1, 2, 2, 1, 9, 3], similar_among=among, similar_users=kept)
    expected = {}
    for user in (0, 1, 2, 3, 5):
        others = [other for other in candidates or (0, 1, 2, 3, 5) if other != user and cosine(user, other) > 0]
        expected[user] = sorted(others, key=lambda other, user=user: -cosine(user, other))[:kept]  # type: ignore[misc]
    assert {user: [other for other, _ in like] for user, like in found.items()} == {
        user: others for user, others in expected.items() if others
    }
    for user, like in found.items():
        assert [near for _, near in like] == pytest.approx([cosine(user, other) for other, _ in like])
