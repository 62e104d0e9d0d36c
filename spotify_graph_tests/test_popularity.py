"""How popular tracks are of late, counted by hand."""

from pathlib import Path

import pytest

from spotify_graph.transforms.recommendations.confidence import histories
from spotify_graph.transforms.recommendations.histories import Histories
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.popularity import popularity
from spotify_graph_tests.handmade import read

MORNING = 20_000
OLD, HIT, SKIPPED = range(3)
TRACKS = 4  # nobody has met the last one


@pytest.fixture
def known(tmp_path: Path) -> Histories:
    fan = [("fan", "1 hit", "play", MORNING - day) for day in (1, 1, 1, 2, 31)]
    others = [
        ("a", "1 hit", "play", MORNING - 31),
        ("b", "1 hit", "play", MORNING - 61),
        ("b", "1 hit", "like", MORNING - 1),  # a like is no play
        ("c", "0 old", "play", MORNING - 121),
        ("c", "2 skipped", "skip", MORNING - 1),
    ]
    [users] = read(tmp_path, fan + others).buckets
    return histories(users.read(), MORNING, Parameters())


@pytest.mark.parametrize(
    ("half_life", "expected"),
    [
        (30.0, [1 / 16, 1 + 1 / 2 + 1 / 4, 0, 0]),
        (60.0, [1 / 4, 1 + 1 / 2**0.5 + 1 / 2, 0, 0]),
        (None, [1, 3, 0, 0]),
    ],
)
def test_each_listener_counts_once_and_half_for_every_half_life_since_their_last_play(
    known: Histories, half_life: float | None, expected: list[float]
) -> None:
    listeners, popular = popularity(known, TRACKS, MORNING, half_life)
    assert popular.tolist() == pytest.approx(expected)
    assert listeners.tolist() == [1, 3, 0, 0]
