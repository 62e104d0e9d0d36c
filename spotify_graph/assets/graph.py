"""An asset of the graph, as the graph model describes it: what Neo4j holds under a label or a relationship type."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from inspect import signature
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from spotify_graph.assets.schema import OWNERS
from spotify_graph.automation.conditions import FOLLOWS_GATES
from spotify_graph.checks import gates as gate
from spotify_graph.checks import publication
from spotify_graph.code_versions import code_of
from spotify_graph.io_managers.neo4j import GraphSnapshot
from spotify_graph.io_managers.pages import Pages
from spotify_graph.io_managers.parquet import must_hold
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.verdicts import Finding, Verdict
from spotify_graph.lake.versions import LakeTable, MadeFrom, Record, Version, inputs_of
from spotify_graph.neo4j_dagster.metadata import table_metadata
from spotify_graph.neo4j_dagster.retries import transient_errors_retried
from spotify_graph.neo4j_io import ledger, staging
from spotify_graph.neo4j_io.errors import PublicationError, StagingError
from spotify_graph.neo4j_io.ledger import Publication
from spotify_graph.neo4j_io.mending import Changes
from spotify_graph.neo4j_io.running import Runner, in_process
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.lake import LakeResource
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.resources.spark import SparkResource
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import pyarrow as pa

MANY_ROWS = 100_000
"""Where more rows differ, a table is computed whole: they are held in memory, and the whole costs little more."""

STAGED_BY = tuple(
    f"spotify_graph.neo4j_io.{module}"
    for module in ("staging", "part", "rows", "checksum", "hashing", "texts", "buckets")
)
"""The modules that say what a snapshot is of a table's rows."""


_SECONDS = "staging_seconds"
"""Where the details of a snapshot say how long it took to stage it."""

_Result = dg.Output[GraphSnapshot] | dg.MaterializeResult[GraphSnapshot] | dg.AssetCheckResult


class PublicationConfig(dg.Config):
    """How an asset of the graph is published."""

    verify: bool = Field(
        False, description="Compare what the database holds with what was published, also where nothing changed."
    )


Over = Callable[[int], Runner]
"""Gives what runs the tasks that work on so many rows."""


@dataclass(frozen=True)
class Rows:
    """A table's rows, to be computed part by part.

    Attributes:
        parts: give the rows.
        run: runs them.
        buckets: how many buckets of the first key column they are divided into.
        counts: what a further gate looks at.
        sample: gives a few rows to show what it found.
    """

    parts: Sequence[Callable[[], "pa.Table"]]
    run: Runner = in_process
    buckets: int = 1
    counts: Mapping[str, int] = field(default_factory=dict)
    sample: Callable[[], Sequence[object]] = tuple


@dataclass(frozen=True)
class Differs:
    """What makes a table's rows of those that are published.

    Attributes:
        were: the rows that are changed or gone, as they are published.
        are: the rows that are changed or new.
        counts: what a further gate looks at, of all rows.
        sample: gives a few rows to show what it found.
    """

    were: "pa.Table"
    are: "pa.Table"
    counts: Mapping[str, int] = field(default_factory=dict)
    sample: Callable[[], Sequence[object]] = tuple


@dataclass(frozen=True)
class Published:
    """What is published of a table, and what it was made from.

    Attributes:
        snapshot: the rows.
        made_from: the versions of the inputs, and the code.
    """

    snapshot: Snapshot
    made_from: MadeFrom


@dataclass(frozen=True)
class Watch:
    """A further gate on an asset of the graph.

    Attributes:
        gate: the gate.
        find: what it finds, from the counts that come with the rows, the thresholds, and a sample.
    """

    gate: gate.Gate
    find: Callable[[Mapping[str, int], Gates, Callable[[], Sequence[object]]], Finding]


@dataclass(frozen=True)
class GraphAsset:
    """How a table's rows come about.

    Attributes:
        table: the table.
        compute: gives the rows from those of other assets, which its parameters name but for the first, an `Over`.
        watch: a further gate, or None.
        revise: gives what differs from what is published, its first parameter, at the cost of that; or None where it
            can't. None for a table that is always computed whole.
    """

    table: GraphTable
    compute: Callable[..., Rows]
    watch: Watch | None
    revise: Callable[..., Differs | None] | None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The assets that the rows are computed from."""
        return tuple(signature(self.compute).parameters)[1:]

    @property
    def nodes(self) -> tuple[str, ...]:
        """The assets of the nodes at a relationship's ends, which are published before it is."""
        return () if isinstance(self.table, NodeType) else (self.table.start.node.asset, self.table.end.node.asset)

    @property
    def code(self) -> str:
        """Names the code that the rows are computed and staged by."""
        return code_of(self.compute.__module__, *STAGED_BY)

    @property
    def gates_before(self) -> list[gate.Gate]:
        """The gates that must hold before the rows are published."""
        is_node = isinstance(self.table, NodeType)
        return [gate.KEYS_UNIQUE, *([gate.NO_DROP] if is_node else []), *([self.watch.gate] if self.watch else [])]


