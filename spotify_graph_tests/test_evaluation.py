"""The evaluation on logs whose truth is known: uniform noise, and planted tastes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from spotify_graph import sample_data
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.transforms.evaluation import metrics, oracle
from spotify_graph.transforms.evaluation.evaluate import Evaluation, evaluate, improvement, report
from spotify_graph.transforms.evaluation.lists import Lists, Scope, questions, rank
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.evaluation.rankers import COMBINATION, ORACLE, PUBLISHED, models
from spotify_graph.transforms.evaluation.search import search_is_due, tune
from spotify_graph.transforms.evaluation.split import Split, Window, split
from spotify_graph.transforms.recommendations.knowledge import Prepared, learn
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS

EVENTS = "user_id string, track_id string, event_type string, event_ts timestamp, session_id string, device string"
NOISY_USERS, NOISY_TRACKS, NOISY_EVENTS, NOISY_DAYS = 150, 300, 9_000, 60
SMALL = Parameters(rank=8, iterations=4, history_cap=60)


def silent(_line: str) -> None:
    """Told how far an evaluation is."""


@dataclass(frozen=True)
class Evaluated:
    logs: Logs
    split: Split
    found: Evaluation

    def new(self, ranker: str) -> Lists:
        """A ranker's lists of never-heard tracks."""
        return self.found.lists[ranker, Scope.NEW]

    def recall(self, ranker: str, k: int) -> float:
        lists = self.new(ranker)
        return float(metrics.recall(lists.hits, lists.relevant, k).mean())


def windows(logs: Logs) -> Split:
    found = split(logs.first, logs.until - 1)
    assert found
    return found


@pytest.fixture(scope="module")
def noise(spark: SparkSession) -> Iterator[Evaluated]:
    """Uniform random logs: who does what with which track, and when, says nothing about anything else."""
    draw = np.random.default_rng(7)
    names = [event.name for event in EVENT_TYPES]
    start = datetime(2026, 1, 1)
    events = [
        (
            f"u{draw.integers(NOISY_USERS)}",
            f"t{draw.integers(NOISY_TRACKS)}",
            names[draw.integers(len(names))],
            start + timedelta(days=float(draw.random() * NOISY_DAYS)),
            None,
            None,
        )
        for _ in range(NOISY_EVENTS)
    ]
    tracks = [(f"t{i}", f"artist {i % 30}", f"genre {i % 6}") for i in range(NOISY_TRACKS)]
    logs = Logs.read(
        spark.createDataFrame(events, EVENTS),
        spark.createDataFrame(tracks, "track_id string, artist string, genre string"),
    )
    cuts = windows(logs)
    yield Evaluated(logs, cuts, evaluate(logs, cuts, SMALL, Protocol(tune=False), silent))
    logs.release()


@pytest.fixture(scope="module")
def truth_files(tmp_path_factory: pytest.TempPathFactory) -> sample_data.SampleData:
    folder = tmp_path_factory.mktemp("planted")
    landing, truth, end = folder / "landing", folder / "truth", date(2026, 1, 1)
    return sample_data.generate(landing, truth=truth, tracks=400, users=250, events=50_000, seed=5, end=end)


@pytest.fixture(scope="module")
def planted(spark: SparkSession, truth_files: sample_data.SampleData) -> Iterator[Evaluated]:
    """Small sample data, evaluated beside the oracle and a published model, which is the most popular tracks."""
    events = spark.read.csv(str(truth_files.user_events), header=True, schema=EVENTS)
    tracks = spark.read.csv(str(truth_files.tracks), header=True)
    logs = Logs.read(events, tracks)
    cuts = windows(logs)
    truth = oracle.truth(truth_files.track_popularity, truth_files.user_tastes, logs.catalogue, logs.users)
    assert truth
    numbers = list(range(100))
    published = logs.users.select("user").toPandas()
    rows = [(int(user), numbers) for user in published["user"]]
    lists = spark.createDataFrame(rows, "user int, published array<int>")
    found = evaluate(logs, cuts, SMALL, Protocol(tune=False), silent, truth=truth, published=lists)
    yield Evaluated(logs, cuts, found)
    logs.release()


