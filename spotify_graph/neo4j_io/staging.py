"""Snapshots: a table's rows as one audited version, in Parquet.

A version is a folder `<root>/<asset>/<version>` with the rows in Parquet files and `_snapshot.json`, which is written
last: a folder without it is incomplete, and is ignored.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Self

from spotify_graph import storage
from spotify_graph.neo4j_io import buckets as bucketing
from spotify_graph.neo4j_io.cypher import quoted, stored
from spotify_graph.neo4j_io.errors import EXAMPLES, PublicationError, StagingError
from spotify_graph.neo4j_io.rows import arrow_type, read_whole
from spotify_graph.neo4j_io.running import Runner, in_process
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property, PropertyType
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import pyarrow as pa

    from spotify_graph.neo4j_io.difference import Difference
    from spotify_graph.neo4j_io.part import Measures

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

_FILE = "_snapshot.json"


@dataclass(frozen=True)
class Snapshot:
    """One complete version of a table's rows.

    Attributes:
        path: its folder, whose name is the version; versions sort by time.
        asset: the asset that it belongs to.
        pattern: the table as it was staged, as a Cypher-like pattern with types.
        columns: the types of the columns, by name, in order.
        rows: how many rows it has.
        fingerprint: equal for equal pattern and rows, whatever their order and files.
        nulls: how many rows have no value, by column.
        created: when it was staged, in ISO 8601 and UTC.
        files: the size in bytes of each Parquet file, by name.
        checksum: counts and sums of the rows that the database can compute as well, by what they describe.
        buckets: how many buckets the rows are divided into, each in files of its own.
        sums: two sums of the rows' hashes, modulo 2^64; None in a snapshot that an earlier program staged.
        base: for a revision, the version that it differs from; None where it was staged whole.
        revisions: how many revisions lie between it and a version whose files hold all rows; 0 where its own do.
        revised_rows: how many rows these revisions have together.
        differs: for a revision, the files of each kind of change, with how many rows they hold.
        keys: how many of the columns are the key; 0 in a snapshot that an earlier program staged.
    """

    path: Address
    asset: str
    pattern: str
    columns: dict[str, str]
    rows: int
    fingerprint: str
    nulls: dict[str, int]
    created: str
    files: dict[str, int]
    checksum: dict[str, int]
    buckets: int = 1
    sums: Sequence[int] | None = None
    base: str | None = None
    revisions: int = 0
    revised_rows: int = 0
    differs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    keys: int = 0

    @property
    def version(self) -> str:
        """The version's id."""
        return self.path.name

    def sibling(self, version: str) -> Address:
        """The folder of another version of the same asset."""
        return self.path.with_name(version)

    def check(self, table: GraphTable) -> None:
        """Makes sure that this is a snapshot of a table as it is described now.

        Raises:
            PublicationError: it belongs to another table, or is older than a change of the table's description.
        """
        if self.pattern != pattern(table):
            raise PublicationError(table.asset, f"{self.version} was staged as {self.pattern}", advice="stage it again")

    def paths(self, bucket: int | None = None, of: int | None = None) -> list[Address]:
        """The files of the rows. The folder may hold others, which are ignored.

        Args:
            bucket: of one bucket only.
            of: out of how many buckets, not more than the snapshot has.
        """
        if self.revisions:
            return self.written_whole().paths(bucket, of)
        of = of or self.buckets
        return [self.path / name for name in self.files if bucket is None or self._bucket(name) % of == bucket]

    def read(self, bucket: int | None = None, of: int | None = None, width: int | None = None) -> pa.Table:
        """Reads the rows into memory.

        Args:
            bucket: of one bucket only.
            of: out of how many buckets, not more than the snapshot has.
            width: how many columns, the first ones, or None for all.
        """
        import pyarrow as pa

        fields = [(name, arrow_type(PropertyType(type_))) for name, type_ in self.columns.items()]
        if not self.revisions:
            return read_whole(self.paths(bucket, of), pa.schema(fields[:width]))
        assert self.base  # noqa: S101 it is a revision
        rows = Snapshot.load(self.sibling(self.base)).read(bucket, of, width)
        return self._revised(rows, bucket, of or self.buckets, pa.schema(fields))

    @property
    def difference(self) -> Difference:
        """For a revision, what differs from its base."""
        from spotify_graph.neo4j_io.difference import Difference, Rows

        files = {kind: {self.path / name: rows for name, rows in known.items()} for kind, known in self.differs.items()}
        return Difference(**{kind: Rows(tuple(known), sum(known.values())) for kind, known in files.items()})

    def written_whole(self) -> Self:
        """The same snapshot, with files that hold all rows. What differs from its base stays known."""
        now = type(self).load(self.path)
        if not now.revisions:
            return now
        files = {}
        for bucket in range(now.buckets):
            rows = now.read(bucket)
            if rows.num_rows:
                file = now.path / f"{bucket:05d}-{uuid.uuid4().hex}.parquet"
                files[file.name] = storage.write(rows, file)
        whole = replace(now, files=files, revisions=0, revised_rows=0)
        whole.save()
        return whole

    def by_itself(self) -> Self:
        """The same snapshot, with files that hold all rows, and without those of what it differs from."""
        whole = replace(self.written_whole(), base=None, differs={})
        whole.save()
        kept = {file.name for file in whole.paths()}
        for file in whole.path.glob("*.parquet"):
            if file.name not in kept:
                file.unlink()
        return whole

    def _revised(self, before: pa.Table, bucket: int | None, of: int, columns: pa.Schema) -> pa.Table:
        """The rows of the base as they are now."""
        import numpy as np
        import pyarrow as pa

        from spotify_graph.neo4j_io.difference import same_keys

        width = before.num_columns
        named = pa.schema([(f"c{i}", each.type) for i, each in enumerate(columns)])
        key = pa.schema(list(named)[: self.keys])
        differs = self.difference
        gone = pa.concat_tables(read_whole(each.files, key) for each in (differs.deleted, differs.changed))
        stays = np.ones(before.num_rows, bool)
        stays[same_keys(before.select(range(self.keys)).rename_columns(key.names), gone)[0]] = False
        new = pa.concat_tables(read_whole(each.files, named) for each in (differs.inserted, differs.changed))
        if bucket is not None:
            new = bucketing.split(new, of).get(bucket, new.slice(0, 0))
        now = new.select(range(width)).rename_columns(before.column_names)
        return pa.concat_tables([before.filter(pa.array(stays)), now])

    @classmethod
    def load(cls, path: Address) -> Self:
        """Loads the version in a folder.

        Raises:
            FileNotFoundError: there is no complete version, or a file of it, or of its base, is missing or cut short.
        """
        try:
            snapshot = cls(path=path, **json.loads((path / _FILE).read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise FileNotFoundError(f"{path} holds no complete snapshot") from error
        if any(_size(path / name) != size for name, size in snapshot.files.items()):
            raise FileNotFoundError(f"{path} has lost rows since it was staged")
        if not all((path / name).is_file() for files in snapshot.differs.values() for name in files):
            raise FileNotFoundError(f"{path} has lost rows since it was staged")
        if snapshot.base and snapshot.revisions:
            cls.load(snapshot.sibling(snapshot.base))
        return snapshot

    def _bucket(self, name: str) -> int:
        return int(name.partition("-")[0]) if self.buckets > 1 else 0

    def save(self) -> None:
        """Writes the description of the version beside its rows, which completes it."""
        known = asdict(self)
        del known["path"]
        storage.put(self.path / _FILE, json.dumps(known, indent=1, ensure_ascii=False))


def stage(
    parts: Sequence[Callable[[], pa.Table]],
    table: GraphTable,
    root: Address,
    *,
    run: Runner = in_process,
    buckets: int = 1,
) -> Snapshot:
    """Writes rows as a new version of a table, and audits it.

    The audit holds every rule that the database needs: keys present, unique and not too long, no null in a property
    that is not optional, no null inside a list. Other columns of the rows are left out.

    Args:
        parts: each gives some of the rows when it is called, with the table's columns; integers and floats may be
            narrower than the table's, and times are instants, in microseconds or coarser.
        table: what they are rows of.
        root: the folder of all snapshots.
        run: does the work for each part, and then for each bucket.
        buckets: in how many buckets to divide the rows, a power of two; `buckets.count_for` says how many are right.

    Raises:
        StagingError: a column is missing or of another type, or a row breaks a rule; the version is removed.
        ValueError: the number of buckets is not a power of two.
    """
    from spotify_graph.neo4j_io import part

    bucketing.check(buckets)
    path = root / table.asset / new_version()
    storage.make_folder(path)
    try:
        found = part.total(run(partial(part.write, table=table, folder=path, buckets=buckets), parts), table)
        audit(found, table)
        _remove_others(path, found.files)
        snapshot = Snapshot(
            path=path,
            asset=table.asset,
            pattern=pattern(table),
            columns={column.name: str(column.type) for column in table.columns},
            rows=found.rows,
            fingerprint=fingerprint(found.rows, found.sums, table),
            nulls=dict(found.nulls),
            created=datetime.now(UTC).isoformat(),
            files=dict(sorted(found.files.items())),
            checksum=dict(found.checksum),
            buckets=buckets,
            sums=list(found.sums),
            keys=len(table.keys),
        )
        filled = [files for bucket in range(buckets) if (files := snapshot.paths(bucket))]
        audit_keys(chain.from_iterable(run(partial(part.duplicate_keys, table=table), filled)), table)
        snapshot.save()
    except BaseException:
        storage.remove(path)
        raise
    return snapshot


def pattern(table: GraphTable) -> str:
    """A table as a Cypher-like pattern, such as `(:Person {name: STRING})-[:KNOWS {since: INTEGER}]->(...)`."""
    if isinstance(table, NodeType):
        return f"(:{quoted(table.label)} {_typed(table.columns)})"
    ends = [
        f"({quoted(end.column)}:{quoted(end.node.label)} {_typed(end.node.keys)})" for end in (table.start, table.end)
    ]
    return f"{ends[0]}-[:{quoted(table.type)} {_typed(stored(table))}]->{ends[1]}"


def new_version() -> str:
    """A new name for a version; names sort by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"


def _typed(columns: tuple[Property, ...]) -> str:
    return "{" + ", ".join(f"{quoted(column.name)}: {column.type}" for column in columns) + "}"


def _size(file: Address) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


def _remove_others(path: Address, files: Iterable[str]) -> None:
    """Removes the leftovers of work that was done more than once."""
    kept = set(files)
    for file in storage.files_in(path):
        if file.name not in kept:
            file.unlink(missing_ok=True)


def fingerprint(rows: int, sums: Sequence[int], table: GraphTable) -> str:
    """A short name for a table's content, made of its number of rows and the sums of their hashes."""
    content = [pattern(table), rows, *sums]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def audit(found: Measures, table: GraphTable) -> None:
    """Makes sure that rows fit a table, and that none breaks a rule.

    Raises:
        StagingError: they don't fit, or a row breaks a rule.
    """
    if found.mismatch:
        raise StagingError(table.asset, found.mismatch)
    for fault, rows in found.broken.items():
        if rows:
            raise StagingError(table.asset, f"{_counted(rows)} with {fault}", found.examples[fault])


def audit_keys(duplicates: Iterable[tuple[object, ...]], table: GraphTable) -> None:
    """Makes sure that no two rows have the same key.

    Raises:
        StagingError: some do.
    """
    if examples := list(duplicates)[:EXAMPLES]:
        names = " and ".join(key.name for key in table.keys)
        raise StagingError(table.asset, f"more than one row with the same {names}", examples)


def _counted(rows: int) -> str:
    return f"{rows:,} row{'s' if rows > 1 else ''}"
