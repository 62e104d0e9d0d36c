"""What assets return, as rows of a table: pandas DataFrames, and whatever hands out Arrow's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spotify_graph.neo4j_io.errors import StagingError
from spotify_graph.neo4j_io.vocabulary import GraphTable, Property, PropertyType

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow and pandas are imported where they are used: definitions, which need none, are loaded often.


def as_rows(given: Any, table: GraphTable) -> pa.Table:
    """Turns what an asset returned into Arrow, with the table's types where they lose nothing.

    Args:
        given: a pandas DataFrame, whose index is left out and whose missing values are nulls; or what has Arrow's
            stream interface: Arrow's tables, batches and readers, Polars' and DuckDB's frames.
        table: what they are rows of.

    Raises:
        StagingError: it is neither, or a column holds values that its type has no room for.
    """
    import pandas as pd
    import pyarrow as pa

    is_pandas = isinstance(given, pd.DataFrame)
    try:
        if is_pandas:
            rows = pa.Table.from_pandas(given, preserve_index=False)
        elif hasattr(given, "__arrow_c_stream__") or hasattr(given, "__arrow_c_array__"):
            rows = pa.table(given)
        else:
            problem = f"a {type(given).__name__} was returned, which is neither a pandas DataFrame nor an Arrow table"
            raise StagingError(table.asset, problem)
    except pa.ArrowException as error:
        raise StagingError(table.asset, " ".join(map(str, error.args))) from error
    for column in table.columns:
        place = rows.schema.get_field_index(column.name)
        if place >= 0:
            rows = rows.set_column(place, column.name, _typed(rows[place], column, table, is_pandas=is_pandas))
    return rows


def _typed(values: pa.ChunkedArray, column: Property, table: GraphTable, *, is_pandas: bool) -> pa.ChunkedArray:
    """A column in its type, where that is the same values in another form; what is something else stays as it is."""
    import pyarrow as pa

    from spotify_graph.neo4j_io.rows import arrow_type

    given = values.type
    is_instant = pa.types.is_timestamp(given) and given.tz is not None
    # In pandas, integers are floats where some are missing.
    is_integer = is_pandas and pa.types.is_floating(given)
    same = (
        pa.types.is_null(given)
        or (column.type is PropertyType.ZONED_DATETIME and is_instant)
        or (column.type is PropertyType.INTEGER and is_integer)
    )
    if not same:
        return values
    try:
        return values.cast(arrow_type(column.type))
    except pa.ArrowInvalid as error:
        raise StagingError(table.asset, f"column {column.name} does not fit {column.type}: {error}") from error
