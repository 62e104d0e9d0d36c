"""Tables with a key that are kept as a base and the changes since: what a change costs does not follow the table.

The base is Parquet files, one for each bucket of the first key column. A change is a Parquet file of the rows that it
changes: their keys, their old values (null where a row is new), named `old_...`, and their values (null where it is
gone). Once the changes are a tenth of the base, they are folded into a new one.

Rows are looked up by their keys in indexes of the base's files (`lake.indexes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from spotify_graph import storage
from spotify_graph.lake import indexes
from spotify_graph.neo4j_io import buckets
from spotify_graph.neo4j_io.rows import in_files
from spotify_graph.neo4j_io.running import Runner, in_process
from spotify_graph.parts import save
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

_OLD = "old_"
_SHARE, _FEW_ROWS = 0.1, 1_000
"""Changes are folded once they are this share of the base, unless they are few."""
_CHANGES = 16
"""So many changes are put together to one."""


@dataclass(frozen=True)
class Keyed:
    """A table, as a version's record describes it. Files are named from the folder of the version's entry.

    Attributes:
        keys: the key columns.
        rows: how many rows there are.
        files: those of the base, one for each bucket.
        changes: those of the changes since, oldest first.
        changed: how many rows the changes have together.
        change: that of what makes it of the version before, or None.
    """

    keys: tuple[str, ...]
    rows: int
    files: tuple[str, ...]
    changes: tuple[str, ...] = ()
    changed: int = 0
    change: str | None = None

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        """The description that `asdict` gave."""
        listed = {name: tuple(known[name]) for name in ("keys", "files", "changes")}
        return cls(**{**known, **listed})

    @property
    def versions(self) -> set[str]:
        """The versions whose folders have files of it."""
        return {file.split("/")[0] for file in (*self.files, *self.changes)}


@dataclass(frozen=True)
class KeyedTable:
    """The rows of a table, or of a bucket of it. A task that is given one reads it where it runs.

    Attributes:
        keys: the key columns.
        rows: how many rows the whole table has.
        base: the files of the base, one for each bucket.
        changes: the files of the changes since, oldest first.
        bucket: the number of the only bucket that is meant and how many there are; None means all.
    """

    keys: tuple[str, ...]
    rows: int
    base: tuple[str, ...]
    changes: tuple[str, ...] = ()
    bucket: tuple[int, int] | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return in_files(self.base).schema

    @property
    def parts(self) -> list[KeyedTable]:
        """The rows bucket by bucket."""
        count = len(self.base)
        return [replace(self, base=(file,), bucket=(number, count)) for number, file in enumerate(self.base)]

    def read(self, columns: Sequence[str] | None = None, where: pc.Expression = None) -> pa.Table:
        """The rows, in memory.

        Args:
            columns: those that are wanted; None means all.
            where: a condition on the rows.
        """
        import pyarrow as pa

        base = in_files(self.base)
        wanted = list(columns or base.schema.names)
        if not self.changes:
            return base.to_table(columns=wanted, filter=where)
        needed = list(dict.fromkeys((*self.keys, *wanted)))
        changed = self._changed()
        kept = base.to_table(columns=needed, filter=where).join(
            changed.select(self.keys), list(self.keys), join_type="left anti"
        )
        new = _there(changed, base.schema)
        new = new.filter(where) if where is not None else new
        return pa.concat_tables([kept.select(wanted), new.select(wanted)])

    def find(self, keys: pa.Table) -> pa.Table:
        """The rows of keys, at the cost of those.

        Args:
            keys: the first of the key columns, or all; each of their values once.
        """
        import pyarrow as pa

        names = keys.column_names
        schema = self.schema
        found = pa.concat_tables([schema.empty_table(), *(indexes.find(file, keys) for file in self.base)])
        found = found.join(keys, names, join_type="left semi")
        if self.changes:
            changed = self._changed().join(keys, names, join_type="left semi")
            found = found.join(changed.select(self.keys), list(self.keys), join_type="left anti")
            found = pa.concat_tables([found, _there(changed, schema)])
        return found

    def _changed(self) -> pa.Table:
        """What the changes make of the base."""
        changed = together(self.changes, self.keys)
        if self.bucket is None:
            return changed
        number, count = self.bucket
        return buckets.split(changed, count).get(number, changed.slice(0, 0))


def together(files: Sequence[str], keys: Sequence[str]) -> pa.Table:
    """Several changes as one: with the values before the first, and after the last."""
    import numpy as np
    import pyarrow as pa

    rows = pa.concat_tables(storage.read(file) for file in files)
    if len(files) == 1:
        return rows
    numbered = rows.append_column("n", pa.array(np.arange(rows.num_rows)))
    ends = numbered.group_by(list(keys)).aggregate([("n", "min"), ("n", "max")])
    first, last = rows.take(ends["n_min"]), rows.take(ends["n_max"])
    return pa.table({name: first[name] if name.startswith(_OLD) else last[name] for name in rows.column_names})


def before(now: pa.Table, change: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Rows as they were before a change.

    Args:
        now: the rows as they are, all that the change is about among them.
        change: the change.
        keys: the key columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    others = now.join(change.select(keys), list(keys), join_type="left anti")
    old = [f"{_OLD}{name}" for name in now.column_names if name not in keys]
    were = change.filter(pc.is_valid(change[old[0]])).select([*keys, *old])
    named = were.rename_columns([*keys, *(name.removeprefix(_OLD) for name in old)])
    return pa.concat_tables([others, named.select(others.column_names)])


def begin(parts: Sequence[str], rows: int, keys: Sequence[str], folder: Address) -> Keyed:
    """A table whose rows were written whole, a file for each bucket, to a version's folder."""
    return Keyed(tuple(keys), rows, tuple(f"{folder.name}/{name}" for name in parts))


