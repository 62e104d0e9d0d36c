"""An asset of the graph, as the graph model describes it: what Neo4j holds under a label or a relationship type."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.neo4j import GraphSnapshot
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
    def code(self) -> str:
        """Names the code that the rows are computed and staged by."""
        return code_of(self.compute.__module__, *STAGED_BY)

    @property
    def gates_before(self) -> list[gate.Gate]:
        """The gates that must hold before the rows are published."""
        is_node = isinstance(self.table, NodeType)
        return [gate.KEYS_UNIQUE, *([gate.NO_DROP] if is_node else []), *([self.watch.gate] if self.watch else [])]


GRAPH_ASSETS: dict[str, GraphAsset] = {}
"""Every asset that `graph_asset` has made, by its name."""


def graph_asset(
    table: GraphTable, watch: Watch | None = None, revise: Callable[..., Differs | None] | None = None
) -> Callable[[Callable[..., Rows]], dg.AssetsDefinition]:
    """Makes the function that computes a table's rows into the asset that stages, publishes and verifies them."""
    is_node = isinstance(table, NodeType)

    def decorate(compute: Callable[..., Rows]) -> dg.AssetsDefinition:
        asset = GRAPH_ASSETS[table.asset] = GraphAsset(table, compute, watch, revise)

        @dg.asset(
            name=table.asset,
            group_name="nodes" if is_node else "edges",
            kinds={"neo4j", "pyarrow", "spark"},
            owners=OWNERS,
            description=table.description,
            metadata=table_metadata(table),
            code_version=asset.code,
            ins={name: dg.AssetIn() for name in asset.inputs},
            io_manager_key="neo4j_io_manager",
            # A relationship's nodes are published before it is.
            deps=[] if isinstance(table, NodeType) else [table.start.node.asset, table.end.node.asset],
            automation_condition=FOLLOWS_GATES,
            check_specs=[it.spec(table.asset) for it in (*asset.gates_before, gate.EQUALS_SNAPSHOT, gate.UNTOUCHED)],
            # What a gate refuses is staged, and not published.
            output_required=False,
        )
        def published(
            context: dg.AssetExecutionContext,
            config: PublicationConfig,
            gates: Gates,
            neo4j: PlatformNeo4j,
            spark: SparkResource,
            lake: LakeResource,
            **inputs: LakeTable,
        ) -> Iterator[dg.Output[GraphSnapshot] | dg.MaterializeResult[GraphSnapshot] | dg.AssetCheckResult]:
            with transient_errors_retried(context.op_execution_context.retry_number, context.log):
                yield from _publish(asset, inputs, config, gates, neo4j, spark, lake.lake, context.instance)

        return published

    return decorate


def stage(
    asset: GraphAsset,
    inputs: Mapping[str, LakeTable],
    before: Publication | None,
    gates: Gates,
    lake: Lake,
    over: Over,
) -> tuple[Snapshot | None, Verdict]:
    """Computes and stages a table's rows, and runs the gates that must hold before they are published.

    It is staged once: while its inputs and the code are the same, it is what it was.

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
        latest = lake.find(_entry(table))
        if latest and latest.verdict and latest.record.made_from == made_from:
            snapshot = Snapshot.load(latest.path)
            snapshot.check(table)
            if latest.verdict.holds:
                return snapshot, latest.verdict
            verdict = _judged(table, snapshot, latest.verdict.findings, before, lake, gates)
            _keep(lake, table, latest.path, made_from, snapshot.rows, verdict)
            return snapshot, verdict
    # Imported where it is used: with NumPy it takes half a second, and definitions are loaded often.
    from spotify_graph.neo4j_io import revision

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
    _keep(lake, table, snapshot.path, made_from, snapshot.rows, verdict)
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


def _publish(
    asset: GraphAsset,
    inputs: Mapping[str, LakeTable],
    config: PublicationConfig,
    gates: Gates,
    neo4j: PlatformNeo4j,
    spark: SparkResource,
    lake: Lake,
    dagster: dg.DagsterInstance,
) -> Iterator[dg.Output[GraphSnapshot] | dg.MaterializeResult[GraphSnapshot] | dg.AssetCheckResult]:
    """Stages, gates, publishes and verifies a table's rows, unless they are made from what the published ones are.

    What somebody else changed since the last publication is mended before, and after where only that shows it.
    """
    started, table, root = monotonic(), asset.table, lake.root / "graph"
    entries = ledger.read(neo4j.driver, neo4j.database)
    publication.ends_must_hold(table, entries)
    changes = publication.mended(neo4j, table, root, entries, thorough=config.verify)
    if changes or config.verify:
        entries = ledger.read(neo4j.driver, neo4j.database)
    before = entries.get(table.asset)
    made_from = _made_from(asset, inputs)
    published = _unchanged(table, before, made_from, root)
    if before and published:
        told = dagster.get_latest_materialization_event(dg.AssetKey(table.asset))
        written = mended_rows(changes, table) if changes else _written(before, told)
        metadata: dict[str, Any] = {"dagster/row_count": before.rows, **written}
        yield pages.unchanged(table.asset, root / table.asset / before.version, **metadata)
        yield from gate.results(published, table.asset)
        yield gate.result(publication.equals_snapshot(neo4j, table, root, before)[0], table.asset)
        yield gate.result(publication.untouched(table, changes, before), table.asset)
        return
    snapshot, verdict = stage(asset, inputs, before, gates, lake, spark.over)
    yield from gate.results(verdict, table.asset)
    if snapshot is None or not verdict.holds:
        yield gate.result(publication.untouched(table, changes, before), table.asset)
        return
    yield dg.Output(GraphSnapshot(snapshot, monotonic() - started, changes=changes))
    # Where the content is published already, that is the version that stays.
    entry = ledger.read(neo4j.driver, neo4j.database)[table.asset]
    if entry.version != snapshot.version:
        _keep(lake, table, root / table.asset / entry.version, made_from, snapshot.rows, verdict)
    equals_snapshot, later = publication.equals_snapshot(neo4j, table, root, entry)
    if later:
        entry = ledger.read(neo4j.driver, neo4j.database)[table.asset]
    yield gate.result(equals_snapshot, table.asset)
    yield gate.result(publication.untouched(table, [*changes, *later], entry), table.asset)


def _made_from(asset: GraphAsset, inputs: Mapping[str, LakeTable]) -> MadeFrom:
    return MadeFrom(asset.code, inputs_of(inputs.values()))


def _entry(table: GraphTable) -> str:
    return f"graph/{table.asset}"


def _keep(lake: Lake, table: GraphTable, folder: Address, made_from: MadeFrom, rows: int, verdict: Verdict) -> None:
    """Records what is known of a snapshot, and that it is what its table becomes."""
    version = Version(folder, Record(rows=rows, made_from=made_from, verdict=verdict)).save()
    lake.put({_entry(table): version})


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


def _unchanged(
    table: GraphTable, published: Publication | None, made_from: MadeFrom, folder: Address
) -> Verdict | None:
    """The verdict on what is published, if it was verified and made from the same."""
    if published is None or published.status is not ledger.Status.PUBLISHED or published.verified_at is None:
        return None
    with suppress(FileNotFoundError):
        version = Version.load(folder / table.asset / published.version)
        return version.verdict if version.record.made_from == made_from else None
    return None
