"""The Parquet lake: entries, their versions, and the manifest that names those that belong together.

An entry is an asset, or `<asset>/<file>` where an asset is partitioned by landed file. Its versions are written first,
and seen once they are put into the manifest, together with what belongs to them. Versions are never changed: who holds
a version's name reads the same rows for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from spotify_graph import storage
from spotify_graph.errors import UserError
from spotify_graph.lake import keyed, manifest
from spotify_graph.lake.manifest import Manifest
from spotify_graph.lake.versions import Record, Version
from spotify_graph.neo4j_io.running import Runner, in_process
from spotify_graph.parts import save
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

GROUP_BYTES = 16 << 20
"""How large, in memory, a row group of a stream is at least: a task of Spark's reads whole ones."""


@dataclass(frozen=True)
class Lake:
    """A folder of tables in versions.

    Attributes:
        root: the folder.
        pinned: the manifest that is read; None means the newest one, at each look.
    """

    root: Address
    pinned: Manifest | None = None

    def pin(self) -> Lake:
        """The lake as it is now, whatever others put into it from now on."""
        return Lake(self.root, self.manifest)

    @property
    def manifest(self) -> Manifest:
        """The manifest that is read."""
        return self.pinned or manifest.newest(self.root)

    def write_parts(
        self,
        name: str,
        parts: Sequence[Callable[[], tuple[pa.Table, T]]],
        record: Record | None = None,
        *,
        run: Runner = in_process,
        buckets: int = 1,
    ) -> tuple[Version, list[T]]:
        """Computes a new version of an entry part by part, a file for each. It is seen once it is `put`.

        When writing fails, what was half written is removed.

        Args:
            name: the entry; its rows may be computed from versions of its own.
            parts: give their rows, and whatever is counted of them; partials of functions of modules.
            record: what is known of the version already.
            run: runs the parts.
            buckets: how many buckets the parts are; 1 where rows with the same first column may be in several.

        Returns:
            The version, and what was counted, part by part.
        """
        with self._new_version(name) as folder:
            written = run(partial(_write_part, folder), parts)
            version = Version(folder, record or Record()).but(
                rows=sum(rows for _, rows, _ in written), files=tuple(file for file, _, _ in written), buckets=buckets
            )
        return version, [counted for _, _, counted in written]

    def write_table(self, name: str, rows: pa.Table, record: Record | None = None) -> Version:
        """Writes rows that are in memory as a new version of an entry; otherwise like `write_parts`."""
        return self.write_parts(name, [lambda: (rows, None)], record)[0]

    def write_stream(self, name: str, stream: pa.RecordBatchReader, record: Record | None = None) -> Version:
        """Writes rows as they come, in bounded memory and without Spark; otherwise like `write_parts`."""
        with self._new_version(name) as folder:
            rows, file = 0, folder / "part-00000.parquet"
            with storage.writer(file, stream.schema) as writer:
                for group in _groups(stream):
                    writer.write_table(group, row_group_size=len(group))
                    rows += len(group)
            return Version(folder, record or Record()).but(rows=rows, files=(file.name,))

    def write_nothing(self, name: str, record: Record) -> Version:
        """Writes a version of what could not be read: it has a record, and no rows."""
        with self._new_version(name) as folder:
            return Version(folder, record).save()

    @contextmanager
    def _new_version(self, name: str) -> Iterator[Address]:
        folder = self._folder(name) / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{uuid4().hex[:8]}"
        storage.make_folder(folder)
        try:
            yield folder
        except BaseException:
            storage.remove(folder)
            raise

    def put(self, versions: Mapping[str, Version], *, without: Sequence[str] = ()) -> None:
        """Lets everybody see new versions, all at once: the latest of their entries, and the active ones if they hold.

        Args:
            versions: the versions, by their entries.
            without: entries that go with this.
        """

        def make(now: Manifest) -> Manifest:
            for name, version in versions.items():
                now = now.put(name, version.name, holds=version.record.holds)
            return now.without(*without)

        self.change(make)

    def change(self, make: Callable[[Manifest], Manifest]) -> Manifest:
        """Makes a change of the manifest; `make` is called again where another writer was faster."""
        return manifest.change(self.root, make)

    def version(self, name: str, version: str) -> Version:
        """A version of an entry.

        Raises:
            FileNotFoundError: it is not there.
        """
        return Version.load(self._folder(name) / version)

    def _folder(self, name: str) -> Address:
        # Whoever names a file or a partition names an entry, too.
        if any(part in {"", ".", ".."} for part in name.split("/")):
            raise UserError(f"{name!r} is no entry of the lake: it would lie outside")
        return self.root / name

    def latest(self, name: str) -> Version:
        """The version of an entry that was written last.

        Raises:
            FileNotFoundError: the entry was never written.
        """
        version = self.find(name)
        if version is None:
            raise FileNotFoundError(f"{name} is not in the lake at {self.root} yet: materialize it first")
        return version

    def find(self, name: str) -> Version | None:
        """The version of an entry that was written last, or None where the entry was never written."""
        named = self.manifest.entries.get(name)
        return self._kept(name, named.latest) if named else None

    def active(self, name: str) -> Version | None:
        """The version of an entry that others are computed from, or None."""
        named = self.manifest.entries.get(name)
        return self._kept(name, named.active) if named and named.active else None

    def _kept(self, name: str, version: str) -> Version | None:
        # What somebody deleted of a table is computed anew.
        with suppress(FileNotFoundError):
            return self.version(name, version)
        return None

    def files(self, asset: str) -> list[str]:
        """The landed files that there are entries of, of an asset that is partitioned by them."""
        return list(self.manifest.of(asset))

    def write_tables(
        self,
        name: str,
        main: str,
        parts: Sequence[Callable[[], tuple[pa.Table, T]]],
        others: Callable[[list[T]], Mapping[str, pa.Table]],
        keys: Mapping[str, Sequence[str]],
        record: Record,
        *,
        run: Runner = in_process,
    ) -> tuple[Version, list[T]]:
        """Computes a new version of tables with keys part by part; otherwise like `write_parts`.

        Args:
            name: the entry.
            main: the table that the parts are of, bucket by bucket.
            parts: give its rows, and whatever is counted of them.
            others: gives the rows of the other tables from what was counted.
            keys: the key columns of each table.
            record: what is known of the version already.
            run: runs the parts.
        """
        with self._new_version(name) as folder:
            written = run(partial(_write_part, folder), parts)
            counted = [it for _, _, it in written]
            rows = sum(each for _, each, _ in written)
            tables = {main: keyed.begin([file for file, _, _ in written], rows, keys[main], folder)}
            for other, table in others(counted).items():
                tables[other] = keyed.write(table, keys[other], folder)
            return Version(folder, record).but(rows=rows, tables=tables), counted

    def revise_tables(
        self,
        name: str,
        main: str,
        before: Version,
        changes: Mapping[str, pa.Table],
        record: Record,
        *,
        run: Runner = in_process,
    ) -> Version:
        """Writes what changes make of a version's tables as a new version; it is seen once it is `put`.

        Args:
            name: the entry.
            main: the table whose rows are the version's.
            before: the version.
            changes: what changes in each table.
            record: what is known of the new version already.
            run: folds changes into the tables, where that is due.
        """
        with self._new_version(name) as folder:
            known = before.record.tables
            tables = {table: keyed.revise(known[table], change, folder, run) for table, change in changes.items()}
            return Version(folder, record).but(rows=tables[main].rows, tables=tables, before=before.name)


def _write_part(folder: Address, part: Callable[[], tuple[pa.Table, T]]) -> tuple[str, int, T]:
    rows, counted = part()
    return storage.at(save(rows, folder)).name, rows.num_rows, counted


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
