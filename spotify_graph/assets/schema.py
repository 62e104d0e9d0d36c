"""What assets of the lake declare of themselves: whose they are, and their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from spotify_graph.lake.versions import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

OWNERS = ["team:data-platform"]

Columns = Sequence[tuple[str, str, str]]
"""Columns as name, Spark SQL type, description."""


def columns(*names_types_descriptions: tuple[str, str, str]) -> dict[str, Any]:
    """Definition metadata with the columns of an asset of the lake: name, Spark SQL type, description."""
    return {"dagster/column_schema": dg.TableSchema(columns=table_columns(names_types_descriptions))}


def table_columns(declared: Columns) -> list[dg.TableColumn]:
    """Columns as Dagster describes them."""
    return [dg.TableColumn(name, spark_type, description) for name, spark_type, description in declared]


def ddl(declared: Columns) -> str:
    """Columns as Spark's DDL."""
    return ", ".join(f"{name} {spark_type}" for name, spark_type, _ in declared)


def arrow(*declared: tuple[str, str, str]) -> pa.Schema:
    """Columns as an Arrow schema."""
    return arrow_schema(ddl(declared))
