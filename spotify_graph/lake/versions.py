"""Versions: the rows of an entry of the lake as they were written once, with all that is known of them.

A version is a folder `<root>/<entry>/<version>` with the rows in Parquet files, and one record, `_version.json`, in
which stands everything that is known of it. The rows never change; of the record, what gates and people decide may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from spotify_graph.lake import documents, keyed
from spotify_graph.lake.keyed import Keyed, KeyedTable
from spotify_graph.lake.verdicts import Verdict
from spotify_graph.parts import Part
from spotify_graph.storage import Address
from spotify_graph.times import utc
from spotify_graph.transforms.arrow_types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

_RECORD = "_version.json"


@dataclass(frozen=True)
class MadeFrom:
    """What a version was made from: where that is the same again, there is nothing to compute.

    Attributes:
        code: names the code that it depends on.
        inputs: the versions that it was computed from, by the entries of the lake that they are of.
        settings: what the code was told, in JSON values.
    """

    code: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """The content of a landed file.

    Attributes:
        digest: the SHA-256 of its bytes, in hexadecimal.
        bytes: its size.
    """

    digest: str
    bytes: int


def _now() -> str:
    return utc(datetime.now(UTC), "microseconds")


@dataclass(frozen=True)
class Record:
    """Everything that is known of a version.

    Attributes:
        rows: how many rows it has.
        files: the names of its Parquet files, by their buckets where it has several; none where what it is of could
            not be read.
        buckets: in how many buckets its rows are divided by their first column, a file for each; 1 where they are not.
        made_from: what it was made from.
        content: the landed file's content that it holds, or None.
        counts: what was counted of it, by name.
        verdict: what the gates found, or None where it has none.
        tables: its rows, where it has tables with keys in place of files.
        before: the version before it, where what makes its tables of that one's is kept with it.
        details: what nobody but the asset that wrote it reads, in JSON values.
        created: when it was written, in ISO 8601 and UTC.
    """

    rows: int = 0
    files: tuple[str, ...] = ()
    buckets: int = 1
    made_from: MadeFrom = MadeFrom()
    content: Content | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    verdict: Verdict | None = None
    tables: Mapping[str, Keyed] = field(default_factory=dict)
    before: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    created: str = field(default_factory=_now)

    @property
    def holds(self) -> bool:
        """Whether no gate keeps it out of what is computed from it."""
        return self.verdict is None or self.verdict.holds

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        """The record that `asdict` gave."""
        return cls(
            **{
                **known,
                "files": tuple(known["files"]),
                "tables": {name: Keyed.from_json(it) for name, it in known.get("tables", {}).items()},
                "made_from": MadeFrom(**known["made_from"]),
                "content": Content(**known["content"]) if known["content"] else None,
                "verdict": Verdict.from_json(known["verdict"]) if known["verdict"] else None,
            }
        )


def _record(file: Address) -> Record:
    """The record in a file.

    Raises:
        FileNotFoundError: there is none.
    """
    if not isinstance(file, Path):  # a store's times say too little
        return _read(file)
    status = file.stat()
    return _known(file, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=4_096)
def _known(file: Path, _inode: int, _mtime_ns: int) -> Record:
    """A record as it is in its file, which is put in place of the one before: a sensor looks at all of them often."""
    return _read(file)


def _read(file: Address) -> Record:
    known = documents.read(file)
    if known is None:
        raise FileNotFoundError(file)
    return Record.from_json(known)


@dataclass(frozen=True)
class Version:
    """One whole version of an entry of the lake.

    Attributes:
        path: its folder; its name is the version's, and names sort by time.
        record: what is known of it.
    """

    path: Address
    record: Record

    @classmethod
    def load(cls, path: Address) -> Self:
        """The version in a folder.

        Raises:
            FileNotFoundError: there is none, or a file of its tables is missing.
        """
        try:
            record = _record(path / _RECORD)
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no version {path.name} in {path.parent}") from None
        for table in record.tables.values():
            if lost := [file for file in (*table.files, *table.changes) if not (path.parent / file).is_file()]:
                raise FileNotFoundError(f"{path} has lost {lost[0]}")
        return cls(path, record)

    def save(self) -> Self:
        """Writes its record."""
        documents.write(self.path / _RECORD, asdict(self.record))
        return self

    def but(self, **changes: Any) -> Self:
        """The same rows with another record, which is written."""
        return replace(self, record=replace(self.record, **changes)).save()

    @property
    def name(self) -> str:
        """The version's name."""
        return self.path.name

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.record.rows

    @property
    def verdict(self) -> Verdict | None:
        """What the gates found, or None where it has none."""
        return self.record.verdict

    @property
    def files(self) -> list[Address]:
        """Its Parquet files."""
        return [self.path / name for name in self.record.files]

    @property
    def part(self) -> Part:
        """All its rows."""
        return Part(tuple(map(str, self.files)))

    def table(self, name: str) -> KeyedTable:
        """A table of its."""
        return keyed.table(self.record.tables[name], self.path.parent)

    def changes_since(self, before: str, table: str) -> pa.Table | None:
        """What makes a table of that of a version before; None where that is not known any more."""
        known = self.record.tables.get(table)
        if known is None or known.change is None:
            return None
        since: tuple[str, ...] = (known.change,)
        if before != self.record.before:
            versions = [file.split("/")[0] for file in (known.files[0], *known.changes)]
            if before not in versions[:-1]:
                return None
            since = known.changes[versions.index(before) :]
        return keyed.together([str(self.path.parent / file) for file in since], known.keys)


@dataclass(frozen=True)
class LakeTable:
    """The rows of versions with the same columns.

    Attributes:
        versions: the versions, by the entries of the lake that they are of.
        ddl: the columns, as Spark's DDL.
    """

    versions: Mapping[str, Version]
    ddl: str

    @property
    def rows(self) -> int:
        """How many rows they have together."""
        return sum(version.rows for version in self.versions.values())

    @property
    def names(self) -> dict[str, str]:
        """The versions' names, by the entries that they are of."""
        return {entry: version.name for entry, version in self.versions.items()}

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return arrow_schema(self.ddl)

    @property
    def part(self) -> Part:
        """All rows."""
        return together(self.versions.values())

    def read(self, columns: Sequence[str] | None = None, where: pc.Expression = None) -> pa.Table:
        """The rows, in memory.

        Args:
            columns: those that are wanted; None means all.
            where: a condition on the rows.
        """
        for entry, version in self.versions.items():
            if version.record.tables:
                return version.table(entry).read(columns or self.schema.names, where)
        return self.part.read(self.schema, columns, where)

    def table(self, name: str) -> KeyedTable:
        """A table of the only version."""
        [version] = self.versions.values()
        return version.table(name)

    def changes_since(self, before: MadeFrom, table: str) -> pa.Table | None:
        """What makes a table of the only version of that which something was made from; None where it isn't known."""
        [(entry, version)] = self.versions.items()
        return version.changes_since(before.inputs.get(entry, ""), table)


def together(versions: Iterable[Version]) -> Part:
    """The rows of several versions."""
    return Part(tuple(str(file) for version in versions for file in version.files))


def inputs_of(tables: Iterable[LakeTable]) -> dict[str, str]:
    """The versions that tables are, by the entries of the lake that they are of."""
    return {entry: version for table in tables for entry, version in table.names.items()}


def arrow_schema(ddl: str) -> pa.Schema:
    """The columns that Spark's DDL declares, for Arrow."""
    import pyarrow as pa

    declared = [column.split(" ") for column in ddl.split(", ")]
    return pa.schema([(name, arrow_type(type_)) for name, type_ in declared])
