"""Landed files as raw records: which files there are, which of them cannot be taken in, and what is in the others.

Spark's own CSV reader loses rows silently in too many ways; `records` holds the reader that is used here. It runs in
the process that takes a file in, without Spark: that reads the file through anyway, and is done before Spark is there.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import stat
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, LongType, StringType, StructField, StructType

from spotify_graph.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: with NumPy it takes half a second, and definitions are loaded often.

_HEADER_BYTES = 1 << 16  # no header is longer; a file without line breaks is not read whole to find that out
_GZIP_BYTES = 1 << 20


@dataclass(frozen=True)
class LandedTable:
    """A kind of file in the landing folder.

    Attributes:
        name: what its rows are.
        patterns: its files' names, in shell style, case-sensitive.
        columns: the columns that its header must name, in any order.
        optional_columns: the columns that its header may name.
    """

    name: str
    patterns: tuple[str, ...]
    columns: tuple[str, ...]
    optional_columns: tuple[str, ...] = ()

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The columns of its raw records, in order."""
        return (*self.columns, *self.optional_columns)


TRACKS = LandedTable(
    "tracks",
    ("tracks*.csv", "tracks*.csv.gz"),
    ("track_id", "artist", "album", "duration_ms", "genre"),
    ("title",),
)
USER_EVENTS = LandedTable(
    "user_events",
    ("user_events*.csv", "user_events*.csv.gz"),
    ("user_id", "track_id", "event_type", "event_ts", "session_id", "device"),
)


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be taken in.

    Attributes:
        file: its name.
        reason: why, in one line.
    """

    file: str
    reason: str


_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)


def name_fault(name: str) -> str | None:
    """Why a file of this name is not taken in, or None. The name becomes a folder of the lake and a partition's key."""
    if _FILE_NAME.fullmatch(name):
        return None
    return "rename it: a name has letters, digits, dots, dashes and underscores, no dot first, and at most 128 of them"


def check_name(name: str) -> str:
    """The name, if it is fit to be a partition's key and a folder of the lake.

    Raises:
        UserError: it isn't.
    """
    if fault := name_fault(name):
        raise UserError(f"{shown_name(name)!r}: {fault}")
    return name


def shown_name(name: str) -> str:
    """A file's name in printable characters."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character)[0] == "C" else character for character in text
    )


class _HeaderError(ValueError):
    """Why a file's first line is not the header of its table."""


