"""The evaluation on logs whose truth is known: uniform noise, and planted tastes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from spotify_graph import sample_data
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.parts import Part, save
from spotify_graph.training import ranking
from spotify_graph.training.evaluate import Evaluation, evaluate, improvement, report
from spotify_graph.training.holdout_users import count, holdout_users
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.search import search_is_due
from spotify_graph.training.train import TrainedModels, train
from spotify_graph.transforms.evaluation import metrics, oracle
from spotify_graph.transforms.evaluation.lists import Lists, Ranker, Scope
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.evaluation.rankers import COMBINATION, ORACLE, PUBLISHED, Published
from spotify_graph.transforms.evaluation.split import Split, Window, split
from spotify_graph.transforms.recommendations.arrays import Bools
from spotify_graph.transforms.recommendations.confidence import Activity
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS
from spotify_graph_tests.handmade import cleaned_tracks, read, table

EVENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("user_id", "track_id", "event_type")),
        ("event_ts", pa.timestamp("us", "UTC")),
        *((name, pa.string()) for name in ("session_id", "device")),
    ]
)
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
def noise(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Uniform random logs: who does what with which track, and when, says nothing about anything else."""
    draw = np.random.default_rng(7)
    names = [event.name for event in EVENT_TYPES]
    start = datetime(2026, 1, 1, tzinfo=UTC)
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
    tracks = cleaned_tracks((f"t{i}", f"genre {i % 6}", f"artist {i % 30}") for i in range(NOISY_TRACKS))
    logs = read(tmp_path_factory.mktemp("noise"), table(events, EVENTS), tracks)
    cuts = windows(logs)
    return Evaluated(logs, cuts, evaluate(logs, cuts, SMALL, Protocol(tune=False), silent))


@pytest.fixture(scope="module")
def truth_files(tmp_path_factory: pytest.TempPathFactory) -> sample_data.SampleData:
    folder = tmp_path_factory.mktemp("planted")
    landing, truth, end = folder / "landing", folder / "truth", date(2026, 1, 1)
    return sample_data.generate(landing, truth=truth, tracks=400, users=250, events=50_000, seed=5, end=end)


@pytest.fixture(scope="module")
def planted(truth_files: sample_data.SampleData) -> Evaluated:
    """Small sample data, evaluated beside the oracle and a published model, which is the most popular tracks."""
    typed = csv.ConvertOptions(column_types=EVENTS)
    events = csv.read_csv(truth_files.user_events, convert_options=typed)
    logs = read(truth_files.tracks.parent.parent, events, csv.read_csv(truth_files.tracks))
    cuts = windows(logs)
    truth = oracle.truth(truth_files.track_popularity, truth_files.user_tastes, logs.catalogue, logs.user_ids)
    assert truth
    everybody = np.arange(logs.user_count, dtype=np.int32)
    popular = Published(everybody, np.tile(np.arange(100, dtype=np.int32), (logs.user_count, 1)))
    found = evaluate(logs, cuts, SMALL, Protocol(tune=False), silent, truth=truth, published=popular)
    return Evaluated(logs, cuts, found)


def ranked(logs: Logs, window: Window, trained: TrainedModels, prepared: Prepared, model: str) -> Lists:
    """A model's lists of never-heard tracks, for everybody with something to be found."""
    asked = holdout_users(logs, count(logs, window), 10_000, SMALL.seed)
    ranker: dict[str, Ranker] = {model: MODELS[model]}
    lists = ranking.rank(asked, prepared.select(asked.users), trained, ranker, (Scope.NEW,), SMALL, logs)
    return lists[model, Scope.NEW]


def chance(evaluated: Evaluated, ranker: str, k: int) -> tuple[float, float]:
    """How far a ranker's recall is from what blind draws have in the mean, and the standard error of that mean."""
    lists = evaluated.new(ranker)
    asked = holdout_users(evaluated.logs, count(evaluated.logs, evaluated.split.test), 10_000, SMALL.seed)
    met = np.bincount(asked.sought.met[:, 0], minlength=evaluated.logs.user_count)
    expected = k / (NOISY_TRACKS - met[lists.users])
    values = metrics.recall(lists.hits, lists.relevant, k)
    return float((values - expected).mean()), float(values.std(ddof=1) / len(values) ** 0.5)


@pytest.mark.parametrize("ranker", ["random", "all-time popularity", *MODELS, COMBINATION])
def test_on_uniform_random_logs_every_model_stands_at_chance(noise: Evaluated, ranker: str) -> None:
    distance, error = chance(noise, ranker, 30)
    assert abs(distance) < 4 * error


def test_a_model_that_has_seen_the_test_window_would_be_found_out(noise: Evaluated) -> None:
    everything = Prepared.of(noise.logs, noise.logs.until, SMALL)
    leaked = train(everything, SMALL, ("factors",))
    lists = ranked(noise.logs, noise.split.test, leaked, everything, "factors")
    seen = replace(noise, found=replace(noise.found, lists={("factors", Scope.NEW): lists}))
    distance, error = chance(seen, "factors", 30)
    assert distance > 10 * error


def test_nothing_is_learned_from_the_gap_the_window_or_later(noise: Evaluated, tmp_path: Path) -> None:
    cut = noise.split.test.known_until
    before = without(noise.logs, tmp_path, lambda found: found.day >= cut)
    known = [Prepared.of(logs, cut, SMALL).histories[0].read() for logs in (noise.logs, before)]
    assert known[0].num_rows > 0
    assert known[0].equals(known[1])
    assert noise.split.test.first > cut


def without(logs: Logs, folder: Path, gone: Callable[[Activity], Bools]) -> Logs:
    """The logs without some of what users did."""
    [users] = logs.buckets
    found = users.read()
    kept = save(found.where(~gone(found)).table(), folder)
    return replace(logs, buckets=[replace(users, activity=Part((kept,)))], folder=folder)


def test_nobody_beats_the_oracle_on_planted_tastes_and_the_combination_is_near_it(planted: Evaluated) -> None:
    best = planted.recall(ORACLE, 100)
    rankers = [*MODELS, COMBINATION, "random", "all-time popularity"]
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


def test_a_user_without_a_past_is_asked_about_and_scores_0_with_a_model_that_needs_one(
    noise: Evaluated, tmp_path: Path
) -> None:
    test, somebody = noise.split.test, int(noise.new("factors").users[0])
    logs = without(noise.logs, tmp_path, lambda found: (found.user == somebody) & (found.day < test.first))
    prepared = Prepared.of(logs, test.known_until, SMALL)
    lists = ranked(logs, test, train(prepared, SMALL), prepared, "factors")
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


def test_the_truth_about_other_data_is_no_oracle(
    planted: Evaluated, noise: Evaluated, truth_files: sample_data.SampleData, tmp_path: Path
) -> None:
    popularity, tastes = truth_files.track_popularity, truth_files.user_tastes
    assert oracle.truth(popularity, tastes, noise.logs.catalogue, noise.logs.user_ids) is None
    assert oracle.truth(tmp_path / "none", tastes, planted.logs.catalogue, planted.logs.user_ids) is None
