"""How each model scores a catalogue of a few tracks, worked out by hand."""

import random
from pathlib import Path

import numpy as np
import pytest

from spotify_graph.transforms.recommendations import scores
from spotify_graph.transforms.recommendations.arrays import Floats
from spotify_graph.transforms.recommendations.neighbours import Neighbours
from spotify_graph.transforms.recommendations.numbering import Groups
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS, top
from spotify_graph_tests.handmade import block, capped, read, track_features

PARAMETERS = Parameters(prior=2.0, unheard=0)


def in_genre(*genres: int) -> Groups:
    """The tracks' genres, one each."""
    return Groups.one_each(np.array(genres, dtype=np.int32))


def test_popularity_is_the_same_for_everybody() -> None:
    known = track_features(3, popularity=[1, 0, 2])
    assert scores.by_popularity(block({}, {0: 1.0}), known, PARAMETERS).tolist() == [[1, 0, 2]]


def test_a_track_scores_its_share_of_its_group_times_the_groups_share_of_the_user() -> None:
    # Two genres with popularity 6 and 2 of 8: everybody's shares are 3/4 and 1/4.
    known = track_features(4, genres=in_genre(0, 0, 1, 1), artist=[0, 1, 2, 2], popularity=[4, 2, 2, 0])
    users = block({2: 5.0, 3: 1.0, 0: -9.0}, {})
    # The first user has 6 of confidence in genre 1, and skips count for nothing; beside them a prior of 2.
    first, second = (0 + 2 * 3 / 4) / (6 + 2), (6 + 2 * 1 / 4) / (6 + 2)
    assert scores.by_genre(users, known, PARAMETERS) == pytest.approx(
        np.array(
            [
                [first * 4 / 6, first * 2 / 6, second * 2 / 2, 0],
                [3 / 4 * 4 / 6, 3 / 4 * 2 / 6, 1 / 4 * 2 / 2, 0],  # whose taste nobody knows
            ]
        )
    )
    # Artists have 4, 2 and 2 of 8.
    assert scores.by_artist(users, known, PARAMETERS)[0] == pytest.approx(
        [2 * 4 / 8 / 8, 2 * 2 / 8 / 8, (6 + 2 * 2 / 8) / 8, 0]
    )


def test_a_track_in_two_genres_shares_the_popularity_and_the_confidence_of_both() -> None:
    # The second track is half in each genre: they have popularity 4 + 1 and 1 of 6.
    both = Groups(
        np.array([0, 1, 1], dtype=np.int32),
        np.array([0, 0, 1], dtype=np.int32),
        np.array([1, 0.5, 0.5], dtype=np.float32),
    )
    known = track_features(2, genres=both, popularity=[4, 2])
    # The user has 3 of confidence in it, half in each genre; beside them a prior of 2.
    first, second = (1.5 + 2 * 5 / 6) / (3 + 2), (1.5 + 2 * 1 / 6) / (3 + 2)
    found = scores.by_genre(block({1: 3.0}, {}), known, PARAMETERS)
    assert found[0] == pytest.approx([first * 4 / 5, first * 1 / 5 + second * 1 / 1])


def test_the_catalogue_says_each_genre_of_a_track(tmp_path: Path) -> None:
    logs = read(tmp_path, [("u", "d", "play", 1)], [("a", "rock\npop", "x"), ("b", None, None), ("c", "pop", None)])
    genres = logs.catalogue.genres
    # pop, rock, and none, which b has and d, that the catalogue lacks.
    assert genres.track.tolist() == [0, 0, 1, 2, 3]
    assert genres.group.tolist() == [1, 0, 2, 0, 2]
    assert genres.share.tolist() == [0.5, 0.5, 1, 1, 1]


def test_what_nobody_has_played_is_by_its_group_as_if_a_part_of_a_listener_had() -> None:
    known = track_features(3, genres=in_genre(0, 0, 1), popularity=[1, 0, 1])
    # Genres have popularity 1 + 2 / 4 and 1 + 1 / 4; the user has 8 of confidence in the first one.
    found = scores.by_genre(block({0: 8.0}), known, Parameters(prior=2.0, unheard=0.25))
    first, second = (8 + 2 * 1.5 / 2.75) / 10, (2 * 1.25 / 2.75) / 10
    assert found[0] == pytest.approx([first * 1.25 / 1.5, first * 0.25 / 1.5, second])


def test_groups_that_nobody_plays_score_0_and_no_nan() -> None:
    known = track_features(2, genres=in_genre(0, 1))
    assert scores.by_genre(block({0: 1.0}, {}), known, PARAMETERS).tolist() == [[0, 0], [0, 0]]


