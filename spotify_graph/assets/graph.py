"""An asset of the graph, as the graph model describes it: what Neo4j holds under a label or a relationship type."""

from collections.abc import Callable
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from spotify_graph.assets.schema import OWNERS
from spotify_graph.graph_model import GraphTable, NodeType, Property


def graph_asset(table: GraphTable) -> Callable[[Callable[..., DataFrame]], dg.AssetsDefinition]:
    """Makes the function that computes a table's rows into the asset that publishes them."""
    return dg.asset(
        name=table.asset,
        group_name="nodes" if isinstance(table, NodeType) else "edges",
        kinds={"neo4j", "spark"},
        owners=OWNERS,
        description=table.description,
        metadata=_metadata(table),
        io_manager_key="neo4j_io_manager",
        # A relationship is written between nodes that are already there.
        deps=[] if isinstance(table, NodeType) else [table.start.node.asset, table.end.node.asset],
    )


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
