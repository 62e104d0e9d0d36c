"""The parameters of the models and of their evaluation, from the environment."""

import pytest

from spotify_graph.errors import UserError
from spotify_graph.resources.recommender import Recommender
from spotify_graph.settings import Settings
from spotify_graph.transforms.recommendations.parameters import Parameters


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('{"rnak": 8}', ["there is no rnak", "rank,"]),
        ('{"rank": -1}', ["rank: ", "greater than or equal to 0"]),
        ('{"skip": 1}', ["skip: ", "less than or equal to 0"]),
        ('{"tune": "perhaps"}', ["tune: ", "boolean"]),
        ('{"window_days": 0}', ["window_days: "]),
        ("[8]", []),
        ("rank 8", ["not a JSON object"]),
    ],
)
def test_a_parameter_that_is_none_is_named_with_what_it_may_be(
    monkeypatch: pytest.MonkeyPatch, value: str, words: list[str]
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_RECOMMENDER", value)
    with pytest.raises(UserError, match="SPOTIFY_GRAPH_RECOMMENDER") as caught:
        Recommender.from_settings(Settings.load())
    assert all(word in str(caught.value) for word in words), caught.value


def test_parameters_in_the_environment_win_and_the_others_keep_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "SPOTIFY_GRAPH_RECOMMENDER", '{"rank": 64, "profile_half_life_days": null, "tune": false, "gap_days": 3}'
    )
    found = Recommender.from_settings(Settings.load())
    assert found.parameters == Parameters(rank=64, profile_half_life_days=None)
    assert (found.protocol.tune, found.protocol.gap_days, found.protocol.window_days) == (False, 3, None)


@pytest.mark.parametrize(
    ("pairs", "rank"), [(0, 16), (10_000, 16), (10_001, 32), (100_001, 64), (1_000_000, 64), (1_000_001, 128)]
)
def test_the_more_there_is_to_learn_from_the_more_factors_there_are_unless_a_number_is_given(
    pairs: int, rank: int
) -> None:
    assert Parameters().sized(pairs).rank == rank
    assert Parameters(rank=7).sized(pairs).rank == 7


def test_a_skip_can_speak_against_a_track_or_be_ignored_and_never_counts_as_a_play() -> None:
    def weighed(skip: float) -> Parameters:
        return Parameters.model_validate({"skip": skip})

    assert weighed(0).weights["skip"] == 0
    with pytest.raises(ValueError, match="less than or equal to 0"):
        weighed(0.1)
