"""The group recommendations: what the models make of all events, published as one version."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import Any

import dagster as dg
from pydantic import Field

from spotify_graph.assets import interactions
from spotify_graph.assets.graph import GATES_AFTER, STAGED_BY, check_outs, mended_rows, specs
from spotify_graph.assets.schema import OWNERS
from spotify_graph.automation.conditions import FIRST_TIME
from spotify_graph.checks import gates as gate
from spotify_graph.checks import publication
from spotify_graph.code_versions import code_of
from spotify_graph.graph_model import RECOMMENDATIONS, RECOMMENDED, RECOMMENDER, SIMILAR_TO, SIMILAR_USER
from spotify_graph.io_managers.neo4j import GraphSnapshot
from spotify_graph.io_managers.pages import Pages
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import LakeTable, MadeFrom, Record, Version, inputs_of
from spotify_graph.local.priority import stepped_back
from spotify_graph.neo4j_dagster.metadata import table_metadata
from spotify_graph.neo4j_dagster.retries import transient_errors_retried
from spotify_graph.neo4j_io import ledger, models, staging
from spotify_graph.neo4j_io.errors import PublicationError, StagingError
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
_ENTRY = "recommender_model"
"""The entry of the lake that says what is staged of models."""
_INPUTS = ("cleaned_events", "cleaned_tracks")
_KEYS_UNIQUE = [spec for table in RECOMMENDATIONS for spec in specs(table, gate.KEYS_UNIQUE)]
_VERIFIED = [spec for table in RECOMMENDATIONS for spec in specs(table, *GATES_AFTER)]


class TrainingConfig(dg.Config):
    """How models are trained and published."""

    publish_worse: bool = Field(
        False, description="Publish the models also where the evaluation found them worse than the published ones."
    )


@dg.config_mapping
def _of_training(config: TrainingConfig) -> dict[str, Any]:
    return {step: {"config": config.model_dump()} for step in ("train", "publish")}


@dg.op(
    name="train_models",
    description="Trains the models on all events with the parameters that the evaluation found, and stages what they"
    " say, unless that is done already.",
    ins={"evaluation": dg.In(dg.Nothing), **{name: dg.In() for name in _INPUTS}},
    # The lake has what is staged.
    out={"staged": dg.Out(dg.Nothing), **check_outs(_KEYS_UNIQUE)},
)
def _train_models(
    context: dg.OpExecutionContext,
    config: TrainingConfig,
    neo4j: PlatformNeo4j,
    spark: SparkResource,
    lake: LakeResource,
    cleaned_events: LakeTable,
    cleaned_tracks: LakeTable,
) -> Iterator[dg.AssetCheckResult | dg.Output[None]]:
    store = lake.lake
    interactions.must_go_on(store)
    evaluation = store.latest("recommendation_evaluation")
    made_from = _made_from(evaluation, cleaned_events, cleaned_tracks)
    if evaluation.record.made_from.inputs != inputs_of((cleaned_events, cleaned_tracks)):
        context.log.warning("the parameters are of an evaluation of other logs: materialize recommendation_evaluation")
    with transient_errors_retried(context.retry_number, context.log):
        model = models.active(neo4j.driver, neo4j.database, RECOMMENDER)
        entries = ledger.read(neo4j.driver, neo4j.database)
    if _needs_training(context, config, model, entries, evaluation, made_from, store):
        yield from _train(context, spark, cleaned_events, cleaned_tracks, evaluation, made_from, store)
    else:
        yield from (gate.result(gate.keys_unique(None), table.asset) for table in RECOMMENDATIONS)
    yield dg.Output(None, "staged")


@dg.op(
    name="publish_models",
    description="Loads what the models say beside what is published, switches to it in one transaction, and compares"
    " what the database holds then with the snapshots.",
    ins={"staged": dg.In(dg.Nothing), **{name: dg.In() for name in _INPUTS}},
    out={
        # A model that is worse than the published one is not published.
        **{it.asset: dg.Out(is_required=False, io_manager_key="neo4j_io_manager") for it in RECOMMENDATIONS},
        **check_outs(_VERIFIED),
    },
)
def _publish_models(
    context: dg.OpExecutionContext,
    config: TrainingConfig,
    neo4j: PlatformNeo4j,
    lake: LakeResource,
    pages: Pages,
    cleaned_events: LakeTable,
    cleaned_tracks: LakeTable,
) -> Iterator[_Result]:
    evaluation = lake.lake.latest("recommendation_evaluation")
    made_from = _made_from(evaluation, cleaned_events, cleaned_tracks)
    with transient_errors_retried(context.retry_number, context.log):
        yield from _published_and_verified(config, neo4j, evaluation, made_from, lake.lake, pages)


@dg.graph_multi_asset(
    outs={
        table.asset: dg.AssetOut(
            kinds={"neo4j", "spark"},
            owners=OWNERS,
            description=table.description,
            metadata=table_metadata(table),
            code_version=_TRAINS,
            automation_condition=FIRST_TIME,
        )
        for table in RECOMMENDATIONS
    },
    group_name="recommendations",
    ins={
        **{name: dg.AssetIn() for name in _INPUTS},
        # The evaluation is of the published graph, whose nodes the relationships need.
        "recommendation_evaluation": dg.AssetIn(dagster_type=dg.Nothing),
    },
    config=_of_training,
    check_specs=[*_KEYS_UNIQUE, *_VERIFIED],
)
def recommender_model(cleaned_events: Any, cleaned_tracks: Any, recommendation_evaluation: Any) -> Mapping[str, Any]:
    """Trains the models, and publishes what they say: two steps, as of every table of the graph.

    The three tables are loaded beside the published ones, and switched to in one transaction.
    """
    inputs = {"cleaned_events": cleaned_events, "cleaned_tracks": cleaned_tracks}
    trained = _train_models.alias("train")(**inputs, evaluation=recommendation_evaluation)._asdict()
    published = _publish_models.alias("publish")(staged=trained.pop("staged"), **inputs)
    return {**trained, **published._asdict()}


def _made_from(evaluation: Version, *inputs: LakeTable) -> MadeFrom:
    return MadeFrom(_TRAINS, {**inputs_of(inputs), "recommendation_evaluation": evaluation.name})


def _needs_training(
    context: dg.OpExecutionContext,
    config: TrainingConfig,
    model: models.Model | None,
    entries: Mapping[str, Publication],
    evaluation: Version,
    made_from: MadeFrom,
    lake: Lake,
) -> bool:
    """Whether models are to be trained: neither published nor staged from the same, and not worse than before."""
    if model and model.about.get("made_from") == _digest(made_from) and _all_hold(entries, lake.root / "graph"):
        return False
    if model and _stays(config, evaluation):
        why = evaluation.record.details["not_worse"]["description"]
        context.log.warning(f"the published model {model.version} stays: {why}")
        return False
    staged = _Staged.find(lake, made_from)
    # What was published once is not loaded again.
    return staged is None or (model is not None and staged.model == model.version)


def _stays(config: TrainingConfig, evaluation: Version) -> bool:
    """Whether the published model is kept, because a new one would be worse."""
    return not evaluation.record.details["not_worse"]["passed"] and not config.publish_worse


@dataclass(frozen=True)
class _Staged:
    """What models say, staged and not published yet; or published, where it's the active model's.

    Attributes:
        model: the model's version.
        snapshots: what it says, by table.
        seconds: how long it took to stage that, by table.
        until: up to when it knows events.
    """

    model: str
    snapshots: Mapping[str, Snapshot]
    seconds: Mapping[str, float]
    until: datetime

    @classmethod
    def find(cls, lake: Lake, made_from: MadeFrom) -> "_Staged | None":
        """What was staged last, if it was made from these; None where it was not, or is gone."""
        kept = lake.find(_ENTRY)
        if kept is None or kept.record.made_from != made_from:
            return None
        known = kept.record.details
        try:
            snapshots = {
                asset: Snapshot.load(lake.root / "graph" / asset / it) for asset, it in known["snapshots"].items()
            }
        except FileNotFoundError:
            return None
        return cls(known["model"], snapshots, known["seconds"], datetime.fromisoformat(known["until"]))

    def keep(self, lake: Lake, made_from: MadeFrom) -> None:
        """Records in the lake that this is what is staged."""
        details = {
            "model": self.model,
            "snapshots": {asset: it.version for asset, it in self.snapshots.items()},
            "seconds": self.seconds,
            "until": self.until.isoformat(),
        }
        lake.put({_ENTRY: lake.write_nothing(_ENTRY, Record(made_from=made_from, details=details))})


def _train(
    context: dg.OpExecutionContext,
    spark: SparkResource,
    cleaned_events: LakeTable,
    cleaned_tracks: LakeTable,
    evaluation: Version,
    made_from: MadeFrom,
    lake: Lake,
) -> Iterator[dg.AssetCheckResult]:
    """Trains the models, and stages what they say."""
    # Imported where they are used: with NumPy and pandas they take a second, and definitions are loaded often.
    from spotify_graph.assets import listening
    from spotify_graph.training import tables
    from spotify_graph.training.logs import start_of
    from spotify_graph.training.prepared import Prepared
    from spotify_graph.training.train import train
    from spotify_graph.transforms.recommendations.combination import DEFAULT, Combination

    with stepped_back(), scratch(lake.root) as folder:
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
        version = staging.new_version()
        snapshots, seconds = {}, {}
        for table in RECOMMENDATIONS:
            started = monotonic()
            try:
                snapshots[table.asset] = _staged(rows[table.asset], version, table, spark, lake.root / "graph")
            except StagingError as error:
                yield gate.result(gate.keys_unique(error), table.asset)
                raise
            yield gate.result(gate.keys_unique(None), table.asset)
            seconds[table.asset] = monotonic() - started
    _Staged(version, snapshots, seconds, start_of(logs.until)).keep(lake, made_from)


def _staged(rows: Sequence[Part], version: str, table: GraphTable, spark: SparkResource, root: Address) -> Snapshot:
    """What a model says, as a snapshot."""
    parts = [part for each in rows for part in divided(each)]
    count = sum(part.rows for part in parts)
    return staging.stage(
        [partial(model_rows.of_version, version, part) for part in parts],
        table,
        root,
        run=spark.over(count),
        buckets=spark.buckets(count),
    )


def _published_and_verified(
    config: TrainingConfig, neo4j: PlatformNeo4j, evaluation: Version, made_from: MadeFrom, lake: Lake, pages: Pages
) -> Iterator[_Result]:
    """Loads what is staged, switches to it and verifies it, unless it's published already or not to be published."""
    from spotify_graph.assets import report

    driver, database, root = neo4j.driver, neo4j.database, lake.root / "graph"
    entries = ledger.read(driver, database)
    for table in RECOMMENDATIONS:
        publication.ends_must_hold(table, entries)
    changes = {table.asset: publication.mended(neo4j, table, root, entries) for table in RECOMMENDATIONS}
    model, digest = models.active(driver, database, RECOMMENDER), _digest(made_from)
    staged = _Staged.find(lake, made_from)
    if staged and (model is None or (model.version != staged.model and not _stays(config, evaluation))):
        over_time = report.over_time(evaluation.record.details.get("history", ()))
        quality = {"quality over retrains": dg.MetadataValue.md(over_time)} if over_time else {}
        for asset, snapshot in staged.snapshots.items():
            to_load = GraphSnapshot(snapshot, staged.seconds[asset], staged.model, changes[asset])
            yield dg.Output(to_load, asset, metadata={"model": staged.model, **quality})
        about = {
            "until": staged.until,
            "made_from": digest,
            "evaluation": evaluation.name,
            "held_out": evaluation.record.details.get("held_out"),
        }
        models.switch(driver, database, RECOMMENDER, staged.model, RECOMMENDATIONS, about)
        for table in RECOMMENDATIONS:
            models.remove_others(driver, database, table, RECOMMENDER, batch_rows=neo4j.batch_rows)
    elif model and model.about.get("made_from") == digest:
        entries = ledger.read(driver, database)
        for table in RECOMMENDATIONS:
            entry, mended = entries[table.asset], changes[table.asset]
            metadata: dict[str, Any] = {"dagster/row_count": entry.rows, **mended_rows(mended, table)}
            yield pages.unchanged(table.asset, root / table.asset / entry.version, **metadata)
    for table in RECOMMENDATIONS:
        yield from _verified(table, neo4j, root, changes[table.asset])


def _verified(
    table: GraphTable, neo4j: PlatformNeo4j, root: Address, changes: Sequence[Changes]
) -> Iterator[dg.AssetCheckResult]:
    """The checks of what the database holds of a table, in which these changes were mended so far."""
    entry = ledger.read(neo4j.driver, neo4j.database, [table.asset])[table.asset]
    equals_snapshot, later = publication.equals_snapshot(neo4j, table, root, entry)
    yield gate.result(equals_snapshot, table.asset)
    yield gate.result(publication.untouched(table, [*changes, *later], entry), table.asset)


def _all_hold(entries: Mapping[str, Publication], root: Address) -> bool:
    """Whether what is published of models is whole, or can be mended where it is published."""
    for table in RECOMMENDATIONS:
        entry = entries.get(table.asset)
        if entry is None or entry.status is not ledger.Status.PUBLISHED:
            return False
        if entry.verified_at is None:
            try:
                Snapshot.load(root / table.asset / entry.version).check(table)
            except (FileNotFoundError, PublicationError):
                return False
    return True


def _digest(made_from: MadeFrom) -> str:
    return sha256(json.dumps(asdict(made_from), sort_keys=True).encode()).hexdigest()[:32]
