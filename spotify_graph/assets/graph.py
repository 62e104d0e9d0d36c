"""An asset of the graph, as the graph model describes it: what Neo4j holds under a label or a relationship type."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field
from pyspark.sql import Column, DataFrame, Observation

from spotify_graph.assets.schema import OWNERS
from spotify_graph.automation.conditions import FOLLOWS_GATES
from spotify_graph.checks import gates as gate
from spotify_graph.errors import UserError
from spotify_graph.graph_model import GraphTable, NodeType, Property
from spotify_graph.io_managers import acceptance
from spotify_graph.io_managers.intake import IntakeLedger
from spotify_graph.io_managers.verdicts import Finding
from spotify_graph.neo4j_io import ledger, staging, verification
from spotify_graph.neo4j_io.errors import StagingError
from spotify_graph.neo4j_io.ledger import Publication
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.neo4j import Neo4jResource
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS


class PublicationConfig(dg.Config):
    """How an asset of the graph is published."""

    verify: bool = Field(
        False, description="Compare what the database holds with what was published, also where nothing changed."
    )


@dataclass(frozen=True)
class Watch:
    """A further gate on an asset of the graph, from counts that come with the pass that stages it.

    Attributes:
        gate: the gate.
        counts: aggregates over the asset's rows.
        find: what the gate finds, from the counts, the thresholds and the rows.
    """

    gate: gate.Gate
    counts: Callable[[], list[Column]]
    find: Callable[[Mapping[str, int], Gates, DataFrame], Finding]


def graph_asset(
    table: GraphTable, watch: Watch | None = None
) -> Callable[[Callable[..., DataFrame]], dg.AssetsDefinition]:
    """Makes the function that computes a table's rows into the asset that stages, publishes and verifies them."""
    is_node = isinstance(table, NodeType)
    gates_before = [gate.KEYS_UNIQUE, *([gate.NO_DROP] if is_node else []), *([watch.gate] if watch else [])]

    def decorate(compute: Callable[..., DataFrame]) -> dg.AssetsDefinition:
        @dg.asset(
            name=table.asset,
            group_name="nodes" if is_node else "edges",
            kinds={"neo4j", "spark"},
            owners=OWNERS,
            description=table.description,
            metadata=_metadata(table),
            ins={name: dg.AssetIn() for name in signature(compute).parameters},
            io_manager_key="neo4j_io_manager",
            # A relationship's nodes are published before it is.
            deps=[] if isinstance(table, NodeType) else [table.start.node.asset, table.end.node.asset],
            automation_condition=FOLLOWS_GATES,
            check_specs=[it.spec(table.asset) for it in (*gates_before, gate.EQUALS_SNAPSHOT)],
            # What a gate refuses is staged, and not published.
            output_required=False,
        )
        def published(
            config: PublicationConfig, gates: Gates, neo4j: Neo4jResource, **inputs: DataFrame
        ) -> Iterator[dg.Output[Snapshot] | dg.AssetCheckResult]:
            root = Settings.load().lake / "graph"
            entries = ledger.read(neo4j.driver, neo4j.database)
            _ends_must_hold(table, entries)
            before = entries.get(table.asset)
            if config.verify and before and before.status is ledger.Status.PUBLISHED:
                # A difference is recorded in the publication ledger, and the publication below puts it right.
                verification.verify_published(neo4j.driver, neo4j.database, table, root)
            counted = Observation()
            rows = compute(**inputs)
            try:
                watched = rows.observe(counted, *watch.counts()) if watch else rows
                snapshot = staging.stage(watched, table, root)
            except StagingError as error:
                yield gate.result(gate.keys_unique(error), table.asset)
                return
            findings = [gate.keys_unique(None)]
            if isinstance(table, NodeType):
                findings.append(_drop(table, snapshot, before, gates))
            if watch:
                findings.append(watch.find(counted.get, gates, rows))
            yield from (gate.result(finding, table.asset) for finding in findings)
            if any(finding.refuses for finding in findings):
                return
            yield dg.Output(snapshot)
            yield gate.result(_verified(neo4j, table, root), table.asset)

        return published

    return decorate


def _ends_must_hold(table: GraphTable, entries: Mapping[str, Publication]) -> None:
    """Relationships are published on nodes whose own publication was verified, whoever asks."""
    if isinstance(table, NodeType):
        return
    for end in dict.fromkeys((table.start.node, table.end.node)):
        entry = entries.get(end.asset)
        if entry is None or entry.status is not ledger.Status.PUBLISHED or entry.verified_at is None:
            raise UserError(
                f"{table.asset} needs {end.asset}, whose check {gate.EQUALS_SNAPSHOT.name} has not passed for what is"
                f" published: see the checks of {end.asset} in the Dagster UI, and materialize {end.asset} first"
            )


def _drop(table: NodeType, snapshot: Snapshot, before: Publication | None, gates: Gates) -> Finding:
    """Whether there are suddenly far fewer nodes, with nothing that explains it."""
    what = f"{table.label} nodes"
    if before is None or before.finished_at is None:
        return gate.no_drop(what, snapshot.rows, None, gates)
    excuse = None
    forgotten = _last_forgotten()
    if forgotten and forgotten > before.finished_at:
        excuse = "a file was forgotten on purpose since"
    accepted = acceptance.of_snapshot(snapshot)
    if accepted:
        excuse = f"accepted: {accepted.because}"
    finding = gate.no_drop(what, snapshot.rows, before.rows, gates, excuse)
    if finding.refuses:
        return gate.with_advice(finding, snapshot.version)
    return finding


def _last_forgotten() -> datetime | None:
    lake = Settings.load().lake
    times = [IntakeLedger(lake, table).last_forgotten() for table in (TRACKS, USER_EVENTS)]
    return max((time for time in times if time), default=None)


def _verified(neo4j: Neo4jResource, table: GraphTable, root: Path) -> Finding:
    """Whether the database holds what was published; looked up where it was verified since and nothing was written."""
    entry = ledger.read(neo4j.driver, neo4j.database)[table.asset]
    if entry.verified_at:
        at = f"{entry.verified_at:%Y-%m-%d %H:%M:%S}Z"
        return Finding(
            gate.EQUALS_SNAPSHOT.name, True, True, f"{entry.rows:,} in the database, as published; verified at {at}"
        )
    return gate.equals_snapshot(verification.verify_published(neo4j.driver, neo4j.database, table, root))


def _metadata(table: GraphTable) -> dict[str, Any]:
    keys = {key.name for key in table.keys}
    schema = dg.TableSchema(columns=[_column(column, column.name in keys) for column in table.columns])
    return {"dagster/table_name": _pattern(table), "dagster/column_schema": schema}


def _column(column: Property, is_key: bool) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=column.optional, unique=False, other=["key"] if is_key else [])
    return dg.TableColumn(column.name, column.type.value, column.description, constraints)


def _pattern(table: GraphTable) -> str:
    """The table as Cypher writes it."""
    if isinstance(table, NodeType):
        return f"(:{table.label} {{{table.key.name}}})"
    return f"(:{table.start.node.label})-[:{table.type}]->(:{table.end.node.label})"
