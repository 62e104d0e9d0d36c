"""The Parquet lake: each asset's versions, one of them current.

`<root>/<asset>/<version>/*.parquet`, with what is known of the version in `_about.json` beside them, its files among
it, and `<root>/<asset>/CURRENT`, which holds the current version's name. The entries of an asset that is partitioned by
landed file are named `<asset>/<file>`. Versions are never changed: who holds a version's name reads the same rows for
ever.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from spotify_graph.io_managers import verdicts
from spotify_graph.io_managers.verdicts import Verdict, read_json, write_json
from spotify_graph.neo4j_io.running import Runner, in_process
from spotify_graph.parts import Part, save
from spotify_graph.transforms.arrow_types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

T = TypeVar("T")

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

GROUP_BYTES = 16 << 20
"""How large, in memory, a row group of a stream is at least: a task of Spark's reads whole ones."""

_CURRENT = "CURRENT"
_PASSED = "PASSED"
_ABOUT = "_about.json"
_CHANGES = "_changes.parquet"


@dataclass(frozen=True)
class LakeVersion:
    """One whole version of an entry of the lake.

    Attributes:
        path: the folder of its Parquet files; its name is the version's.
        about: what was recorded with it: `rows`, how many it has, and what the writer told.
    """

    path: Path
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The version's name; names sort by time."""
        return self.path.name

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.about["rows"])

    def changes_since(self, before: str) -> pa.Table | None:
        """What makes it of the version before it, as its writer kept it; None where that is another one or not kept."""
        import pyarrow.parquet as pq

        file = self.path / _CHANGES
        return pq.read_table(file) if self.about.get("before") == before and file.exists() else None

    @property
    def verdict(self) -> Verdict | None:
        """What the gates found, or None where they were not run to the end."""
        return verdicts.read(self.path)

    @property
    def files(self) -> list[Path]:
        """Its Parquet files, by their buckets where it has several."""
        names = self.about.get("files")
        return [self.path / name for name in names] if names is not None else sorted(self.path.glob("*.parquet"))

    @property
    def buckets(self) -> int:
        """In how many buckets its rows are divided by their first column, one file for each; 1 where they are not."""
        return int(self.about.get("buckets", 1))

    @property
    def part(self) -> Part:
        """All its rows."""
        return Part(tuple(map(str, self.files)))


