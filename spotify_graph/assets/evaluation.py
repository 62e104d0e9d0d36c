"""The group evaluation: how good the models are on held-out days, and with which parameters."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import dagster as dg

from spotify_graph.assets import interactions, published_graph
from spotify_graph.assets.schema import OWNERS, arrow, columns
from spotify_graph.automation.conditions import FIRST_TIME
from spotify_graph.checks import gates as gate
from spotify_graph.code_versions import code_of
from spotify_graph.io_managers.pages import Pages
from spotify_graph.io_managers.parquet import NewRows
from spotify_graph.lake.verdicts import Finding
from spotify_graph.lake.versions import LakeTable, MadeFrom, Record, inputs_of
from spotify_graph.local.priority import stepped_back
from spotify_graph.parts import scratch
from spotify_graph.resources.lake import LakeResource, LandingFolder
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.resources.recommender import Recommender
from spotify_graph.resources.spark import SparkResource
from spotify_graph.times import utc

_COLUMNS = (
    (
        "ranked_by",
        "string",
        "A model, the combination, a baseline, the oracle, the published model, or what the graph serves.",
    ),
    ("tracks", "string", "all, or never heard: only tracks that a user had not met before the test window."),
    ("metric", "string", "recall, ndcg, coverage or diversity."),
    ("k", "int", "How many places of a list count."),
    ("value", "double", "The mean over users; coverage and diversity are of all lists together."),
    ("low", "double", "The lower end of its 95 % interval (bootstrap over users)."),
    ("high", "double", "The upper end."),
    ("users", "int", "How many users were asked."),
    ("share_of_oracle", "double", "The share of the oracle's value, for never-heard tracks of sample data."),
)
HISTORY = "history"
"""The quality of this evaluation and of those before it: a detail of its versions."""
_KEPT = 100
_TOLD = ("parameters", "combination", "test_window", "evidence", "judged_by", "judged_evidence", "searched_before")
"""The details that its page shows."""
_MEASURES = code_of("spotify_graph.assets.held_out")


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "spark"},
    owners=OWNERS,
    # What is served is measured on the whole graph: it is published before.
    deps=[published_graph.NAME],
    metadata=columns(*_COLUMNS),
    code_version=_MEASURES,
    automation_condition=FIRST_TIME,
    check_specs=[gate.NOT_WORSE.spec("recommendation_evaluation")],
)
def recommendation_evaluation(
    context: dg.AssetExecutionContext,
    recommender: Recommender,
    neo4j: PlatformNeo4j,
    spark: SparkResource,
    lake: LakeResource,
    landing: LandingFolder,
    pages: Pages,
    cleaned_events: LakeTable,
    cleaned_tracks: LakeTable,
) -> Iterator[dg.Output[Any] | dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """How good the recommendations are on days that the models have not seen, and the parameters that are best.

    Parameters are tuned on a validation window, or on held-out pairs where a window says too little, and everything is
    measured on a later test window.
    """
    started = monotonic()
    store = lake.lake
    interactions.must_go_on(store)
    inputs = inputs_of((cleaned_events, cleaned_tracks))
    made_from = MadeFrom(_MEASURES, inputs, {"recommender": recommender.overrides})
    before = store.find("recommendation_evaluation")
    if before and before.record.made_from == made_from:
        yield pages.as_it_was("recommendation_evaluation", before)
        yield gate.result(Finding(**before.record.details["not_worse"]), "recommendation_evaluation")
        return
    # Imported where they are used: with NumPy and pandas they take a second, and definitions are loaded often.
    import pyarrow as pa

    from spotify_graph import sample_data
    from spotify_graph.assets import held_out, listening, report

    with stepped_back(), scratch(store.root) as folder:
        logs = listening.read(cleaned_events, cleaned_tracks, spark, folder)
        truth = sample_data.beside(landing.folder) if isinstance(landing.folder, Path) else None
        found = held_out.measured(context.log, recommender, neo4j, store, before, made_from, logs, truth)
    records = held_out.as_records(found.rows)
    lines = report.table(records)
    history = [*(before.record.details.get(HISTORY, ()) if before else ())]
    if found.rows:
        history.append(report.quality(found.rows, utc(datetime.now(UTC), "seconds")))
    history = history[-_KEPT:]
    shown: dict[str, Any] = {}
    if found.rows:
        picture = f"{report.picture(found.rows)}\n\n{report.standing(found.rows)}"
        shown |= {"picture": dg.MetadataValue.md(picture)}
        shown |= {f"{it['metric']}@{it['k']} of {it['ranked_by']}": it["interval"][0] for it in history[-1]["quality"]}
    if over_time := report.over_time(history):
        shown |= {"quality over retrains": dg.MetadataValue.md(over_time)}
    shown |= {"report": dg.MetadataValue.md(report.markdown(lines))} if found.rows else {}
    shown |= {"search": dg.MetadataValue.md(report.markdown(report.search(found.trials)))} if found.trials else {}
    table = pa.Table.from_pylist(records, arrow(*_COLUMNS))
    details = {**found.about, "not_worse": vars(found.not_worse), HISTORY: history}
    new = NewRows(table, Record(made_from=made_from, details=details), started)
    yield dg.Output(new, metadata={**shown, **{name: details[name] for name in _TOLD if details.get(name)}})
    yield gate.result(found.not_worse, "recommendation_evaluation")