def test_neighbours_add_up_over_what_the_user_likes_and_not_over_what_they_skip() -> None:
    near = Neighbours(
        np.array([[1, 2], [0, 4], [0, 4], [0, 1]], dtype=np.int32),
        np.array([[0.5, 0.25], [1, 0], [2, 0], [8, 8]], dtype=np.float32),
        np.ones((4, 2), dtype=np.int32),
    )
    known = track_features(4, neighbours=near)
    users = block({0: 2.0, 1: 3.0, 3: -1.0}, {})
    assert scores.by_neighbours(users, known, PARAMETERS).tolist() == [[3 * 1, 2 * 0.5, 2 * 0.25, 0], [0, 0, 0, 0]]


def test_the_linear_model_adds_up_over_what_the_user_likes_and_knows_only_its_tracks() -> None:
    # It is of the tracks 0, 2 and 3.
    known = track_features(4, linear_tracks=[0, 2, 3], linear=[[0, 0.5, -0.25], [2, 0, 1], [4, 8, 0]])
    users = block({0: 2.0, 1: 3.0, 2: 0.5, 3: -1.0}, {})
    assert scores.by_linear(users, known, PARAMETERS).tolist() == [[2, 0, 0.5, -0.25 + 1], [0, 0, 0, 0]]


def test_factors_score_by_their_product_and_a_user_without_any_scores_0() -> None:
    known = track_features(2, factors=[[1, 2], [-1, 0]])
    users = block({}, {}, factors=[[3.0, 0.5], [0, 0]])
    assert scores.by_factors(users, known, PARAMETERS).tolist() == [[4, -3], [0, 0]]


def test_similar_users_recommend_what_they_like_weighted_by_how_alike_they_are() -> None:
    known = track_features(
        3,
        histories=capped(3, {0: 1.0, 1: 2.0}, {1: 4.0}, {2: 7.0}),
        candidates=[5, 6, 7],
        of_candidates=[[0, 2], [1, 0], [-1, 0]],
    )
    users = block({}, {}, factors=[[4.0, 3.0], [0, 0]])
    # The cosines with the three candidates are .6, .8 and -.8, and the last one is not alike.
    found = scores.by_similar_users(users, known, PARAMETERS)
    assert found[0].tolist() == pytest.approx([0.6, 2 * 0.6 + 4 * 0.8, 0])
    assert found[1].tolist() == [0, 0, 0]


def test_the_own_history_scores_what_the_user_likes() -> None:
    users = block({2: 3.0, 0: -1.0}, {})
    assert scores.by_own_history(users, track_features(3), PARAMETERS).tolist() == [[0, 0, 3], [0, 0, 0]]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("tracks", [0, 3])
def test_a_model_that_knows_nothing_has_no_opinion(model: str, tracks: int) -> None:
    known = track_features(tracks, factors=np.zeros((tracks, 2)))
    found = np.broadcast_to(MODELS[model](block({}), known, PARAMETERS), (1, tracks))
    assert not found.any()


def ranked(given: list[list[float]], count: int, allowed: list[list[bool]] | None = None) -> list[list[int]]:
    array: Floats = np.array(given, dtype=np.float32)
    found: list[list[int]] = top(
        array, np.ones(array.shape, dtype=bool) if allowed is None else np.array(allowed), count
    ).tolist()
    return found


def test_the_best_come_first_and_equal_ones_by_number() -> None:
    assert ranked([[1, 3, 2, 3], [0, 0, 0, 0]], 3) == [[1, 3, 2], [0, 1, 2]]


def test_a_track_that_is_not_allowed_is_never_ranked_and_past_the_end_is_no_track() -> None:
    allowed = [[True, False, True, False], [False] * 4]
    assert ranked([[1, 9, -2, 9], [1, 1, 1, 1]], 3, allowed) == [[0, 2, -1], [-1, -1, -1]]


@pytest.mark.parametrize(("tracks", "places"), [(2, 2), (0, 0)])
def test_there_are_no_more_places_than_tracks(tracks: int, places: int) -> None:
    assert top(np.zeros((2, tracks), dtype=np.float32), np.ones((2, tracks), dtype=bool), 5).shape == (2, places)


def test_a_score_that_is_no_number_is_not_ranked() -> None:
    assert ranked([[1, np.nan, 2, -np.inf]], 4) == [[2, 0, -1, -1]]


@pytest.mark.parametrize("seed", range(20))
def test_top_is_what_sorting_everything_finds(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    tracks, count = dice.randrange(1, 60), dice.randrange(1, 30)
    given = [[float(dice.randrange(4)) for _ in range(tracks)] for _ in range(5)]  # most scores are equal to others
    allowed = [[dice.random() < 0.7 for _ in range(tracks)] for _ in range(5)]
    for found, row, may in zip(ranked(given, count, allowed), given, allowed, strict=True):
        best = sorted((track for track in range(tracks) if may[track]), key=lambda track: (-row[track], track))
        places = min(count, tracks)
        assert found == (best + [-1] * places)[:places]