@dataclass(frozen=True)
class Lake:
    """A folder of Parquet datasets, whose versions are switched as a whole.

    Attributes:
        root: the folder.
    """

    root: Path

    def write_parts(
        self,
        name: str,
        parts: Sequence[Callable[[], tuple[pa.Table, T]]],
        about: Mapping[str, Any] | None = None,
        *,
        run: Runner = in_process,
        buckets: int = 1,
    ) -> tuple[LakeVersion, list[T]]:
        """Computes a new version of an entry part by part, a file for each, and makes it the current one.

        The version becomes current in one rename, after all of it is written. When writing fails, the version that was
        current stays so, and what was half written is removed.

        Args:
            name: the entry; its rows may be computed from its current version.
            parts: give their rows, and whatever is counted of them; partials of functions of modules. At least one.
            about: what to record with the version, in JSON values.
            run: runs the parts.
            buckets: how many buckets the parts are; 1 where rows with the same first column may be in several.

        Returns:
            The version, and what was counted, part by part.
        """
        with self._new_version(name) as version:
            version.mkdir(parents=True)
            written = run(partial(_write_part, version), parts)
            known = {
                **(about or {}),
                "rows": sum(rows for _, rows, _ in written),
                "files": [file for file, _, _ in written],
                "buckets": buckets,
            }
            write_json(version / _ABOUT, known)
        return self.version(name, version.name), [counted for _, _, counted in written]

    def keep_changes(self, version: LakeVersion, changes: pa.Table) -> None:
        """Keeps with a version what makes it of the one before, which its `about` names as `before`."""
        import pyarrow.parquet as pq

        new = version.path / f"{_CHANGES}.new"
        pq.write_table(changes, new)
        new.replace(version.path / _CHANGES)

    def write_table(self, name: str, rows: pa.Table, about: Mapping[str, Any] | None = None) -> LakeVersion:
        """Writes rows that are in memory as a new version of an entry; otherwise like `write_parts`."""
        return self.write_parts(name, [lambda: (rows, None)], about)[0]

    def write_stream(
        self, name: str, stream: pa.RecordBatchReader, about: Mapping[str, Any] | None = None
    ) -> LakeVersion:
        """Writes rows as they come, in bounded memory and without Spark; otherwise like `write_parts`."""
        import pyarrow.parquet as pq

        with self._new_version(name) as version:
            version.mkdir(parents=True)
            rows = 0
            with pq.ParquetWriter(version / "part-00000.parquet", stream.schema) as file:
                for group in _groups(stream):
                    file.write_table(group, row_group_size=len(group))
                    rows += len(group)
            write_json(version / _ABOUT, {**(about or {}), "rows": rows})
        return self.version(name, version.name)

    @contextmanager
    def _new_version(self, name: str) -> Iterator[Path]:
        """The folder for a new version, which becomes current unless the block fails."""
        version = self.root / name / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{uuid4().hex[:8]}"
        try:
            yield version
        except BaseException:
            shutil.rmtree(version, ignore_errors=True)
            raise
        self._point(name, _CURRENT, version.name)

    def version(self, name: str, version: str) -> LakeVersion:
        """A version of an entry.

        Raises:
            FileNotFoundError: it is not there.
        """
        path = self.root / name / version
        about = read_json(path / _ABOUT)
        if about is None:
            raise FileNotFoundError(f"{name} has no version {version} in the lake at {self.root}")
        return LakeVersion(path, about)

    def current(self, name: str) -> LakeVersion:
        """An entry's current version.

        Raises:
            FileNotFoundError: the entry was never written.
        """
        version = self.find(name)
        if version is None:
            raise FileNotFoundError(f"{name} is not in the lake at {self.root} yet: materialize it first")
        return version

    def find(self, name: str) -> LakeVersion | None:
        """An entry's current version, or None where the entry was never written."""
        return self._pointed(name, _CURRENT)

    def judge(self, name: str, version: LakeVersion, verdict: Verdict) -> None:
        """Keeps the gates' verdict with a version, and remembers the last version that they let through."""
        verdicts.write(version.path, verdict)
        if verdict.holds:
            self._point(name, _PASSED, version.name)

    def passed(self, name: str) -> LakeVersion | None:
        """The last version of an entry that the gates let through, or None."""
        return self._pointed(name, _PASSED)

    def entries(self, asset: str) -> list[str]:
        """The entries of an asset that is partitioned by landed file."""
        found = sorted(path.parent.name for path in (self.root / asset).glob(f"*/{_CURRENT}"))
        return [f"{asset}/{file}" for file in found]

    def remove(self, name: str) -> None:
        """Removes an entry with all its versions, if it is there."""
        shutil.rmtree(self.root / name, ignore_errors=True)

    def _point(self, name: str, pointer: str, version: str) -> None:
        new = self.root / name / f".{pointer}.{version}"
        new.write_text(version)
        new.replace(self.root / name / pointer)

    def _pointed(self, name: str, pointer: str) -> LakeVersion | None:
        try:
            return self.version(name, (self.root / name / pointer).read_text())
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class LakeTable:
    """The rows of versions with the same columns.

    Attributes:
        versions: the versions.
        ddl: the columns, as Spark's DDL.
    """

    versions: Sequence[LakeVersion]
    ddl: str

    @property
    def rows(self) -> int:
        """How many rows they have together."""
        return sum(version.rows for version in self.versions)

    @property
    def names(self) -> list[str]:
        """The versions' names, sorted."""
        return sorted(version.name for version in self.versions)

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return arrow_schema(self.ddl)

    @property
    def part(self) -> Part:
        """All rows."""
        return Part(tuple(str(file) for version in self.versions for file in version.files))

    @property
    def parts(self) -> list[Part]:
        """The rows file by file."""
        return [Part((file,)) for file in self.part.files]

    @property
    def buckets(self) -> int:
        """In how many buckets of their first column the rows are divided: as many as the finest version has."""
        return max((version.buckets for version in self.versions), default=1)

    def read(self, columns: Sequence[str] | None = None, where: pc.Expression = None) -> pa.Table:
        """The rows, in memory.

        Args:
            columns: those that are wanted; None means all.
            where: a condition on the rows.
        """
        return self.part.read(self.schema, columns, where)

    def changes_since(self, before: Sequence[str]) -> pa.Table | None:
        """What makes it of an earlier version, as its writer kept it; None where that was not the one before."""
        if len(self.versions) != 1 or len(before) != 1:
            return None
        return self.versions[0].changes_since(before[0])

    def came_since(self, before: Sequence[str]) -> Part | None:
        """The rows of the versions that came since there were others; None where some of those went."""
        if not set(before) <= set(self.names):
            return None
        came = [version for version in self.versions if version.name not in before]
        return Part(tuple(str(file) for version in came for file in version.files))


def arrow_schema(ddl: str) -> pa.Schema:
    """The columns that Spark's DDL declares, for Arrow."""
    import pyarrow as pa

    declared = [column.split(" ") for column in ddl.split(", ")]
    return pa.schema([(name, arrow_type(type_)) for name, type_ in declared])


def _write_part(folder: Path, part: Callable[[], tuple[pa.Table, T]]) -> tuple[str, int, T]:
    rows, counted = part()
    return Path(save(rows, folder)).name, rows.num_rows, counted


def _groups(stream: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The rows of a stream as row groups, each worth a task of Spark's."""
    import pyarrow as pa

    pending: list[pa.RecordBatch] = []
    for batch in stream:
        pending.append(batch)
        if sum(each.nbytes for each in pending) >= GROUP_BYTES:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)
