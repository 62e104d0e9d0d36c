"""How good the models are, what each part of them is worth, and how training grows: `make bench-recommendations`.

Each seed makes sample data, whose tastes are known. On each, the parameters are searched as for `spotify-graph
evaluate`, and what is found on the test days stands beside the baselines and the oracle who knows the tastes; then the
combination is learned again with one term of the models changed at a time. Last, training is timed on logs of more and
more events, with the same users and the same cap on histories. Only Spark is measured here, not what the graph serves;
`make bench-serving` does that.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from spotify_graph import sample_data
from spotify_graph.resources.spark import SparkResource
from spotify_graph.transforms.evaluation import metrics, oracle
from spotify_graph.transforms.evaluation.evaluate import Evaluation, evaluate
from spotify_graph.transforms.evaluation.lists import PLACES, Scope
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.evaluation.rankers import COMBINATION, ORACLE
from spotify_graph.transforms.evaluation.split import Split, split
from spotify_graph.transforms.recommendations.combination import DEFAULT
from spotify_graph.transforms.recommendations.knowledge import Prepared, learn
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.recommend import (
    recommended,
    recommended_table,
    similar_track_table,
    similar_user_table,
)

_EVENTS = "user_id string, track_id string, event_type string, event_ts timestamp, session_id string, device string"


def ablations(tuned: Parameters) -> Mapping[str, Parameters]:
    """The tuned parameters with one term changed, by what is changed."""
    changes: dict[str, dict[str, Any]] = {
        # No setting allows this one: a skip never counts as a play.
        "skips as plays": {"skip": tuned.play},
        "skips ignored": {"skip": 0.0},
        "plays alone": {"skip": 0.0, "like": 0.0, "pause": 0.0, "seek": 0.0},
        "no decay": {
            "profile_half_life_days": None,
            "cooccurrence_half_life_days": None,
            "popularity_half_life_days": None,
        },
        "no damping": {"damping": False},
    }
    return {name: tuned.model_copy(update=change) for name, change in changes.items()}


def main() -> None:
    """Prints what was found as it is found, on stderr, and everything as JSON at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=3_000)
    parser.add_argument("--users", type=int, default=1_500)
    parser.add_argument("--events", type=int, default=375_000)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--growth", type=int, nargs="*", default=[1, 2, 4], help="times the events, to time training")
    asked = parser.parse_args()
    found: dict[str, Any] = {"tracks": asked.tracks, "users": asked.users, "events": asked.events}
    session = SparkResource().spark_session
    try:
        with tempfile.TemporaryDirectory(prefix="bench-recommendations-") as folder:
            for seed in asked.seeds:
                data = _sample(Path(folder) / f"seed {seed}", asked, asked.events, seed)
                found[f"seed {seed}"] = _measured(session, data)
            for events in (asked.events * times for times in asked.growth):
                data = _sample(Path(folder) / f"{events} events", asked, events, seed=1)
                found[f"{events} events"] = _trained(session, data)
    finally:
        session.stop()
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _sample(folder: Path, sizes: argparse.Namespace, events: int, seed: int) -> sample_data.SampleData:
    return sample_data.generate(
        folder / "landing", truth=folder / "truth", tracks=sizes.tracks, users=sizes.users, events=events, seed=seed
    )


@contextmanager
def _read(session: SparkSession, data: sample_data.SampleData) -> Iterator[Logs]:
    events = session.read.csv(str(data.user_events), header=True, schema=_EVENTS)
    logs = Logs.read(events, session.read.csv(str(data.tracks), header=True))
    yield logs
    logs.release()


def _measured(session: SparkSession, data: sample_data.SampleData) -> dict[str, Any]:
    with _read(session, data) as logs:
        windows = split(logs.first, logs.until - 1)
        if windows is None:
            sys.exit("bench-recommendations: the logs are too short to hold days out; ask for more events")
        started = time.perf_counter()
        whole = _evaluated(logs, windows, data, Parameters(), Protocol())
        seconds = round(time.perf_counter() - started, 1)
        recall, ndcg = (_of_all(whole, of_users) for of_users in (metrics.recall, metrics.ndcg))
        best, popular, reached = (recall[name][0] for name in (ORACLE, "popularity", COMBINATION))
        found: dict[str, Any] = {
            "seconds": seconds,
            "tuned": whole.tuned.parameters.model_dump(exclude_defaults=True),
            "weights": whole.tuned.combination.weights,
            "recall": recall,
            "ndcg": ndcg,
            "share_of_oracle": round(reached / best, 3),
            "share_of_the_way_from_popularity": round((reached - popular) / (best - popular), 3),
        }
        _say(data, found)
        untuned = Protocol(tune=False)
        found["ablations"] = changes = {}
        for name, parameters in ablations(whole.tuned.parameters).items():
            changed = _evaluated(logs, windows, data, parameters, untuned)
            now, before = (it.lists[COMBINATION, Scope.NEW] for it in (changed, whole))
            values, those = (metrics.recall(it.hits, it.relevant, PLACES) for it in (now, before))
            changes[name] = {
                "recall": _of_all(changed, metrics.recall)[COMBINATION],
                "difference": _rounded(metrics.mean(values - those)),
                "neighbours": _of_all(changed, metrics.recall)["neighbours"],
                "factors": _of_all(changed, metrics.recall)["factors"],
            }
            _say(data, {name: changes[name]})
    return found


def _evaluated(
    logs: Logs, windows: Split, data: sample_data.SampleData, parameters: Parameters, protocol: Protocol
) -> Evaluation:
    truth = oracle.truth(data.track_popularity, data.user_tastes, logs.catalogue, logs.users)
    found = evaluate(logs, windows, parameters, protocol, lambda line: _say(data, line), truth=truth)
    found.knowledge.release()
    return found


def _of_all(found: Evaluation, of_users: Any) -> dict[str, list[float]]:
    """The mean, and both ends of its interval, of each ranker among never-heard tracks at 100."""
    return {
        ranker: _rounded(metrics.mean(of_users(lists.hits, lists.relevant, PLACES)))
        for (ranker, scope), lists in found.lists.items()
        if scope is Scope.NEW
    }


def _rounded(mean: metrics.Mean) -> list[float]:
    return [round(value, 4) for value in (mean.value, mean.low, mean.high)]


def _trained(session: SparkSession, data: sample_data.SampleData) -> dict[str, float]:
    started = time.perf_counter()
    with _read(session, data) as logs:
        read = time.perf_counter()
        parameters = Parameters()
        prepared = Prepared.of(logs, logs.until, parameters)
        knowledge = learn(logs, prepared, parameters)
        learned = time.perf_counter()
        for table in (
            similar_track_table(knowledge.neighbours, logs),
            similar_user_table(knowledge.similar_users, logs),
            recommended_table(recommended(knowledge, DEFAULT, parameters), logs),
        ):
            table.write.format("noop").mode("overwrite").save()
        done = time.perf_counter()
        knowledge.release()
        prepared.release()
    steps = {"read": read - started, "train": learned - read, "rank": done - learned, "all": done - started}
    found = {f"{name}_seconds": round(seconds, 1) for name, seconds in steps.items()}
    _say(data, found)
    return found


def _say(data: sample_data.SampleData, what: object) -> None:
    line = what if isinstance(what, str) else json.dumps(what)
    sys.stderr.write(f"{data.tracks.parent.parent.name}: {line}\n")


if __name__ == "__main__":
    main()