def write(rows: pa.Table, keys: Sequence[str], folder: Address) -> Keyed:
    """Writes a table that is in memory whole, to a version's folder."""
    count = buckets.count_for(rows.num_rows)
    split = buckets.split(rows, count, keys[0])
    files = [_name(save(split.get(number, rows.slice(0, 0)), folder)) for number in range(count)]
    return begin(files, rows.num_rows, keys, folder)


def revise(before: Keyed, change: pa.Table, folder: Address, run: Runner = in_process) -> Keyed:
    """What a change makes of a table, as a new version of it.

    Args:
        before: the table.
        change: the change.
        folder: the new version's folder.
        run: folds the buckets, where that is due.
    """
    import pyarrow.compute as pc

    named = f"{folder.name}/{_name(save(change, folder))}"
    old, new = next(name for name in change.column_names if name.startswith(_OLD)), change.column_names[-1]
    rows = before.rows + pc.count(change[new]).as_py() - pc.count(change[old]).as_py()
    after = replace(
        before,
        rows=rows,
        changes=(*before.changes, named),
        changed=before.changed + change.num_rows,
        change=named,
    )
    if after.changed > max(_SHARE * rows, _FEW_ROWS):
        parts = table(after, folder.parent).parts
        files = [_name(file) for file in run(partial(_fold, folder), parts)]
        return replace(after, files=tuple(f"{folder.name}/{file}" for file in files), changes=(), changed=0)
    if len(after.changes) == _CHANGES:
        merged = together([str(folder.parent / file) for file in after.changes], after.keys)
        file = _name(save(merged, folder))
        return replace(after, changes=(f"{folder.name}/{file}",), changed=merged.num_rows)
    return after


def table(known: Keyed, entry: Address) -> KeyedTable:
    """A table as it can be read.

    Args:
        known: its description.
        entry: the folder of the versions' entry.
    """
    return KeyedTable(
        known.keys,
        known.rows,
        tuple(str(entry / file) for file in known.files),
        tuple(str(entry / file) for file in known.changes),
    )


def _name(file: str) -> str:
    return storage.at(file).name


def _fold(folder: Address, part: KeyedTable) -> str:
    return save(part.read(), folder)


def _there(changed: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows of a change that are not gone."""
    import pyarrow.compute as pc

    return changed.filter(pc.is_valid(changed[changed.column_names[-1]])).select(schema.names).cast(schema)