GATES_AFTER = (gate.EQUALS_SNAPSHOT, gate.UNTOUCHED)
"""The gates on what the database holds of a table."""

GRAPH_ASSETS: dict[str, GraphAsset] = {}
"""Every asset that `graph_asset` has made, by its name."""


def graph_asset(
    table: GraphTable, watch: Watch | None = None, revise: Callable[..., Differs | None] | None = None
) -> Callable[[Callable[..., Rows]], dg.AssetsDefinition]:
    """Makes the function that computes a table's rows into the asset that stages, publishes and verifies them.

    These are two steps of a run: each fails by itself, and is tried again by itself.
    """
    is_node = isinstance(table, NodeType)

    def decorate(compute: Callable[..., Rows]) -> dg.AssetsDefinition:
        asset = GRAPH_ASSETS[table.asset] = GraphAsset(table, compute, watch, revise)

        stage_rows, publish_rows = _stage(asset).alias("stage"), _publish(asset).alias("publish")

        @dg.graph_asset(
            name=table.asset,
            group_name="nodes" if is_node else "edges",
            kinds={"neo4j", "pyarrow", "spark"},
            owners=OWNERS,
            description=table.description,
            metadata=table_metadata(table),
            code_version=asset.code,
            ins={
                **{name: dg.AssetIn() for name in asset.inputs},
                **{name: dg.AssetIn(dagster_type=dg.Nothing) for name in asset.nodes},
            },
            config=_of_both_steps,
            automation_condition=FOLLOWS_GATES,
            check_specs=specs(table, *asset.gates_before, *GATES_AFTER),
        )
        def staged_and_published(**assets: Any) -> Mapping[str, Any]:
            staged = stage_rows(**{name: assets[name] for name in asset.inputs})._asdict()
            published = publish_rows(staged=staged.pop("staged"), **{name: assets[name] for name in asset.nodes})
            return {**staged, **published._asdict()}

        return staged_and_published

    return decorate


def specs(table: GraphTable, *gates: gate.Gate) -> list[dg.AssetCheckSpec]:
    """The asset checks that gates are on a table."""
    return [it.spec(table.asset) for it in gates]


def check_outs(checks: Sequence[dg.AssetCheckSpec]) -> dict[str, dg.Out]:
    """The outputs of an op that yields the results of asset checks, named as Dagster names those of an asset."""
    return {it.get_python_identifier(): dg.Out(dg.Nothing, is_required=False) for it in checks}


@dg.config_mapping
def _of_both_steps(config: PublicationConfig) -> dict[str, Any]:
    return {step: {"config": config.model_dump()} for step in ("stage", "publish")}


def _stage(asset: GraphAsset) -> dg.OpDefinition:
    """The step that computes and stages a table's rows, and runs the gates before they are published."""
    table = asset.table

    @dg.op(
        name=f"stage_{table.asset}",
        description="Computes the rows, writes them as a snapshot, and has the gates look at it.",
        ins={name: dg.In() for name in asset.inputs},
        # The lake has what is staged.
        out={"staged": dg.Out(dg.Nothing), **check_outs(specs(table, *asset.gates_before))},
    )
    def stage_rows(
        context: dg.OpExecutionContext,
        config: PublicationConfig,
        gates: Gates,
        neo4j: PlatformNeo4j,
        spark: SparkResource,
        lake: LakeResource,
        **inputs: LakeTable,
    ) -> Iterator[dg.AssetCheckResult | dg.AssetCheckEvaluation | dg.Output[None]]:
        with transient_errors_retried(context.retry_number, context.log):
            entries = publication.entries_of(neo4j, table)
            before = entries.get(table.asset)
            _, verdict = stage(asset, inputs, before, gates, lake.lake, spark.over)
            yield from gate.results(verdict, table.asset)
            if not verdict.holds:
                # It's published no further, and what is published stays: that is mended here, or nowhere.
                root = lake.lake.root / "graph"
                changes = publication.mended(neo4j, table, root, entries, thorough=config.verify)
                yield gate.evaluation(publication.untouched(table, changes, before), table.asset)
        yield dg.Output(None, "staged")

    return stage_rows


