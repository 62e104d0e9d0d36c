"""Confidences worked out by hand: weights, halving, damping, and what a morning knows."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.transforms.evaluation.holdout import sought
from spotify_graph.transforms.evaluation.split import Window
from spotify_graph.transforms.recommendations import confidence
from spotify_graph.transforms.recommendations.confidence import Activity
from spotify_graph.transforms.recommendations.histories import NEVER, Histories, cap
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph_tests.handmade import cleaned_events, read

MORNING = 20_000
"""The day whose morning it is."""
ANN, BEN = range(2)
HIT, FLOP, SONG, LATE = range(4)
EVENTS = [
    ("ann", "1 hit", "play", MORNING - 1),
    ("ann", "1 hit", "play", MORNING - 1),
    ("ann", "1 hit", "like", MORNING - 21),
    ("ann", "2 flop", "skip", MORNING - 1),
    ("ann", "2 flop", "skip", MORNING - 41),
    ("ann", "3 song", "pause", MORNING - 11),
    ("ann", "3 song", "seek", MORNING - 11),
    ("ben", "2 flop", "play", MORNING - 31),
    ("ben", "2 flop", "skip", MORNING - 1),
    # What the morning doesn't know:
    ("ann", "1 hit", "play", MORNING + 5),
    ("ann", "2 flop", "like", MORNING),
    ("ben", "4 late", "play", MORNING),
]
PLAIN = Parameters(damping=False, profile_half_life_days=None, cooccurrence_half_life_days=None).model_copy(
    update={"play": 1.0, "like": 10.0, "pause": 100.0, "seek": 1000.0, "skip": -0.5}
)
"""Weights that can be told apart in a sum, and nothing else."""


@pytest.fixture(scope="module")
def activity(tmp_path_factory: pytest.TempPathFactory) -> Activity:
    [users] = read(tmp_path_factory.mktemp("activity"), EVENTS).buckets
    return users.read()


def by_pair(known: Histories) -> dict[tuple[int, int], tuple[Any, Any, Any]]:
    """Profile, co-occurrence and last play of each user and track."""
    users = known.users[known.rows].tolist()
    found = zip(known.profile.tolist(), known.cooccurrence.tolist(), known.last_play.tolist(), strict=True)
    return dict(zip(zip(users, known.tracks.tolist(), strict=True), found, strict=True))


def confidences(activity: Activity, parameters: Parameters) -> dict[tuple[int, int], tuple[Any, Any]]:
    """Profile and co-occurrence of each user and track."""
    found = by_pair(confidence.histories(activity, MORNING, parameters))
    return {pair: (profile, cooccurrence) for pair, (profile, cooccurrence, _) in found.items()}


def profiles(activity: Activity, parameters: Parameters) -> dict[tuple[int, int], float]:
    return {pair: profile for pair, (profile, _) in confidences(activity, parameters).items()}


def test_each_type_of_event_has_its_weight_and_skips_weigh_against_a_track(activity: Activity) -> None:
    assert profiles(activity, PLAIN) == {
        (ANN, HIT): 1 + 1 + 10,
        (ANN, FLOP): -0.5 - 0.5,
        (ANN, SONG): 100 + 1000,
        (BEN, FLOP): 1 - 0.5,
    }


@pytest.mark.parametrize(
    ("off", "pair", "left"),
    [
        ("play", (ANN, HIT), 10),
        ("like", (ANN, HIT), 1 + 1),
        ("pause", (ANN, SONG), 1000),
        ("seek", (ANN, SONG), 100),
        ("skip", (ANN, FLOP), 0),
    ],
)
def test_a_type_of_weight_0_adds_nothing(activity: Activity, off: str, pair: tuple[int, int], left: float) -> None:
    found = profiles(activity, PLAIN.model_copy(update={off: 0.0}))
    assert found[pair] == left
    assert len(found) == 4  # a track that one only skipped is met all the same


def test_an_event_counts_half_for_every_half_life_and_each_confidence_has_one_of_its_own(activity: Activity) -> None:
    both = PLAIN.model_copy(update={"profile_half_life_days": 20.0, "cooccurrence_half_life_days": 40.0})
    # Yesterday counts in full: ann liked the hit 20 days before, and skipped the flop 40 days before.
    assert confidences(activity, both) == {
        (ANN, HIT): (pytest.approx(1 + 1 + 10 / 2), pytest.approx(1 + 1 + 10 / 2**0.5)),
        (ANN, FLOP): (pytest.approx(-0.5 - 0.5 / 4), pytest.approx(-0.5 - 0.5 / 2)),
        (ANN, SONG): (pytest.approx(1100 / 2**0.5), pytest.approx(1100 / 2**0.25)),
        (BEN, FLOP): (pytest.approx(1 / 2**1.5 - 0.5), pytest.approx(1 / 2**0.75 - 0.5)),
    }


def test_damping_takes_the_logarithm_and_keeps_the_sign(activity: Activity) -> None:
    damped = profiles(activity, PLAIN.model_copy(update={"damping": True}))
    assert damped == {
        (ANN, HIT): pytest.approx(math.log(1 + 12)),
        (ANN, FLOP): pytest.approx(-math.log(1 + 1)),
        (ANN, SONG): pytest.approx(math.log(1 + 1100)),
        (BEN, FLOP): pytest.approx(math.log(1 + 0.5)),
    }


def test_a_skip_makes_no_play_and_no_listener(activity: Activity) -> None:
    found = by_pair(confidence.histories(activity, MORNING, Parameters()))
    assert {pair: last_play for pair, (*_, last_play) in found.items()} == {
        (ANN, HIT): MORNING - 1,
        (ANN, FLOP): NEVER,
        (ANN, SONG): NEVER,
        (BEN, FLOP): MORNING - 31,
    }
    ever = sought(activity, Window(MORNING - 101, MORNING - 100, MORNING))
    assert ever.relevant.tolist() == [[ANN, HIT], [BEN, FLOP]]


def test_a_window_holds_its_first_day_and_not_the_day_after_its_last(activity: Activity) -> None:
    def found(first: int, until: int) -> list[list[int]]:
        relevant: list[list[int]] = sought(activity, Window(first - 1, first, until)).relevant.tolist()
        return relevant

    assert found(MORNING, MORNING + 6) == [[ANN, HIT], [ANN, FLOP], [BEN, LATE]]
    assert found(MORNING + 1, MORNING + 5) == []
    met = sought(activity, Window(MORNING - 1, MORNING, MORNING + 6)).met.tolist()
    assert met == [[ANN, HIT], [ANN, FLOP], [ANN, SONG], [BEN, FLOP]]


def test_an_event_that_two_files_hold_counts_once(tmp_path: Path) -> None:
    both = pa.concat_tables([cleaned_events(EVENTS, "a.csv"), cleaned_events(EVENTS[:3], "b.csv")])
    [users] = read(tmp_path, both).buckets
    found = users.read()
    assert found.count.sum() == len(EVENTS)
    [plays] = found.count[(found.user == ANN) & (found.track == HIT) & (found.day == MORNING - 1)].tolist()
    assert plays == 2  # at two moments of one day


def test_days_are_those_of_utc_also_before_the_first_one(tmp_path: Path) -> None:
    events = cleaned_events([("u", "t", "play", 0), ("u", "t", "play", 1), ("u", "t", "play", -1)])
    first, second, before = (
        pa.scalar(moment, pa.timestamp("us", "UTC")) for moment in (86_399_999_999, 86_400_000_000, -1)
    )
    moved = events.set_column(4, "event_ts", pa.array([first, second, before], pa.timestamp("us", "UTC")))
    logs = read(tmp_path, moved)
    assert logs.buckets[0].read().day.tolist() == [-1, 0, 1]
    assert (logs.first, logs.until) == (-1, 2)


def test_a_history_is_in_falling_order_and_holds_what_the_user_only_skipped(activity: Activity) -> None:
    known = confidence.histories(activity, MORNING, PLAIN)
    assert known.users.tolist() == [ANN, BEN]
    assert known.starts.tolist() == [0, 3, 4]
    assert list(zip(known.tracks.tolist(), known.profile.tolist(), strict=True)) == [
        *[(SONG, 1100), (HIT, 12), (FLOP, -1)],
        (FLOP, 0.5),
    ]


@pytest.fixture(scope="module")
def histories() -> Histories:
    """Two confidences in opposite orders; user 1 likes nothing, and user 2 has no history."""
    rows = [
        (0, 4, 0.5, 3.0),
        (0, 2, 0.9, 1.0),
        (0, 1, 0.9, 2.0),
        (0, 0, -2.0, 9.0),
        (0, 3, 0.0, 0.5),
        (1, 0, -1.0, 0.0),
    ]
    user, track, profile, cooccurrence = map(np.array, zip(*rows, strict=True))
    known = Histories.of_pairs(
        user.astype(np.int32),
        track.astype(np.int32),
        profile.astype(np.float32),
        cooccurrence.astype(np.float32),
        np.full(len(rows), NEVER, dtype=np.int32),
    )
    return known.select(np.arange(3, dtype=np.int32))


@pytest.mark.parametrize(
    ("size", "kind", "tracks", "weights"),
    [
        (2, "profile", [1, 2], [0.9, 0.9]),  # equal ones by number
        (4, "profile", [1, 2, 4, 5], [0.9, 0.9, 0.5, 0]),  # neither the skipped one nor the one of confidence 0
        (4, "cooccurrence", [0, 4, 1, 2], [9, 3, 2, 1]),
    ],
)
def test_a_capped_history_keeps_the_strongest_tracks_and_only_those_above_0(
    histories: Histories, size: int, kind: str, tracks: list[int], weights: list[float]
) -> None:
    found = cap(histories, tracks=5, size=size, weights=getattr(histories, kind))
    assert found.tracks.tolist() == [tracks, [5] * size, [5] * size]
    assert found.weights.tolist() == [pytest.approx(weights), [0] * size, [0] * size]


def test_some_users_are_selected_with_what_they_have_and_others_with_nothing(histories: Histories) -> None:
    some = histories.select(np.array([1, 2, 7], dtype=np.int32))
    assert some.users.tolist() == [1, 2, 7]
    assert some.starts.tolist() == [0, 1, 1, 1]
    assert (some.tracks.tolist(), some.profile.tolist()) == ([0], [-1])
    back = Histories.of_table(histories.table())
    assert back.select(histories.users).starts.tolist() == histories.starts.tolist()
    assert histories.select(np.zeros(0, dtype=np.int32)).starts.tolist() == [0]


def test_a_log_without_events_is_known_as_one(tmp_path: Path) -> None:
    logs = read(tmp_path, [], [("t1", "Jazz", None)])
    assert (logs.first, logs.until, logs.user_count, len(logs.catalogue)) == (0, 0, 0, 1)
    none = confidence.histories(logs.buckets[0].read(), MORNING, Parameters())
    assert cap(none, tracks=1, size=3, weights=none.profile).tracks.shape == (0, 3)
    assert len(none.select(np.array([3], dtype=np.int32)).tracks) == 0


def test_every_type_of_event_has_a_weight() -> None:
    assert Parameters().weights.keys() == {event.name for event in EVENT_TYPES}
