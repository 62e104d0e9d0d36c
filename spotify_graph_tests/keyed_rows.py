"""Rows of a table with a key, and changes of them, from dicts."""

from collections.abc import Mapping

import pyarrow as pa

KEYS = ("owner", "thing")
Contents = Mapping[tuple[str, int], int]


def rows(contents: Contents) -> pa.Table:
    """The rows of a dict: owner, thing and count."""
    values = [(*key, value) for key, value in contents.items()]
    schema = pa.schema([("owner", pa.string()), ("thing", pa.int64()), ("count", pa.int64())])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in values], schema)


def change(before: Contents, after: Contents) -> pa.Table:
    """What makes the rows of one dict of those of another."""
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return pa.table(
        {
            "owner": pa.array([owner for owner, _ in keys], pa.string()),
            "thing": pa.array([thing for _, thing in keys], pa.int64()),
            "old_count": pa.array([before.get(key) for key in keys], pa.int64()),
            "count": pa.array([after.get(key) for key in keys], pa.int64()),
        }
    )


def contents(table: pa.Table) -> dict[tuple[str, int], int]:
    """The dict that rows are of."""
    found = {(row["owner"], row["thing"]): row["count"] for row in table.to_pylist()}
    assert len(found) == table.num_rows, "no key is there twice"
    return found