def _publish(asset: GraphAsset) -> dg.OpDefinition:
    """The step that publishes what is staged of a table, and verifies what the database holds then."""
    table = asset.table

    @dg.op(
        name=f"publish_{table.asset}",
        description="Writes what differs from the last publication to Neo4j, and compares what the database holds then"
        " with the snapshot.",
        ins={
            "staged": dg.In(dg.Nothing),
            **{name: dg.In(dg.Nothing) for name in asset.nodes},
        },
        out={
            "result": dg.Out(io_manager_key="neo4j_io_manager"),
            **check_outs(specs(table, *GATES_AFTER)),
        },
    )
    def publish_rows(
        context: dg.OpExecutionContext,
        config: PublicationConfig,
        neo4j: PlatformNeo4j,
        lake: LakeResource,
        pages: Pages,
    ) -> Iterator[_Result]:
        with transient_errors_retried(context.retry_number, context.log):
            yield from _published_and_verified(table, config, neo4j, lake.lake, pages, context.instance)

    return publish_rows


def stage(
    asset: GraphAsset,
    inputs: Mapping[str, LakeTable],
    before: Publication | None,
    gates: Gates,
    lake: Lake,
    over: Over,
) -> tuple[Snapshot | None, Verdict]:
    """Computes and stages a table's rows, and runs the gates that must hold before they are published.

    It is staged once: while its inputs and the code are the same, it is what it was. The lake's latest version of the
    table is what is staged.

    Args:
        asset: the table.
        inputs: the rows of the assets that it is computed from, by their names.
        before: the table's last publication, or None.
        gates: the thresholds.
        lake: the lake.
        over: gives what runs the tasks that work on so many rows.

    Returns:
        The snapshot, or None where the rows don't fit the graph model; and what the gates found.
    """
    table, root = asset.table, lake.root / "graph"
    made_from = _made_from(asset, inputs)
    with suppress(FileNotFoundError, PublicationError):
        if before and (verdict := _unchanged(table, before, made_from, root)):
            version = lake.version(entry_of(table), before.version)
            lake.put({entry_of(table): version})
            return Snapshot.load(version.path), verdict
    with suppress(FileNotFoundError, PublicationError):
        latest = lake.find(entry_of(table))
        if latest and latest.verdict and latest.record.made_from == made_from:
            snapshot = Snapshot.load(latest.path)
            snapshot.check(table)
            if latest.verdict.holds:
                return snapshot, latest.verdict
            verdict = _judged(table, snapshot, latest.verdict.findings, before, lake, gates)
            lake.put({entry_of(table): latest.but(verdict=verdict)})
            return snapshot, verdict
    # Imported where it is used: with NumPy it takes half a second, and definitions are loaded often.
    from spotify_graph.neo4j_io import revision

    started = monotonic()
    found: Rows | Differs | None = None
    try:
        published = _published(asset, before, root)
        if asset.revise and published and (found := asset.revise(published, **inputs)):
            snapshot = revision.revise(published.snapshot, found.were, found.are, table)
        else:
            found = rows = asset.compute(over, **inputs)
            snapshot = staging.stage(rows.parts, table, root, run=rows.run, buckets=rows.buckets)
    except StagingError as error:
        return None, Verdict((gate.keys_unique(error),))
    findings = [gate.keys_unique(None)]
    if asset.watch:
        findings.append(asset.watch.find(found.counts, gates, found.sample))
    verdict = _judged(table, snapshot, findings, before, lake, gates)
    record = Record(rows=snapshot.rows, made_from=made_from, verdict=verdict, details={_SECONDS: monotonic() - started})
    lake.put({entry_of(table): Version(snapshot.path, record).save()})
    return snapshot, verdict


def _judged(
    table: GraphTable,
    snapshot: Snapshot,
    findings: Sequence[Finding],
    before: Publication | None,
    lake: Lake,
    gates: Gates,
) -> Verdict:
    """What the gates find of a snapshot, one of which compares it with what is published at this moment."""
    if not isinstance(table, NodeType):
        return Verdict(tuple(findings))
    others = [finding for finding in findings if finding.check != gate.NO_DROP.name]
    return Verdict((*others, publication.no_drop(table, snapshot, before, lake, gates)))