def chance(evaluated: Evaluated, ranker: str, k: int) -> tuple[float, float]:
    """How far a ranker's recall is from what blind draws have in the mean, and the standard error of that mean."""
    lists = evaluated.new(ranker)
    asked = questions(evaluated.logs.activity, evaluated.split.test, 10_000, SMALL.seed).collect()
    met = {row.user: len(row.met or ()) for row in asked}
    expected = np.array([k / (NOISY_TRACKS - met[user]) for user in lists.users.tolist()])
    values = metrics.recall(lists.hits, lists.relevant, k)
    return float((values - expected).mean()), float(values.std(ddof=1) / len(values) ** 0.5)


@pytest.mark.parametrize("ranker", ["random", "all-time popularity", "item-item cosine", *MODELS, COMBINATION])
def test_on_uniform_random_logs_every_model_stands_at_chance(noise: Evaluated, ranker: str) -> None:
    distance, error = chance(noise, ranker, 30)
    assert abs(distance) < 4 * error


def test_a_model_that_has_seen_the_test_window_would_be_found_out(noise: Evaluated) -> None:
    asked = questions(noise.logs.activity, noise.split.test, 10_000, SMALL.seed)
    everything = Prepared.of(noise.logs, noise.logs.until, SMALL)
    leaked = learn(noise.logs, everything, SMALL, ("factors",))
    lists = rank(asked, leaked, {"factors": models()["factors"]}, (Scope.NEW,), SMALL)
    seen = replace(noise, found=replace(noise.found, lists=lists))
    distance, error = chance(seen, "factors", 30)
    assert distance > 10 * error


def test_nothing_is_learned_from_the_gap_the_window_or_later(noise: Evaluated) -> None:
    cut = noise.split.test.known_until
    before = replace(noise.logs, activity=noise.logs.activity.where(f"day < {cut}"))
    known = [Prepared.of(logs, cut, SMALL).histories.orderBy("user").collect() for logs in (noise.logs, before)]
    assert known[0] == known[1]
    assert noise.split.test.first > cut


def test_nobody_beats_the_oracle_on_planted_tastes_and_the_combination_is_near_it(planted: Evaluated) -> None:
    best = planted.recall(ORACLE, 100)
    rankers = [*MODELS, COMBINATION, "random", "all-time popularity", "item-item cosine"]
    found = {ranker: planted.recall(ranker, 100) for ranker in rankers}
    assert all(value < best for value in found.values()), found
    assert found[COMBINATION] > 0.85 * best
    assert found["random"] < found["popularity"] < found[COMBINATION]
    assert found[COMBINATION] > max(found[model] for model in MODELS) - 0.02


def test_all_rankers_of_a_scope_are_asked_about_the_same_users(planted: Evaluated) -> None:
    for scope in Scope:
        asked = [lists.users.tolist() for (_, of), lists in planted.found.lists.items() if of is scope]
        assert all(users == asked[0] for users in asked)
        assert asked[0]


def test_listening_again_counts_where_all_tracks_are_asked_for_and_not_among_never_heard_ones(
    planted: Evaluated,
) -> None:
    again = planted.found.lists["own history", Scope.ALL]
    assert metrics.recall(again.hits, again.relevant, 10).mean() > planted.recall(ORACLE, 10)
    assert planted.recall("own history", 100) == 0


def test_a_user_without_a_past_is_asked_about_and_scores_0_with_a_model_that_needs_one(noise: Evaluated) -> None:
    test, somebody = noise.split.test, int(noise.new("factors").users[0])
    activity = noise.logs.activity.where(f"user <> {somebody} OR day >= {test.first}")
    asked = questions(activity, test, 10_000, SMALL.seed)
    known = learn(noise.logs, Prepared.of(replace(noise.logs, activity=activity), test.known_until, SMALL), SMALL)
    lists = rank(asked, known, {"factors": models()["factors"]}, (Scope.NEW,), SMALL)["factors", Scope.NEW]
    assert lists.users[0] == somebody
    assert lists.relevant[0] > 0
    assert not lists.hits[0].any()


