"""Parts of tables: which files and row groups a task reads, and rows that are divided by a key between tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from spotify_graph import storage
from spotify_graph.neo4j_io import buckets
from spotify_graph.neo4j_io.rows import in_files
from spotify_graph.neo4j_io.running import Runner
from spotify_graph.storage import Address

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

SPOOL = "_spool"
"""Where in a lake work that is under way keeps files that belong to no version."""
PART_ROWS = 500_000
"""About how many rows a task reads: enough to be worth starting it, and no burden on a machine's memory."""


@dataclass(frozen=True)
class Part:
    """Rows in Parquet files with the same columns.

    Attributes:
        files: the files.
        row_groups: of the only file, the row groups that count; None where all do.
    """

    files: tuple[str, ...]
    row_groups: tuple[int, ...] | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        known = list(map(_known, self.files))
        if self.row_groups is None:
            return sum(each.num_rows for each in known)
        return sum(known[0].row_group(group).num_rows for group in self.row_groups)

    def read(
        self, schema: pa.Schema | None = None, columns: Sequence[str] | None = None, where: pc.Expression = None
    ) -> pa.Table:
        """The rows.

        Args:
            schema: the files' columns; None asks the first file. Needed where there may be no file.
            columns: those that are wanted; None means all.
            where: a condition on the rows.
        """
        import pyarrow.dataset as ds

        if schema and not self.files:
            return schema.empty_table().select(columns or schema.names)
        rows = in_files(self.files, schema)
        if self.row_groups is not None:
            [fragment] = rows.get_fragments()
            some = fragment.subset(row_group_ids=self.row_groups)
            rows = ds.FileSystemDataset([some], rows.schema, fragment.format, fragment.filesystem)
        return rows.to_table(columns=list(columns or rows.schema.names), filter=where)


def divided(whole: Part) -> list[Part]:
    """Rows as parts of about PART_ROWS: small files together, large ones by row groups; at least one part."""
    parts: list[Part] = []
    together: list[str] = []
    count = 0
    for file in whole.files:
        known = _known(file)
        if known.num_rows > PART_ROWS and known.num_row_groups > 1:
            parts += [Part((file,), groups) for groups in _groups(known)]
            continue
        together.append(file)
        count += known.num_rows
        if count >= PART_ROWS:
            parts.append(Part(tuple(together)))
            together, count = [], 0
    return [*parts, Part(tuple(together))] if together or not parts else parts


def _known(file: str) -> pa.parquet.FileMetaData:
    import pyarrow as pa

    try:
        return storage.metadata(file)
    except pa.ArrowInvalid:  # which does not say of which file
        raise OSError(f"{file} is not a Parquet file") from None


def _groups(known: pa.parquet.FileMetaData) -> Iterator[tuple[int, ...]]:
    groups: list[int] = []
    count = 0
    for number in range(known.num_row_groups):
        groups.append(number)
        count += known.row_group(number).num_rows
        if count >= PART_ROWS:
            yield tuple(groups)
            groups, count = [], 0
    if groups:
        yield tuple(groups)


@contextmanager
def scratch(lake: Address) -> Iterator[Address]:
    """A folder beside the lake's entries, which every task sees and which goes in the end."""
    folder = lake / SPOOL / _new()
    storage.make_folder(folder)
    try:
        yield folder
    finally:
        storage.remove(folder)


def scratch_here(lake: Address) -> AbstractContextManager[Path]:
    """Likewise, for what is no task's: a folder of this machine, wherever the lake is."""
    return storage.work_folder(lake / SPOOL / _new())


def _new() -> str:
    return f"tmp{uuid4().hex[:8]}"


Divided = Mapping[int, str]
"""Where the rows of one part went: the file of each bucket that has rows, by its number."""


def divide(rows: pa.Table, key: str, count: int, folder: Address) -> Divided:
    """Writes rows to a file for each bucket: those with the same key are in the same bucket, whichever task has them.

    Args:
        rows: the rows.
        key: the column of strings that decides.
        count: how many buckets there are, a power of two.
        folder: where the files go.
    """
    return {bucket: save(some, folder) for bucket, some in buckets.split(rows, count, key).items()}


def by_bucket(divided: Iterable[Divided], count: int) -> list[Part]:
    """For each bucket, the rows that all parts have of it."""
    files = defaultdict[int, list[str]](list)
    for each in divided:
        for bucket, file in each.items():
            files[bucket].append(file)
    return [Part(tuple(files[bucket])) for bucket in range(count)]


def save(rows: pa.Table, folder: Address) -> str:
    """Writes rows to a new file of a folder; the file's path."""
    storage.make_folder(folder)
    file = folder / f"{uuid4().hex}.parquet"
    storage.write(rows, file)
    return str(file)


def shuffle(
    whole: Part, read: Callable[[Part], pa.Table], key: str, count: int, folder: Address, run: Runner
) -> list[Part]:
    """Rows divided anew: for each bucket a part with all rows whose key is in it.

    Args:
        whole: the rows.
        read: reads a part, in the task; leaves out what nobody needs. A partial of a function of a module.
        key: the column of strings that decides.
        count: how many buckets there are, a power of two; with one, the rows stay where they are, as they are.
        folder: where the files go.
        run: runs the tasks.
    """
    if count == 1:
        return [whole]
    return by_bucket(run(partial(_read_and_divide, read, key, count, folder), divided(whole)), count)


def _read_and_divide(read: Callable[[Part], pa.Table], key: str, count: int, folder: Address, part: Part) -> Divided:
    return divide(read(part), key, count, folder)
