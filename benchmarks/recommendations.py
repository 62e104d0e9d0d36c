"""How good the models are, what each part of them is worth, and how training grows: `make bench-recommendations`.

Each seed makes sample data, whose tastes are known. On each, the parameters are searched as for `spotify-graph
evaluate`, and what is found on the test days stands beside the baselines and the oracle who knows the tastes; then
the combination is learned again with one term of the models changed at a time. Then logs as real listeners leave
them: what each model finds of what is held out, and what the combination would find without it. Last, training is
timed on logs of more and more events, with the same users and the same cap on histories. What the graph serves is not
measured here; `make bench-serving` does that.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from spotify_graph import sample_data
from spotify_graph.graph_model import EVENT_TYPES, PLAY, SKIP
from spotify_graph.neo4j_io.running import in_process
from spotify_graph.parts import Part, save
from spotify_graph.training import logs as reading
from spotify_graph.training import ranking, tables
from spotify_graph.training.evaluate import Evaluation, evaluate
from spotify_graph.training.holdout_users import holdout_users
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.search import judge
from spotify_graph.training.train import train
from spotify_graph.transforms.evaluation import metrics, oracle
from spotify_graph.transforms.evaluation.holdout import Pairs
from spotify_graph.transforms.evaluation.lists import PLACES, Ranker, Scope
from spotify_graph.transforms.evaluation.metrics import Values
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.evaluation.rankers import COMBINATION, ORACLE, baselines, combined
from spotify_graph.transforms.evaluation.split import Split, split
from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination, fit
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS
from spotify_graph_tests.real_like_logs import KINDS, Kind, generate
from spotify_graph_tests.real_tastes import RealTastes

_TIMES = csv.ConvertOptions(column_types={"event_ts": pa.timestamp("us", "UTC")})


def ablations(tuned: Parameters) -> Mapping[str, Parameters]:
    """The tuned parameters with one term changed, by what is changed."""
    changes: dict[str, dict[str, Any]] = {
        # No setting allows this one: a skip never counts as a play.
        "skips as plays": {SKIP.name: tuned.weights[PLAY.name]},
        "skips ignored": {SKIP.name: 0.0},
        "plays alone": {event.name: 0.0 for event in EVENT_TYPES if event is not PLAY},
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
    with tempfile.TemporaryDirectory(prefix="bench-recommendations-") as folder:
        for seed in asked.seeds:
            data = _sample(Path(folder) / f"seed {seed}", asked, asked.events, seed)
            found[f"seed {seed}"] = _measured(data)
        for name, kind in KINDS.items():
            found[name] = _of_kind(name, kind, asked.seeds, Path(folder))
        for events in (asked.events * times for times in asked.growth):
            data = _sample(Path(folder) / f"{events} events", asked, events, seed=1)
            found[f"{events} events"] = _trained(data)
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _sample(folder: Path, sizes: argparse.Namespace, events: int, seed: int) -> sample_data.SampleData:
    return sample_data.generate(
        folder / "landing", truth=folder / "truth", tracks=sizes.tracks, users=sizes.users, events=events, seed=seed
    )


def _read(data: sample_data.SampleData) -> Logs:
    folder = data.tracks.parent.parent
    events, tracks = csv.read_csv(data.user_events, convert_options=_TIMES), csv.read_csv(data.tracks)
    return reading.read(Part((save(events, folder),)), events.schema, tracks, folder, run=in_process)


def _measured(data: sample_data.SampleData) -> dict[str, Any]:
    logs = _read(data)
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


def _of_kind(name: str, kind: Kind, seeds: Sequence[int], folder: Path) -> dict[str, Any]:
    """Recall at 100 of each ranker, and of the combination without each model, in the mean over users of all seeds."""
    found = defaultdict[str, list[Values]](list)
    for seed in seeds:
        tastes = RealTastes.learned(generate(kind, seed), folder / f"{name} {seed}")
        rankers: dict[str, Ranker] = {
            "best": tastes.best,
            COMBINATION: combined(tastes.tuned.combination),
            **baselines(),
            **MODELS,
            **{f"without {model}": combined(it) for model, it in _without_each(tastes).items()},
        }
        for ranker, values in tastes.recalls(rankers).items():
            found[ranker].append(values)
    together = {ranker: np.concatenate(values) for ranker, values in found.items()}
    means = {ranker: _rounded(metrics.mean(values)) for ranker, values in together.items()}
    lost = {model: _rounded(metrics.mean(together[COMBINATION] - together[f"without {model}"])) for model in MODELS}
    share = round(means[COMBINATION][0] / means["best"][0], 3)
    result = {"recall": means, "share_of_best": share, "lost_without": lost}
    sys.stderr.write(f"{name}: {json.dumps(result)}\n")
    return result


def _without_each(tastes: RealTastes) -> dict[str, Combination]:
    """The combinations that are learned from all models but one, from the same examples."""
    logs, parameters = tastes.logs, tastes.tuned.parameters
    counted, _ = judge(logs, tastes.validation, parameters.seed)
    if counted is None:
        return {}
    holdout = counted.holdout
    asked = holdout_users(logs, counted, 5_000, parameters.seed, never_heard=True)
    pairs = holdout if isinstance(holdout, Pairs) else None
    prepared = Prepared.of(logs, holdout.known_until, parameters, pairs)
    trained = train(prepared, parameters)
    learned_from = ranking.examples(asked, prepared.select(asked.users), trained, parameters, logs)
    names = tuple(MODELS)
    return {
        model: fit(
            replace(learned_from, features=np.delete(learned_from.features, names.index(model), axis=1)),
            tuple(name for name in names if name != model),
        )
        for model in names
    }


def _evaluated(
    logs: Logs, windows: Split, data: sample_data.SampleData, parameters: Parameters, protocol: Protocol
) -> Evaluation:
    truth = oracle.truth(data.track_popularity, data.user_tastes, logs.catalogue, logs.user_ids)
    return evaluate(logs, windows, parameters, protocol, lambda line: _say(data, line), truth=truth)


def _of_all(found: Evaluation, of_users: Any) -> dict[str, list[float]]:
    """The mean, and both ends of its interval, of each ranker among never-heard tracks at 100."""
    return {
        ranker: _rounded(metrics.mean(of_users(lists.hits, lists.relevant, PLACES)))
        for (ranker, scope), lists in found.lists.items()
        if scope is Scope.NEW
    }


def _rounded(mean: metrics.Mean) -> list[float]:
    return [round(value, 4) for value in (mean.value, mean.low, mean.high)]


def _trained(data: sample_data.SampleData) -> dict[str, float]:
    started = time.perf_counter()
    logs = _read(data)
    read = time.perf_counter()
    parameters = Parameters()
    prepared = Prepared.of(logs, logs.until, parameters)
    trained = train(prepared, parameters)
    learned = time.perf_counter()
    tables.similar_track_table(trained, logs)
    tables.similar_user_tables(prepared, trained, parameters)
    tables.recommended_tables(prepared, trained, DEFAULT, parameters)
    done = time.perf_counter()
    steps = {"read": read - started, "train": learned - read, "rank": done - learned, "all": done - started}
    found = {f"{name}_seconds": round(seconds, 1) for name, seconds in steps.items()}
    _say(data, found)
    return found


def _say(data: sample_data.SampleData, what: object) -> None:
    line = what if isinstance(what, str) else json.dumps(what)
    sys.stderr.write(f"{data.tracks.parent.parent.name}: {line}\n")


if __name__ == "__main__":
    main()
