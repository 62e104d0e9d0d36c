"""The group graph: what is published of the logs and the catalogue, as one asset that others build on."""

from hashlib import sha256
from typing import Any

import dagster as dg

from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.automation.conditions import FOLLOWS_GATES
from spotify_graph.code_versions import code_of
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS
from spotify_graph.markdown import table
from spotify_graph.neo4j_dagster.metadata import pattern
from spotify_graph.neo4j_dagster.retries import transient_errors_retried
from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.resources.links import Links
from spotify_graph.resources.neo4j import PlatformNeo4j

NAME = "published_graph"
"""The asset's key."""


@dg.asset(
    name=NAME,
    group_name="graph",
    kinds={"neo4j"},
    owners=OWNERS,
    description="The graph as Neo4j holds it: every table of nodes and relationships that logs and catalogue make."
    " Models are measured on all of it.",
    metadata=columns(
        ("table", "string", "The nodes or relationships, as Cypher writes them."),
        ("rows", "long", "How many there are."),
        ("published", "timestamp", "When they were published last, UTC."),
        ("verified", "timestamp", "When the database was found to hold just these, UTC."),
    ),
    deps=[it.asset for it in FACTS],
    code_version=code_of(__name__),
    automation_condition=FOLLOWS_GATES,
)
def published_graph(context: dg.AssetExecutionContext, neo4j: PlatformNeo4j, links: Links) -> dg.MaterializeResult[Any]:
    """Looks up in the ledger what is published."""
    with transient_errors_retried(context.op_execution_context.retry_number, context.log):
        entries = ledger.read(neo4j.driver, neo4j.database)
    if missing := [it.asset for it in FACTS if it.asset not in entries]:
        raise UserError(f"{', '.join(missing)} is not published: materialize it first")
    found = [(it, entries[it.asset]) for it in FACTS]
    rows = [
        [pattern(it), f"{entry.rows:,}", *(f"{at:%Y-%m-%d %H:%M:%S}" if at else "" for at in times)]
        for it, entry in found
        for times in [(entry.finished_at, entry.verified_at)]
    ]
    version = sha256(" ".join(entry.version for _, entry in found).encode()).hexdigest()[:16]
    link = links.in_neo4j_browser(NAME)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(entry.rows for _, entry in found),
            "nodes": sum(entry.rows for it, entry in found if isinstance(it, NodeType)),
            "relationships": sum(entry.rows for it, entry in found if not isinstance(it, NodeType)),
            "tables": dg.MetadataValue.md(table(["table", "rows", "published (UTC)", "verified (UTC)"], rows)),
            **({"in Neo4j Browser": dg.MetadataValue.url(link)} if link else {}),
            **_unchanged(context.instance.get_latest_materialization_event(dg.AssetKey(NAME)), version),
        },
        data_version=dg.DataVersion(version),
    )


def _unchanged(last: dg.EventLogEntry | None, version: str) -> dict[str, dg.MetadataValue[Any]]:
    """Since when the graph is what it is, where the asset's last materialization was of the same."""
    if last is None or (told := last.asset_materialization) is None or not told.tags:
        return {}
    if told.tags.get("dagster/data_version") != version:
        return {}
    return {"unchanged since": told.metadata.get("unchanged since", dg.MetadataValue.timestamp(last.timestamp))}
