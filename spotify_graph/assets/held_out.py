"""What the asset `recommendation_evaluation` measures: the models' lists against what users then listened to.

A module of its own, so that the definitions load without NumPy and pandas.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spotify_graph import serving
from spotify_graph.assets import report
from spotify_graph.checks import gates as gate
from spotify_graph.graph_model import RECOMMENDER
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.verdicts import Finding
from spotify_graph.lake.versions import LakeTable, MadeFrom, Version
from spotify_graph.neo4j_io import models
from spotify_graph.parts import Part
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.resources.recommender import Recommender
from spotify_graph.sample_data import SampleData
from spotify_graph.training import tables
from spotify_graph.training.evaluate import Evaluation, Row, evaluate, improvement
from spotify_graph.training.evaluate import report as rows_of
from spotify_graph.training.logs import Logs, start_of
from spotify_graph.training.search import Trial, search_is_due
from spotify_graph.transforms.evaluation import oracle
from spotify_graph.transforms.evaluation.lists import PLACES, Lists, Scope
from spotify_graph.transforms.evaluation.protocol import Protocol
from spotify_graph.transforms.evaluation.rankers import COMBINATION, ORACLE, PUBLISHED, Published, Truth
from spotify_graph.transforms.evaluation.split import Split, split
from spotify_graph.transforms.recommendations import numbering
from spotify_graph.transforms.recommendations.parameters import Parameters

HELD_OUT = "held_out_recommendations"
"""The lake's entry of what the combination would have recommended before the test window."""
_HELD_OUT_SCHEMA = "user_id string, track_id string, rank int"

_KEPT = 200
"""How many tracks of a user are kept there: more than are looked at, because some are met until a later test window."""

_REQUESTS = 4
"""How many requests are made at once: the server answers them side by side."""


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        rows: the report; empty where the days are too few to hold some out.
        trials: what the search tried.
        not_worse: whether the models are worse than the published ones.
        about: what the models that are published later are made with, and what a later evaluation compares with.
    """

    rows: Sequence[Row]
    trials: Sequence[Trial]
    not_worse: Finding
    about: Mapping[str, Any]


def measured(
    log: dg.DagsterLogManager,
    recommender: Recommender,
    neo4j: PlatformNeo4j,
    lake: Lake,
    before: Version | None,
    made_from: MadeFrom,
    logs: Logs,
    truth: SampleData | None,
) -> Measured:
    """Tunes the models on the validation window, unless the parameters of the evaluation before are kept, and measures.

    Args:
        log: told how far it is.
        recommender: the models' parameters and the protocol.
        neo4j: the graph, whose published model and answers are measured too.
        lake: keeps the held-out lists.
        before: the evaluation before, or None.
        made_from: what this one is made from.
        logs: what to learn from and to predict.
        truth: where the truth about sample data lies, or None.
    """
    protocol, parameters = recommender.protocol, recommender.parameters
    windows = split(logs.first, logs.until - 1, protocol.window_days, protocol.gap_days)
    kept = _kept(before, made_from, protocol, logs)
    if kept:
        log.info(f"parameters as found on the events before {kept['searched_before']}")
        parameters = Parameters(**kept["parameters"])
        protocol = protocol.model_copy(update={"tune": False})
    about: dict[str, Any] = {
        "parameters": parameters.model_dump(mode="json"),
        "searched_before": kept["searched_before"] if kept else None,
        "combination": None,
    }
    rows: list[Row] = []
    trials: Sequence[Trial] = ()
    not_worse = gate.not_worse(None)
    if windows is None:
        days = logs.until - logs.first
        log.warning(f"{days} days of events are too few to hold some out: the models get their defaults")
    else:
        published = _published(lake, neo4j, logs)
        found = evaluate(
            logs,
            windows,
            parameters,
            protocol,
            log.info,
            truth=_truth(truth, logs),
            published=published,
        )
        log.info("measuring what the graph serves")
        served = _served(neo4j, found, logs, windows, protocol.served_users)
        rows = rows_of({**found.lists, (report.SERVED, Scope.NEW): served}, logs.catalogue)
        if published is not None:
            new, old = (found.lists[name, Scope.NEW] for name in (COMBINATION, PUBLISHED))
            not_worse = gate.not_worse(improvement(new, old))
        about |= _about(found, windows, lake, logs)
        trials = found.tuned.trials
        if any(trial.parameter for trial in trials):
            about["searched_before"] = _date(logs.until)
    return Measured(rows, trials, not_worse, about)


def as_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain values, each with its share of the oracle's value where there is one.

    The oracle knows what users like, and not what they listen to again: it is the best among never-heard tracks only.
    """
    oracle = {
        (row.scope, row.metric, row.k): row.mean.value for row in rows if (row.ranker, row.scope) == (ORACLE, Scope.NEW)
    }
    records = []
    for row in rows:
        best = oracle.get((row.scope, row.metric, row.k)) if row.metric in {"recall", "ndcg"} else None
        records.append(
            {
                "ranked_by": row.ranker,
                "tracks": str(row.scope),
                "metric": row.metric,
                "k": row.k,
                "value": row.mean.value,
                "low": row.mean.low,
                "high": row.mean.high,
                "users": row.users,
                "share_of_oracle": row.mean.value / best if best else None,
            }
        )
    return records


