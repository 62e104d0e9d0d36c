"""How each model scores a catalogue of a few tracks, worked out by hand."""

import random

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spotify_graph.transforms.recommendations import scores
from spotify_graph.transforms.recommendations.capped import Floats
from spotify_graph.transforms.recommendations.numbering import Groups
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS, Block, top
from spotify_graph_tests.handmade import capped, of_tracks, read

PARAMETERS = Parameters(prior=2.0)


def in_genre(*genres: int) -> Groups:
    """The tracks' genres, one each."""
    return Groups.one_each(np.array(genres, dtype=np.int32))


def block(*histories: dict[int, float], **given: list[object]) -> Block:
    """Users with these histories; further columns as in `Knowledge.of_users`."""
    nothing: dict[str, list[object]] = {
        name: [None] * len(histories) for name in ("features", "similar_users", "similarities")
    }
    columns = {
        "tracks": [list(history) for history in histories],
        "profile": [list(history.values()) for history in histories],
        **nothing,
        **given,
    }
    return Block.of(pd.DataFrame(columns), rank=2)


def test_popularity_is_the_same_for_everybody() -> None:
    known = of_tracks(3, popularity=[1, 0, 2])
    assert scores.by_popularity(block({}, {0: 1.0}), known, PARAMETERS).tolist() == [[1, 0, 2]]


def test_a_track_scores_its_share_of_its_group_times_the_groups_share_of_the_user() -> None:
    # Two genres with popularity 6 and 2 of 8: everybody's shares are 3/4 and 1/4.
    known = of_tracks(4, genres=in_genre(0, 0, 1, 1), artist=[0, 1, 2, 2], popularity=[4, 2, 2, 0])
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
    known = of_tracks(2, genres=both, popularity=[4, 2])
    # The user has 3 of confidence in it, half in each genre; beside them a prior of 2.
    first, second = (1.5 + 2 * 5 / 6) / (3 + 2), (1.5 + 2 * 1 / 6) / (3 + 2)
    found = scores.by_genre(block({1: 3.0}, {}), known, PARAMETERS)
    assert found[0] == pytest.approx([first * 4 / 5, first * 1 / 5 + second * 1 / 1])


def test_the_catalogue_says_each_genre_of_a_track(spark: SparkSession) -> None:
    logs = read(spark, [("u", "d", "play", 1)], [("a", "rock\npop", "x"), ("b", None, None), ("c", "pop", None)])
    genres = logs.catalogue.genres
    # pop, rock, and none, which b has and d, that the catalogue lacks.
    assert genres.track.tolist() == [0, 0, 1, 2, 3]
    assert genres.group.tolist() == [1, 0, 2, 0, 2]
    assert genres.share.tolist() == [0.5, 0.5, 1, 1, 1]


def test_groups_that_nobody_plays_score_0_and_no_nan() -> None:
    known = of_tracks(2, genres=in_genre(0, 1))
    assert scores.by_genre(block({0: 1.0}, {}), known, PARAMETERS).tolist() == [[0, 0], [0, 0]]


def test_neighbours_add_up_over_what_the_user_likes_and_not_over_what_they_skip() -> None:
    known = of_tracks(4, similar=[[1, 2], [0, 4], [0, 4], [0, 1]], scores=[[0.5, 0.25], [1, 0], [2, 0], [8, 8]])
    users = block({0: 2.0, 1: 3.0, 3: -1.0}, {})
    assert scores.by_neighbours(users, known, PARAMETERS).tolist() == [[3 * 1, 2 * 0.5, 2 * 0.25, 0], [0, 0, 0, 0]]


def test_factors_score_by_their_product_and_a_user_without_any_scores_0() -> None:
    known = of_tracks(2, factors=[[1, 2], [-1, 0]])
    users = block({}, {}, features=[[3.0, 0.5], None])
    assert scores.by_factors(users, known, PARAMETERS).tolist() == [[4, -3], [0, 0]]


def test_similar_users_recommend_what_they_like_weighted_by_how_alike_they_are() -> None:
    known = of_tracks(3, histories=capped(3, {0: 1.0, 1: 2.0}, {1: 4.0}, {2: 7.0}))
    users = block({}, {}, similar_users=[[1, 0], None], similarities=[[0.5, 0.25], None])
    assert scores.by_similar_users(users, known, PARAMETERS).tolist() == [[0.25, 4 * 0.5 + 2 * 0.25, 0], [0, 0, 0]]


def test_the_own_history_scores_what_the_user_likes() -> None:
    users = block({2: 3.0, 0: -1.0}, {})
    assert scores.by_own_history(users, of_tracks(3), PARAMETERS).tolist() == [[0, 0, 3], [0, 0, 0]]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("tracks", [0, 3])
def test_a_model_that_knows_nothing_has_no_opinion(model: str, tracks: int) -> None:
    known = of_tracks(tracks, factors=np.zeros((tracks, 2)))
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
