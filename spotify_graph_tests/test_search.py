"""The search: what it judges by, and that it takes nothing which may be better by chance."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from spotify_graph.assets import report
from spotify_graph.training import search
from spotify_graph.training.holdout_users import Evidence, count, holdout_users
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.search import Trial, Tuned, tune
from spotify_graph.transforms.evaluation.holdout import Pairs
from spotify_graph.transforms.evaluation.metrics import Mean
from spotify_graph.transforms.evaluation.split import Window, split
from spotify_graph.transforms.recommendations.combination import DEFAULT
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS
from spotify_graph_tests.handmade import Event, cleaned_tracks, read
from spotify_graph_tests.real_like_logs import RETURNING, generate

DAY = 20_000
SMALL = Parameters(rank=8, iterations=4)
NO_STEPS = ()


def of_window(logs: Logs) -> Window:
    found = split(logs.first, logs.until - 1)
    assert found
    return found.validation


@pytest.fixture(scope="module")
def returning(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """Listeners who meet all of their tracks in the first month."""
    log = generate(replace(RETURNING, users=300, tracks=600, scenes=12, library=30, plays=3), seed=0)
    return read(tmp_path_factory.mktemp("returning"), log.events, log.tracks)


def test_where_hardly_anybody_meets_new_tracks_in_a_window_pairs_are_held_out(returning: Logs) -> None:
    said: list[str] = []
    assert count(returning, of_window(returning)).evidence == Evidence(0, 0)
    tuned = tune(returning, of_window(returning), SMALL, 10_000, said.append, NO_STEPS)
    assert tuned.judged_by == "pairs"
    assert tuned.evidence.users > 200
    assert tuned.evidence.pairs > 1000
    assert said[0].startswith(f"judged by {tuned.evidence.users} users and {tuned.evidence.pairs} tracks")


def test_a_fifth_of_what_each_user_likes_is_held_out_and_the_models_know_nothing_of_it(returning: Logs) -> None:
    pairs = Pairs(returning.until, 0)
    asked = holdout_users(returning, count(returning, pairs), 10_000, 0)
    relevant, met = ({tuple(pair) for pair in found.tolist()} for found in (asked.sought.relevant, asked.sought.met))
    assert not relevant & met
    assert 0.17 < len(relevant) / len(relevant | met) < 0.23
    known = Prepared.of(returning, returning.until, SMALL, pairs).select(asked.users)
    left = set(zip(known.users[known.rows].tolist(), known.tracks.tolist(), strict=True))
    assert left == met
    # Another seed holds others out, and the same one the same.
    others = holdout_users(returning, count(returning, Pairs(returning.until, 1)), 10_000, 0).sought.relevant
    assert {tuple(pair) for pair in others.tolist()} != relevant
    assert count(returning, pairs).evidence == Evidence(len(asked.users), len(relevant))


def test_of_users_with_few_tracks_nothing_is_held_out(tmp_path: Path) -> None:
    events: list[Event] = [("few", f"t{i}", "play", DAY) for i in range(4)]
    events += [("skipper", f"t{i}", "skip", DAY) for i in range(40)]
    events += [("fan", f"t{i}", "like", DAY) for i in range(40)]
    logs = read(tmp_path, events)
    asked = holdout_users(logs, count(logs, Pairs(DAY + 1, 0)), 10, 0)
    assert [logs.user_ids[int(user)].as_py() for user in asked.users] == ["fan"]


def test_never_heard_tracks_of_a_window_are_counted_as_evidence(tmp_path: Path) -> None:
    events: list[Event] = [
        ("ann", "old", "play", DAY),
        ("ann", "old", "play", DAY + 5),
        ("ann", "new", "play", DAY + 5),
        ("ann", "new", "like", DAY + 6),
        ("ann", "skipped", "skip", DAY + 5),
        ("ben", "old", "like", DAY + 5),
        ("cid", "old", "skip", DAY),
        ("cid", "old", "play", DAY + 5),
        ("dee", "new", "play", DAY + 9),
    ]
    logs = read(tmp_path, events)
    window = Window(DAY + 3, DAY + 4, DAY + 8)
    # Ann's new one and Ben's old one: Cid had met it, and Dee is late.
    assert count(logs, window).evidence == Evidence(users=2, pairs=2)
    everybody = holdout_users(logs, count(logs, window), 10, 0)
    never_heard = holdout_users(logs, count(logs, window), 10, 0, never_heard=True)
    assert [logs.user_ids[int(user)].as_py() for user in everybody.users] == ["ann", "ben", "cid"]
    assert [logs.user_ids[int(user)].as_py() for user in never_heard.users] == ["ann", "ben"]
    assert len(holdout_users(logs, count(logs, window), 1, 0).users) == 1


def test_where_there_is_too_little_to_judge_by_the_defaults_stay_and_it_says_so(tmp_path: Path) -> None:
    events: list[Event] = [(f"u{i % 7}", f"t{i % 11}", "play", DAY + i % 30) for i in range(200)]
    logs, said = read(tmp_path, events), list[str]()
    tuned = tune(logs, of_window(logs), SMALL, 10_000, said.append)
    assert tuned == Tuned(SMALL, DEFAULT, (), None, tuned.evidence)
    assert tuned.evidence.pairs < search.LEAST_PAIRS
    found = f"{tuned.evidence.users} users with {tuned.evidence.pairs} tracks that are new to them"
    assert said == [f"{found} are too few to tune anything"]


def test_a_better_value_is_taken_and_its_interval_says_that_it_is_better(returning: Logs) -> None:
    steps = (("factors", "rank", (1, 4, 16)),)
    start = SMALL.model_copy(update={"rank": 1})
    tuned = tune(returning, of_window(returning), start, 10_000, lambda _: None, steps)
    # Twelve scenes do not fit into one factor.
    assert tuned.parameters.rank > 1
    tried = [trial for trial in tuned.trials if trial.parameter == "rank"]
    assert tried[0].value == 1
    assert tried[0].better is None
    taken = [trial for trial in tried[1:] if trial.taken]
    assert [trial.value for trial in taken] == [value for value in (4, 16) if value <= tuned.parameters.rank]
    assert all(trial.better and trial.better.low > 0 for trial in taken)


def test_what_may_be_better_by_chance_is_not_taken(tmp_path: Path) -> None:
    """Everybody draws on one taste: no number of factors can tell users apart."""
    draw = np.random.default_rng(3)
    popular = np.arange(1, 301) ** -0.5
    tracks = draw.choice(300, size=8_000, p=popular / popular.sum())
    users = draw.integers(250, size=8_000)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    events = pa.table(
        {
            "user_id": [f"u{user}" for user in users],
            "track_id": [f"t{track}" for track in tracks],
            "event_type": ["play"] * 8_000,
            "event_ts": pa.array(
                [start + timedelta(days=float(day)) for day in draw.random(8_000) * 60], pa.timestamp("us", "UTC")
            ),
            "session_id": pa.nulls(8_000, pa.string()),
            "device": pa.nulls(8_000, pa.string()),
        }
    )
    logs = read(tmp_path, events, cleaned_tracks([]))
    steps = (("factors", "rank", (4, 8, 16)), ("neighbours", "profile_half_life_days", (30.0, 90.0, None)))
    tuned = tune(logs, of_window(logs), SMALL, 10_000, lambda _: None, steps)
    assert (tuned.parameters.rank, tuned.parameters.profile_half_life_days) == (8, 90.0)
    tried = {trial.value: trial.better for trial in tuned.trials if trial.parameter and trial.better}
    assert tried.keys() == {4, 16, 30.0, None}
    assert all(better.low <= 0 for better in tried.values())


def test_one_model_ranks_alone_only_where_it_is_surely_better_than_the_combination() -> None:
    draw = np.random.default_rng(0)
    combination = draw.random(400)
    worth = {name: combination + draw.normal(0, 0.2, 400) for name in MODELS}
    worth["combination"] = combination
    chosen, trials = search.chosen_of(worth)
    assert chosen == "combination"
    worth["neighbours"] = combination + 0.05
    chosen, trials = search.chosen_of(worth)
    assert chosen == "neighbours"
    [taken] = [trial for trial in trials if trial.taken]
    assert taken.model == "neighbours"
    assert taken.better
    assert taken.better.value == pytest.approx(0.05)


def test_the_report_says_of_each_trial_how_sure_it_is_and_what_was_made_of_it() -> None:
    better, chance, worse = Mean(0.02, 0.01, 0.03), Mean(0.01, -0.01, 0.03), Mean(-0.02, -0.03, -0.01)
    trials = [
        Trial("factors", "rank", 8, 0.2, None, taken=True),
        Trial("factors", "rank", 16, 0.22, better, taken=True),
        Trial("factors", "rank", 32, 0.23, chance),
        Trial("linear", None, None, 0.2, worse),
    ]
    lines = report.search(trials)
    assert [line["taken"] for line in lines] == ["yes", "yes", "no: that may be chance", "no: it is worse"]
    assert [line["better by"] for line in lines[:2]] == ["", "+0.0200 (+0.0100 to +0.0300)"]
    assert report.markdown(lines).count("\n") == 1 + len(trials)


@pytest.mark.parametrize(
    ("now", "above", "below"),
    [
        (10.0, [30.0, None], []),
        (30.0, [None], [10.0]),
        (None, [], [30.0, 10.0]),
        (20.0, [30.0, None], [10.0]),
        (5.0, [10.0, 30.0, None], []),
    ],
)
def test_the_steps_beside_a_value_are_tried_from_it_outwards(
    now: float | None, above: list[float | None], below: list[float | None]
) -> None:
    found = search.beside(now, (10.0, 30.0, None))
    assert [list(steps) for steps in found] == [above, below]