def _published(asset: GraphAsset, entry: Publication | None, root: Address) -> Published | None:
    """What is surely published of a table, where it was computed by the code of now."""
    if entry is None or entry.status is not ledger.Status.PUBLISHED:
        return None
    with suppress(FileNotFoundError, PublicationError):
        version = Version.load(root / asset.table.asset / entry.version)
        snapshot = Snapshot.load(version.path)
        snapshot.check(asset.table)
        if version.record.made_from.code == asset.code and snapshot.sums and snapshot.keys:
            return Published(snapshot, version.record.made_from)
    return None


def _published_and_verified(
    table: GraphTable,
    config: PublicationConfig,
    neo4j: PlatformNeo4j,
    lake: Lake,
    pages: Pages,
    dagster: dg.DagsterInstance,
) -> Iterator[_Result]:
    """Publishes and verifies what is staged of a table, unless it is published already.

    What somebody else changed since the last publication is mended before, and after where only that shows it.
    """
    root = lake.root / "graph"
    entries = publication.entries_of(neo4j, table)
    publication.ends_must_hold(table, entries)
    changes = publication.mended(neo4j, table, root, entries, thorough=config.verify)
    if changes or config.verify:
        entries = publication.entries_of(neo4j, table)
    before, staged = entries.get(table.asset), lake.latest(entry_of(table))
    must_hold(table.asset, staged)
    if before and before.version == staged.name and _is_verified(before):
        told = dagster.get_latest_materialization_event(dg.AssetKey(table.asset))
        written = mended_rows(changes, table) if changes else _written(before, told)
        metadata: dict[str, Any] = {"dagster/row_count": before.rows, **written}
        yield pages.unchanged(table.asset, staged.path, **metadata)
        yield gate.result(publication.equals_snapshot(neo4j, table, root, before)[0], table.asset)
        yield gate.result(publication.untouched(table, changes, before), table.asset)
        return
    staging_seconds = staged.record.details.get(_SECONDS, 0.0)
    yield dg.Output(GraphSnapshot(Snapshot.load(staged.path), staging_seconds, changes=changes), "result")
    # Where the content is published already, that is the version that stays.
    entry = ledger.read(neo4j.driver, neo4j.database, [table.asset])[table.asset]
    if entry.version != staged.name:
        stays = Version(root / table.asset / entry.version, replace(staged.record, rows=entry.rows))
        lake.put({entry_of(table): stays.save()})
    equals_snapshot, later = publication.equals_snapshot(neo4j, table, root, entry)
    if later:
        entry = ledger.read(neo4j.driver, neo4j.database, [table.asset])[table.asset]
    yield gate.result(equals_snapshot, table.asset)
    yield gate.result(publication.untouched(table, [*changes, *later], entry), table.asset)


def _made_from(asset: GraphAsset, inputs: Mapping[str, LakeTable]) -> MadeFrom:
    return MadeFrom(asset.code, inputs_of(inputs.values()))


def entry_of(table: GraphTable) -> str:
    """The entry of the lake that has what is staged of a table."""
    return f"graph/{table.asset}"


def _written(entry: Publication, told: dg.EventLogEntry | None) -> dict[str, int]:
    """What was written since the asset's last materialization: nothing, unless its content came in another way."""
    last = told.asset_materialization if told else None
    if last and last.metadata["version"].value == entry.version:
        return {"inserted": 0, "changed": 0, "deleted": 0}
    return {"inserted": entry.inserted or 0, "changed": entry.changed or 0, "deleted": entry.deleted or 0}


def mended_rows(changes: Sequence[Changes], table: GraphTable) -> dict[str, int]:
    """How many rows of a table were inserted, changed and deleted to mend it."""
    found = [it for it in changes if it.table is table]
    return {
        "inserted": sum(it.missing.rows for it in found),
        "changed": sum(it.changed.rows for it in found),
        "deleted": sum(it.foreign.found.rows for it in found if not it.foreign.kept),
    }


def _is_verified(published: Publication) -> bool:
    return published.status is ledger.Status.PUBLISHED and published.verified_at is not None


def _unchanged(table: GraphTable, published: Publication, made_from: MadeFrom, folder: Address) -> Verdict | None:
    """The verdict on what is published, if it was verified and made from the same."""
    if not _is_verified(published):
        return None
    version = Version.load(folder / table.asset / published.version)
    return version.verdict if version.record.made_from == made_from else None