def test_the_report_has_each_metric_of_each_ranker_with_its_interval(planted: Evaluated) -> None:
    rows = report(planted.found.lists, planted.logs.catalogue)
    [row] = [it for it in rows if (it.ranker, it.scope, it.metric, it.k) == (COMBINATION, Scope.NEW, "recall", 100)]
    assert row.mean.value == pytest.approx(planted.recall(COMBINATION, 100))
    assert row.mean.low < row.mean.value < row.mean.high
    found = {(it.metric, it.k) for it in rows if (it.ranker, it.scope) == (ORACLE, Scope.ALL)}
    assert found == {
        *(("recall", 10), ("recall", 100), ("ndcg", 10), ("ndcg", 100)),
        *(("coverage", 10), ("coverage", 100), ("diversity", 10)),
    }


def test_a_model_is_better_than_a_published_one_that_knows_nobody(planted: Evaluated) -> None:
    better = improvement(planted.new(COMBINATION), planted.new(PUBLISHED))
    assert 0 < better.low < better.value < better.high
    worse = improvement(planted.new(PUBLISHED), planted.new(COMBINATION))
    assert worse.high < 0
    same = improvement(planted.new(COMBINATION), planted.new(COMBINATION))
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_the_search_ends_at_the_best_value_on_the_validation_window_whatever_it_starts_from(planted: Evaluated) -> None:
    steps = (("factors", "rank", (1, 4, 12)),)
    window: Window = planted.split.validation
    started = [SMALL.model_copy(update={"rank": rank}) for rank in (1, 12)]
    found = [tune(planted.logs, window, start, 10_000, silent, steps) for start in started]
    tried = {trial.value: trial.ndcg for it in found for trial in it.trials if trial.parameter == "rank"}
    assert set(tried) == {1, 4, 12}
    assert {it.parameters.rank for it in found} == {max(tried, key=tried.__getitem__)}
    # Fourteen tastes do not fit into one factor.
    assert found[0].parameters.rank > 1


@pytest.mark.parametrize(
    ("until", "days", "due"),
    [
        ("2026-01-07", 7, False),
        ("2026-01-08", 7, True),
        ("2026-01-01", 7, False),
        ("2026-01-01", 0, True),
        # Events were forgotten: the days that parameters were tuned on may be test days now.
        ("2025-12-31", 7, True),
    ],
)
def test_a_search_is_due_after_so_many_days_of_new_events_and_where_events_are_gone(
    until: str, days: int, due: bool
) -> None:
    assert search_is_due(date(2026, 1, 1), date.fromisoformat(until), days) is due


def test_the_search_finds_another_optimum_on_logs_of_another_making(spark: SparkSession) -> None:
    """Everybody draws on one taste: more than one factor can only learn noise."""
    draw = np.random.default_rng(3)
    popular = np.arange(1, 121) ** -1.0
    tracks = draw.choice(120, size=8_000, p=popular / popular.sum())
    users = draw.integers(100, size=8_000)
    days = draw.random(8_000) * 60
    events = [
        (f"u{user}", f"t{track}", "play", datetime(2026, 1, 1) + timedelta(days=float(day)), None, None)
        for user, track, day in zip(users, tracks, days, strict=True)
    ]
    none: DataFrame = spark.createDataFrame([], "track_id string, artist string, genre string")
    logs = Logs.read(spark.createDataFrame(events, EVENTS), none)
    steps = (("factors", "rank", (1, 4, 12)),)
    found = tune(logs, windows(logs).validation, SMALL.model_copy(update={"rank": 12}), 10_000, silent, steps)
    assert found.parameters.rank == 1
    logs.release()


def test_the_truth_about_other_data_is_no_oracle(
    planted: Evaluated, noise: Evaluated, truth_files: sample_data.SampleData, tmp_path: Path
) -> None:
    popularity, tastes = truth_files.track_popularity, truth_files.user_tastes
    assert oracle.truth(popularity, tastes, noise.logs.catalogue, noise.logs.users) is None
    assert oracle.truth(tmp_path / "none", tastes, planted.logs.catalogue, planted.logs.users) is None
