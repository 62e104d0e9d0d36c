"""The group recommendations: what the models make of all events, published as one version."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import Any

import dagster as dg
from pydantic import Field

from spotify_graph.assets import interactions
from spotify_graph.assets.graph import STAGED_BY, mended_rows
from spotify_graph.assets.schema import OWNERS
from spotify_graph.automation.conditions import FIRST_TIME
from spotify_graph.checks import gates as gate
from spotify_graph.checks import publication
from spotify_graph.code_versions import code_of
from spotify_graph.graph_model import RECOMMENDATIONS, RECOMMENDED, RECOMMENDER, SIMILAR_TO, SIMILAR_USER
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.neo4j import GraphSnapshot
from spotify_graph.lake.versions import LakeTable, MadeFrom, Version, inputs_of
from spotify_graph.neo4j_dagster.metadata import table_metadata
from spotify_graph.neo4j_dagster.retries import transient_errors_retried
from spotify_graph.neo4j_io import buckets, ledger, models, staging
from spotify_graph.neo4j_io.errors import StagingError
from spotify_graph.neo4j_io.ledger import Publication
from spotify_graph.neo4j_io.mending import Changes
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.parts import Part, divided, save, scratch
from spotify_graph.resources.lake import LakeResource
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.resources.spark import SparkResource
from spotify_graph.storage import Address
from spotify_graph.tasks import model_rows
from spotify_graph.transforms.recommendations.parameters import Parameters

_Result = dg.Output[GraphSnapshot] | dg.MaterializeResult[GraphSnapshot] | dg.AssetCheckResult

_TRAINS = code_of(__name__, *STAGED_BY)


class TrainingConfig(dg.Config):
    """How models are trained and published."""

    publish_worse: bool = Field(
        False, description="Publish the models also where the evaluation found them worse than the published ones."
    )


@dg.multi_asset(
    outs={
        table.asset: dg.AssetOut(
            group_name="recommendations",
            kinds={"neo4j", "spark"},
            owners=OWNERS,
            description=table.description,
            metadata=table_metadata(table),
            code_version=_TRAINS,
            io_manager_key="neo4j_io_manager",
            automation_condition=FIRST_TIME,
            # A model that is worse than the published one is not published.
            is_required=False,
        )
        for table in RECOMMENDATIONS
    },
    ins={name: dg.AssetIn() for name in ("cleaned_events", "cleaned_tracks")},
    # The evaluation is of the published graph, whose nodes the relationships need.
    deps=["recommendation_evaluation"],
    check_specs=[
        it.spec(table.asset)
        for table in RECOMMENDATIONS
        for it in (gate.KEYS_UNIQUE, gate.EQUALS_SNAPSHOT, gate.UNTOUCHED)
    ],
)
def recommender_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    neo4j: PlatformNeo4j,
    spark: SparkResource,
    lake: LakeResource,
    cleaned_events: LakeTable,
    cleaned_tracks: LakeTable,
) -> Iterator[_Result]:
    """Trains the models on all events with the parameters that the evaluation found, and publishes what they say.

    The three tables are loaded beside the published ones, and switched to in one transaction.
    """
    inputs, store = inputs_of((cleaned_events, cleaned_tracks)), lake.lake
    interactions.must_go_on(store)
    evaluation = store.latest("recommendation_evaluation")
    if evaluation.record.made_from.inputs != inputs:
        context.log.warning("the parameters are of an evaluation of other logs: materialize recommendation_evaluation")
    made_from = MadeFrom(_TRAINS, {**inputs, "recommendation_evaluation": evaluation.name})
    with transient_errors_retried(context.op_execution_context.retry_number, context.log):
        yield from _train(
            context, config, neo4j, spark, cleaned_events, cleaned_tracks, evaluation, made_from, store.root
        )


def _train(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    neo4j: PlatformNeo4j,
    spark: SparkResource,
    cleaned_events: LakeTable,
    cleaned_tracks: LakeTable,
    evaluation: Version,
    made_from: MadeFrom,
    lake: Address,
) -> Iterator[_Result]:
    """Trains, stages, loads, switches and verifies, unless what is published is made from the same."""
    # Imported where they are used: with NumPy and pandas they take a second, and definitions are loaded often.
    from spotify_graph.assets import listening, report
    from spotify_graph.training import tables
    from spotify_graph.training.logs import start_of
    from spotify_graph.training.prepared import Prepared
    from spotify_graph.training.train import train
    from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination

    root = lake / "graph"
    entries = ledger.read(neo4j.driver, neo4j.database)
    for table in RECOMMENDATIONS:
        publication.ends_must_hold(table, entries)
    changes = {table.asset: publication.mended(neo4j, table, root, entries) for table in RECOMMENDATIONS}
    entries = ledger.read(neo4j.driver, neo4j.database)
    model = models.active(neo4j.driver, neo4j.database, RECOMMENDER)
    if model and model.about.get("made_from") == _digest(made_from) and _all_hold(entries):
        yield from _as_it_is(entries, neo4j, root, changes)
        return
    not_worse = evaluation.record.details["not_worse"]
    if model and not not_worse["passed"] and not config.publish_worse:
        context.log.warning(f"the published model {model.version} stays: {not_worse['description']}")
        for table in RECOMMENDATIONS:
            yield from _published_checks(table, neo4j, root, changes[table.asset])
        return
    with scratch(lake) as folder:
        logs = listening.read(cleaned_events, cleaned_tracks, spark, folder)
        # An evaluation of an earlier version of this project may know parameters that there are no more.
        found = evaluation.record.details["parameters"]
        parameters = Parameters(**{name: value for name, value in found.items() if name in Parameters.model_fields})
        known = evaluation.record.details["combination"]
        combination = Combination(**known) if known else DEFAULT
        context.log.info(f"training on {logs.user_count:,} users and {len(logs.catalogue):,} tracks")
        prepared = Prepared.of(logs, logs.until, parameters)
        trained = train(prepared, parameters)
        rows = {
            SIMILAR_TO.asset: [Part((save(tables.similar_track_table(trained, logs), folder),))],
            SIMILAR_USER.asset: tables.similar_user_tables(prepared, trained, parameters),
            RECOMMENDED.asset: tables.recommended_tables(prepared, trained, combination, parameters),
        }
        until = start_of(logs.until)
        version = staging.new_version()
        staged: dict[str, GraphSnapshot] = {}
        for table in RECOMMENDATIONS:
            started = monotonic()
            try:
                snapshot = _staged(rows[table.asset], version, table, spark, root)
            except StagingError as error:
                yield gate.result(gate.keys_unique(error), table.asset)
                raise
            yield gate.result(gate.keys_unique(None), table.asset)
            staged[table.asset] = GraphSnapshot(snapshot, monotonic() - started, version, changes[table.asset])
        over_time = report.over_time(evaluation.record.details.get("history", ()))
        quality = {"quality over retrains": dg.MetadataValue.md(over_time)} if over_time else {}
        for asset, to_load in staged.items():
            yield dg.Output(to_load, asset, metadata={"model": version, **quality})
    about = {
        "until": until,
        "made_from": _digest(made_from),
        "evaluation": evaluation.name,
        "held_out": evaluation.record.details.get("held_out"),
    }
    models.switch(neo4j.driver, neo4j.database, RECOMMENDER, version, RECOMMENDATIONS, about)
    for table in RECOMMENDATIONS:
        models.remove_others(neo4j.driver, neo4j.database, table, RECOMMENDER)
    for table in RECOMMENDATIONS:
        yield from _verified(table, neo4j, root, changes[table.asset])


def _staged(rows: Sequence[Part], version: str, table: GraphTable, spark: SparkResource, root: Address) -> Snapshot:
    """What a model says, as a snapshot."""
    parts = [part for each in rows for part in divided(each)]
    count = sum(part.rows for part in parts)
    return staging.stage(
        [partial(model_rows.of_version, version, part) for part in parts],
        table,
        root,
        run=spark.over(count),
        buckets=buckets.count_for(count),
    )


def _as_it_is(
    entries: Mapping[str, Publication],
    neo4j: PlatformNeo4j,
    root: Address,
    changes: Mapping[str, Sequence[Changes]],
) -> Iterator[_Result]:
    """What is published, which was made from the same."""
    for table in RECOMMENDATIONS:
        entry = entries[table.asset]
        metadata: dict[str, Any] = {"dagster/row_count": entry.rows, **mended_rows(changes[table.asset], table)}
        yield pages.unchanged(table.asset, root / table.asset / entry.version, **metadata)
        yield from _published_checks(table, neo4j, root, changes[table.asset])


def _published_checks(
    table: GraphTable, neo4j: PlatformNeo4j, root: Address, changes: Sequence[Changes]
) -> Iterator[dg.AssetCheckResult]:
    """The checks of a table that stays as it was published."""
    yield gate.result(gate.keys_unique(None), table.asset)
    yield from _verified(table, neo4j, root, changes)


def _verified(
    table: GraphTable, neo4j: PlatformNeo4j, root: Address, changes: Sequence[Changes]
) -> Iterator[dg.AssetCheckResult]:
    """The checks of what the database holds of a table, in which these changes were mended so far."""
    entry = ledger.read(neo4j.driver, neo4j.database)[table.asset]
    equals_snapshot, later = publication.equals_snapshot(neo4j, table, root, entry)
    yield gate.result(equals_snapshot, table.asset)
    yield gate.result(publication.untouched(table, [*changes, *later], entry), table.asset)


def _all_hold(entries: Mapping[str, Publication]) -> bool:
    found = [entries.get(table.asset) for table in RECOMMENDATIONS]
    return all(it and it.status is ledger.Status.PUBLISHED and it.verified_at for it in found)


def _digest(made_from: MadeFrom) -> str:
    return sha256(json.dumps(asdict(made_from), sort_keys=True).encode()).hexdigest()[:32]
