"""The lake's column types in Arrow, by the names that assets declare them with, which are Spark SQL's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: with NumPy it takes half a second, and definitions are loaded often.


def arrow_type(declared: str) -> pa.DataType:
    """The Arrow type of a declared column: string, int, long, double, boolean, timestamp, or an array<...> of these.

    Raises:
        ValueError: there is no such type in the lake.
    """
    import pyarrow as pa

    if declared.startswith("array<"):
        return pa.list_(arrow_type(declared.removeprefix("array<").removesuffix(">")))
    types = {
        "string": pa.string(),
        "int": pa.int32(),
        "long": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp": pa.timestamp("us", "UTC"),
    }
    if declared not in types:
        raise ValueError(f"{declared} is no type of the lake's: {', '.join(types)}, array<...>")
    return types[declared]
