"""What Dagster shows of a table: how Cypher writes it, its columns, and what a publication did."""

from typing import Any

import dagster as dg

from spotify_graph.neo4j_io.publication import PublicationResult
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property


def table_metadata(table: GraphTable) -> dict[str, Any]:
    """Metadata for an asset's definition: how Cypher writes the table, and its columns."""
    keys = {key.name for key in table.keys}
    schema = dg.TableSchema(columns=[_column(column, column.name in keys) for column in table.columns])
    return {"dagster/table_name": pattern(table), "dagster/column_schema": schema}


def publication_metadata(result: PublicationResult, seconds: float) -> dict[str, Any]:
    """Metadata for a materialization: how many rows there are, and how many were inserted, changed and deleted.

    Args:
        result: what the publication did.
        seconds: how long it took, with all that belongs to it.
    """
    return {
        "dagster/row_count": result.rows,
        "inserted": result.inserted,
        "changed": result.changed,
        "deleted": result.deleted,
        "version": result.version,
        "seconds": round(seconds, 2),
    }


def _column(column: Property, is_key: bool) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=column.optional, unique=False, other=["key"] if is_key else [])
    return dg.TableColumn(column.name, column.type.value, column.description, constraints)


def pattern(table: GraphTable) -> str:
    """The table as Cypher writes it."""
    if isinstance(table, NodeType):
        return f"(:{table.label} {{{table.key.name}}})"
    return f"(:{table.start.node.label})-[:{table.type}]->(:{table.end.node.label})"
