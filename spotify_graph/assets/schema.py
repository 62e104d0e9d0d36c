"""What assets of the lake declare of themselves: whose they are, and their columns."""

from typing import Any

import dagster as dg

OWNERS = ["team:data-platform"]


def columns(*names_types_descriptions: tuple[str, str, str]) -> dict[str, Any]:
    """Definition metadata with the columns of an asset of the lake: name, Spark SQL type, description."""
    schema = [
        dg.TableColumn(name, spark_type, description) for name, spark_type, description in names_types_descriptions
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=schema)}