def landed_files(folder: Path, table: LandedTable) -> list[Path]:
    """The table's files in the landing folder, sorted by name; `inspect` says which of them can be read.

    Files that are still being written (*.tmp, *.part, dotfiles) do not match a table's patterns.

    Raises:
        UserError: there is no such folder, or it cannot be listed.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise UserError(
            f"The landing folder {folder} cannot be read ({error.strerror}): point SPOTIFY_GRAPH_LANDING to the folder "
            "that your logs land in, or write sample logs with `spotify-graph generate`."
        ) from None
    return [folder / name for name in sorted(names) if any(fnmatchcase(name, pattern) for pattern in table.patterns)]


def inspect(path: Path, folder: Path, table: LandedTable) -> BadFile | None:
    """Looks whether a landed file can be taken in, without looking at its rows. A .gz is read through once.

    Returns:
        What is wrong with it, or None.
    """
    try:
        reason = _fault(path, folder, table)
    except _HeaderError as error:
        reason = str(error)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        reason = f"it cannot be read: {getattr(error, 'strerror', None) or error}"
    return BadFile(shown_name(path.name), reason) if reason else None


def place_fault(path: Path, folder: Path) -> str | None:
    """Why a file is not to be opened, whatever it holds, or None: its name, a link that leaves the folder, a device."""
    if fault := name_fault(path.name):
        return fault
    if not path.resolve(strict=True).is_relative_to(folder.resolve(strict=True)):
        return "it is a link that leaves the landing folder"
    if not stat.S_ISREG(path.stat().st_mode):
        return "it is not a regular file"
    return None


def digest(path: Path) -> str:
    """The SHA-256 of a landed file's bytes, in hexadecimal; of why it can't be opened, where it can't.

    Raises:
        FileNotFoundError: there is no such file.
    """
    try:
        if fault := place_fault(path, path.parent):
            return _digest_of(f"{fault} {path.readlink() if path.is_symlink() else ''}")
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        if path.is_symlink():
            return _digest_of(f"a link to nothing, {path.readlink()}")
        raise
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        return _digest_of(str(error))


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _fault(path: Path, folder: Path, table: LandedTable) -> str | None:
    if fault := place_fault(path, folder):
        return fault
    if path.stat().st_size == 0:
        return f"it is empty: the header is missing, {','.join(table.columns)}"
    if path.suffix == ".gz" and (reason := _gzip_fault(path)):
        return reason
    with _open(path) as stream:
        _read_header(stream, table)
    return None


def _gzip_fault(path: Path) -> str | None:
    try:
        with gzip.open(path) as stream:
            while stream.read(_GZIP_BYTES):
                pass
    except EOFError:
        return "its gzip data is truncated"
    except (gzip.BadGzipFile, zlib.error) as error:
        return f"its gzip data is corrupt: {error}"
    return None


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read_header(stream: BinaryIO, table: LandedTable) -> list[str]:
    """The columns that the first line names, in its order.

    Raises:
        _HeaderError: the line is not the table's header.
    """
    from spotify_graph.transforms.records import fields_of

    line = stream.readline(_HEADER_BYTES).removeprefix(b"\xef\xbb\xbf")
    try:
        fields = fields_of(line)
        names = [field.decode().strip() for field in fields or ()]
    except UnicodeDecodeError:
        raise _HeaderError("its header is not UTF-8") from None
    expected = ",".join(table.columns)
    if not any(names):
        raise _HeaderError(f"the header is missing: the first line should be {expected}")
    faults = {
        "missing": [name for name in table.columns if name not in names],
        "unknown": [repr(name[:64]) for name in dict.fromkeys(names) if name not in table.all_columns],
        "twice": [name for name in table.all_columns if names.count(name) > 1],
    }
    if any(faults.values()):
        found = "; ".join(f"{fault}: {', '.join(culprits[:6])}" for fault, culprits in faults.items() if culprits)
        raise _HeaderError(f"its header is not {expected} ({found})")
    return names


def read_landed(path: Path, table: LandedTable) -> pa.RecordBatchReader:
    r"""Reads a file that `inspect` found nothing wrong with, as its batches are asked for, in bounded memory.

    Args:
        path: the file.
        table: what it holds.

    Returns:
        One row for each record, in their order: file (its name), line (of the record's first physical line; the header
        is line 1), malformed (not a record of the header's width), bad_encoding (not UTF-8; such bytes appear as
        `\xNN`), raw (its text without the line end; null where `raw_text` restores it), and the table's columns as
        strings, null where malformed or where the file lacks an optional column.

    Raises:
        ValueError: the file's header is not the table's.
        OSError: it cannot be read; for a .gz also EOFError and zlib.error.
    """
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(_arrow_schema(table), _records(path, table))


def _records(path: Path, table: LandedTable) -> Iterator[pa.RecordBatch]:
    from spotify_graph.transforms.records import scan

    with _open(path) as stream:
        header = _read_header(stream, table)
        for batch in scan(stream, header, first_line=2):
            yield _as_table(batch, path.name, header, table)


def raw_text(table: LandedTable) -> Column:
    """The exact text of a raw record, as a column over `read_landed`'s."""
    # concat_ws skips nulls: an optional column that the file lacks.
    return F.coalesce(F.col("raw"), F.concat_ws(",", *table.all_columns))


def raw_schema(table: LandedTable) -> StructType:
    """The columns of `read_landed`."""
    return StructType(
        [
            StructField("file", StringType()),
            StructField("line", LongType()),
            StructField("malformed", BooleanType()),
            StructField("bad_encoding", BooleanType()),
            StructField("raw", StringType()),
            *(StructField(column, StringType()) for column in table.all_columns),
        ]
    )


def _arrow_schema(table: LandedTable) -> pa.Schema:
    import pyarrow as pa

    kinds = {"line": pa.int64(), "malformed": pa.bool_(), "bad_encoding": pa.bool_()}
    return pa.schema([(field.name, kinds.get(field.name, pa.string())) for field in raw_schema(table)])


def _as_table(batch: pa.RecordBatch, file: str, header: Sequence[str], table: LandedTable) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    raw = batch.column("raw")
    if header != [column for column in table.all_columns if column in header]:
        raw = pc.coalesce(raw, pc.binary_join_element_wise(*(batch.column(column) for column in header), ","))
    columns = {
        "file": pa.repeat(file, batch.num_rows),
        **{name: batch.column(name) for name in ("line", "malformed", "bad_encoding")},
        "raw": raw,
        **{
            name: batch.column(name) if name in header else pa.nulls(batch.num_rows, pa.string())
            for name in table.all_columns
        },
    }
    return pa.RecordBatch.from_pydict(columns)