def _kept(before: Version | None, made_from: MadeFrom, protocol: Protocol, logs: Logs) -> Mapping[str, Any] | None:
    """What is known of the evaluation before, where the parameters that it had from a search are kept."""
    if not protocol.tune or before is None:
        return None
    was = before.record.made_from
    if (was.code, was.settings) != (made_from.code, made_from.settings):
        return None
    searched, until = before.record.details["searched_before"], start_of(logs.until).date()
    if searched is None or search_is_due(date.fromisoformat(searched), until, protocol.search_days):
        return None
    return before.record.details


def _date(day: int) -> str:
    return f"{start_of(day):%Y-%m-%d}"


def _about(found: Evaluation, windows: Split, lake: Lake, logs: Logs) -> dict[str, Any]:
    """What the models that are published later are made with, and what a later evaluation compares with."""
    tuned = found.tuned
    wide = tuned.parameters.model_copy(update={"recommended": _KEPT})
    lists = tables.recommended_tables(found.prepared, found.trained, tuned.combination, wide)
    held_out, _ = lake.write_parts(HELD_OUT, [partial(_places, part) for part in lists], run=logs.run)
    lake.put({HELD_OUT: held_out})
    window = windows.test
    return {
        "parameters": tuned.parameters.model_dump(mode="json"),
        "combination": {"weights": dict(tuned.combination.weights), "intercept": tuned.combination.intercept},
        "held_out": held_out.name,
        "test_window": [_date(day) for day in (window.first, window.until - 1)],
        "evidence": asdict(found.evidence),
        "judged_by": tuned.judged_by,
        "judged_evidence": asdict(tuned.evidence),
        "trials": [asdict(trial) for trial in tuned.trials],
    }


def _places(part: Part) -> tuple[pa.Table, None]:
    return part.read(columns=["user_id", "track_id", "rank"]), None


def _published(lake: Lake, neo4j: PlatformNeo4j, logs: Logs) -> Published | None:
    """What the published model would have recommended before its own test window."""
    model = models.active(neo4j.driver, neo4j.database, RECOMMENDER)
    held_out = model.about.get("held_out") if model else None
    if not held_out:
        return None
    try:
        rows = LakeTable({HELD_OUT: lake.version(HELD_OUT, held_out)}, _HELD_OUT_SCHEMA).read()
    except FileNotFoundError:
        return None
    track_ids = pa.array(logs.catalogue.ids, pa.string())
    known = pc.and_(pc.is_in(rows["user_id"], logs.user_ids), pc.is_in(rows["track_id"], track_ids))
    rows = rows.filter(known).sort_by([("user_id", "ascending"), ("rank", "ascending")])
    user = numbering.numbers(rows["user_id"], logs.user_ids)
    users, starts = np.unique(user, return_index=True)
    row = np.repeat(np.arange(len(users)), np.diff(np.append(starts, len(user))))
    ranked = np.full((len(users), _KEPT), -1, dtype=np.int32)
    ranked[row, np.arange(len(user)) - starts[row]] = numbering.numbers(rows["track_id"], track_ids)
    return Published(users, ranked)


def _served(neo4j: PlatformNeo4j, found: Evaluation, logs: Logs, windows: Split, most: int) -> Lists:
    """What the graph serves of the held-out lists, to some of the users, as of the start of the test window."""
    lists = found.lists[COMBINATION, Scope.NEW]
    drawn = np.random.default_rng(0).permutation(len(lists.users))[:most]
    places = np.sort(drawn)
    user_ids = logs.user_ids.take(pa.array(lists.users[places])).to_pylist()

    def served(place: int, user_id: str) -> list[int]:
        tracks = lists.ranked[place][lists.ranked[place] >= 0].tolist()
        place_of = {logs.catalogue.ids[track]: at for at, track in enumerate(tracks)}
        answer = serving.recommend(
            neo4j.driver,
            neo4j.database,
            user_id,
            k=PLACES,
            candidates=[(track_id, 1 / (at + 1)) for track_id, at in place_of.items()],
            as_of=start_of(windows.test.first),
        )
        return [place_of[line.track_id] for line in answer.tracks if line.track_id in place_of]

    ranked = np.full((len(places), PLACES), -1, dtype=np.int32)
    hits = np.zeros((len(places), PLACES), dtype=bool)
    with ThreadPoolExecutor(_REQUESTS) as requests:
        for i, (place, found_at) in enumerate(zip(places, requests.map(served, places, user_ids), strict=True)):
            ranked[i, : len(found_at)] = lists.ranked[place][found_at]
            hits[i, : len(found_at)] = lists.hits[place][found_at]
    return Lists(lists.users[places], ranked, hits, lists.relevant[places])


def _truth(data: SampleData | None, logs: Logs) -> Truth | None:
    if data is None:
        return None
    return oracle.truth(data.track_popularity, data.user_tastes, logs.catalogue, logs.user_ids)
