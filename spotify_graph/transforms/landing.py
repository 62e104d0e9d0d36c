"""Landed files as raw records: which of them cannot be taken in, and what is in the others.

Spark's own CSV reader loses rows silently in too many ways; `records` holds the reader that is used here. It runs in
the process that takes a file in, without Spark: that reads the file through anyway, and is done before Spark is there.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import os
import re
import shutil
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from spotify_graph.errors import UserError
from spotify_graph.transforms.landed_files import LandedTable, name_fault, path_fault, shown_name

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: with NumPy it takes half a second, and definitions are loaded often.

_HEADER_BYTES = 1 << 16  # no header is longer; a file without line breaks is not read whole to find that out
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be taken in.

    Attributes:
        file: its name.
        reason: why, in one line.
    """

    file: str
    reason: str


class _HeaderError(ValueError):
    """Why a file's first line is not the header of its table."""


def inspect(path: Path, folder: Path, table: LandedTable) -> BadFile | None:
    """Looks whether a landed file can be taken in, without looking at its rows. A compressed one is read through once.

    Args:
        path: the file, or a copy of it, which has its key for a name.
        folder: the folder that it is in.
        table: what it holds.

    Returns:
        What is wrong with it, or None.
    """
    try:
        reason = _fault(path, folder, table)
    except _HeaderError as error:
        reason = str(error)
    except (OSError, RuntimeError) as error:
        reason = _unreadable(error)
    return BadFile(shown_name(path.name), reason) if reason else None


_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO}
"""The errors that say something about a file. A full disk, one that fails, or too many open files say nothing."""


def _unreadable(error: OSError | RuntimeError) -> str:
    """Why a file can't be read, where that is the file's fault.

    Raises:
        OSError: it is not.
    """
    if isinstance(error, RuntimeError):  # which links in a circle are before Python 3.13
        return f"it cannot be read: {os.strerror(errno.ELOOP)}"
    if error.errno not in {None, *_OF_THE_FILE}:
        raise error
    return f"it cannot be read: {error.strerror or error}"


_TRIES = 3


def copy_landed(path: Path, folder: Path, copy: Path) -> str | None:
    """Copies a landed file, so that nothing that happens in the landing folder meanwhile changes what is read.

    A file that is changed or replaced while it is copied is copied again.

    Args:
        path: the file.
        folder: the landing folder.
        copy: where the copy goes.

    Returns:
        Why it can't be copied, where that is the file's fault; or None.

    Raises:
        FileNotFoundError: it is not there any more.
        UserError: it kept being written to.
        OSError: something failed that says nothing about the file, such as a full disk.
    """
    for _ in range(_TRIES):
        try:
            if fault := place_fault(path, folder):
                return fault
            source = path.open("rb")
        except (OSError, RuntimeError) as error:
            if not os.path.lexists(path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
            return _unreadable(error)
        with source, copy.open("wb") as target:
            before = os.fstat(source.fileno())
            shutil.copyfileobj(source, target, _BLOCK_BYTES)
        # By then it may also be gone, or a link to somewhere else.
        with suppress(OSError, RuntimeError):
            if not place_fault(path, folder) and _same(before, path.stat()):
                return None
    raise UserError(f"{shown_name(path.name)} is being written to: it is taken in once it stays as it is")


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file is the same one, and nobody wrote to it meanwhile."""
    told = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    return all(getattr(before, name) == getattr(after, name) for name in told)


def place_fault(path: Path, folder: Path) -> str | None:
    """Why a file is not to be opened, whatever it holds, or None: its name, a link that leaves the folder, a device."""
    return path_fault(path.relative_to(folder).as_posix()) or _entry_fault(path, folder)


def _entry_fault(path: Path, folder: Path) -> str | None:
    if not path.resolve(strict=True).is_relative_to(folder.resolve(strict=True)):
        return "it is a link that leaves the landing folder"
    if not stat.S_ISREG(path.stat().st_mode):
        return "it is not a regular file"
    return None


def digest(path: Path, folder: Path | None = None, *, lasting: bool = False) -> str:
    """The SHA-256 of a landed file's bytes, in hexadecimal; of why it can't be opened, where it can't.

    Args:
        path: the file.
        folder: the landing folder; None where that is the one that the file is in.
        lasting: whether it is to hold until the file is changed: what says nothing about the file is an error then.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: something failed that says nothing about the file, and the digest was to be a lasting one.
    """
    try:
        if fault := place_fault(path, folder or path.parent):
            return _digest_of(f"{fault} {path.readlink() if path.is_symlink() else ''}")
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        if path.is_symlink():
            return _digest_of(f"a link to nothing, {path.readlink()}")
        raise
    except (OSError, RuntimeError) as error:
        if lasting:
            _unreadable(error)
        return _digest_of(str(error))


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _fault(path: Path, folder: Path, table: LandedTable) -> str | None:
    if fault := name_fault(path.name) or _entry_fault(path, folder):
        return fault
    if path.stat().st_size == 0:
        return f"it is empty: the header is missing, {','.join(table.columns)}"
    if fault := _content_fault(path):
        return fault
    if fault := _compression_fault(path):
        return fault
    with _open(path) as stream:
        _read_header(stream, table)
    return None


class _Compression(NamedTuple):
    """How a file may be compressed: what it is called, the name's end, and how its content begins."""

    name: str
    suffix: str
    magic: bytes


_COMPRESSIONS = (
    _Compression("gzip", ".gz", b"\x1f\x8b"),
    _Compression("bz2", ".bz2", b"BZh"),
    _Compression("zstd", ".zst", b"\x28\xb5\x2f\xfd"),
)
_ARCHIVES = {b"PK\x03\x04": "a zip archive", b"PK\x05\x06": "a zip archive", b"\xfd7zXZ\x00": "xz data"}


def _compression(path: Path) -> _Compression | None:
    """What the name says."""
    return next((it for it in _COMPRESSIONS if path.suffix.lower() == it.suffix), None)


def _content_fault(path: Path) -> str | None:
    """What the content is, where its first bytes say plainly that it isn't what the name says."""
    with path.open("rb") as stream:
        start = stream.read(8)
    said, found = _compression(path), next((it for it in _COMPRESSIONS if start.startswith(it.magic)), None)
    if found and found != said:
        stem = path.name[: -len(said.suffix)] if said else path.name
        return f"it is {found.name} data: rename it to {stem}{found.suffix}"
    for magic, what in _ARCHIVES.items():
        if start.startswith(magic):
            return f"it is {what}: unpack it"
    return None


def _compression_fault(path: Path) -> str | None:
    said = _compression(path)
    if said is None:
        return None
    try:
        if said.suffix == ".bz2":
            _read_bz2_through(path)
        else:
            with _open(path) as stream:
                while stream.read(_BLOCK_BYTES):
                    pass
    except EOFError:
        return f"its {said.name} data is truncated"
    except (zlib.error, OSError) as error:
        if getattr(error, "errno", None) is not None:  # the disk's fault, and not the data's
            raise
        truncated = "truncated" in str(error).lower()
        return f"its {said.name} data is truncated" if truncated else f"its {said.name} data is corrupt: {error}"
    return None


def _read_bz2_through(path: Path) -> None:
    """Reads a file through, for its reader takes what is damaged behind the first stream for the end of the file.

    Raises:
        OSError: the data is damaged.
        EOFError: the last stream doesn't end.
    """
    with path.open("rb") as file:
        stream = bz2.BZ2Decompressor()
        while block := file.read(_BLOCK_BYTES):
            while block:
                if stream.eof:
                    stream = bz2.BZ2Decompressor()
                stream.decompress(block, _BLOCK_BYTES)
                while not (stream.eof or stream.needs_input):
                    stream.decompress(b"", _BLOCK_BYTES)
                block = stream.unused_data
        if not stream.eof:
            raise EOFError


def _open(path: Path) -> BinaryIO:
    """The file's text."""
    match _compression(path):
        case None:
            return path.open("rb")
        case _Compression(suffix=".gz"):
            return cast("BinaryIO", gzip.open(path))
        case _Compression(suffix=".bz2"):
            return cast("BinaryIO", bz2.open(path))
    import pyarrow as pa

    return cast("BinaryIO", BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"), _BLOCK_BYTES))


@dataclass(frozen=True)
class _Header:
    """A file's first line.

    Attributes:
        fields: a name for each field, in order: the column's, or one that no column has.
        unknown: how the columns are spelled that are left aside.
    """

    fields: Sequence[str]
    unknown: Sequence[str]


def unknown_columns(path: Path, table: LandedTable) -> Sequence[str]:
    """The columns of a file that `inspect` found nothing wrong with which are left aside, as its header spells them."""
    with _open(path) as stream:
        return _read_header(stream, table).unknown


def _read_header(stream: BinaryIO, table: LandedTable) -> _Header:
    """The columns that the first line names, in its order. Names are compared trimmed and without case.

    Raises:
        _HeaderError: the line is not the table's header.
    """
    from spotify_graph.transforms.records import fields_of

    line = stream.readline(_HEADER_BYTES)
    known = table.all_columns
    if reason := _plain_fault(line, known):
        raise _HeaderError(reason)
    try:
        spelled = [_trimmed(field.decode()) for field in fields_of(line.removeprefix(_BOM)) or ()]
    except UnicodeDecodeError:
        raise _HeaderError("its header is not UTF-8") from None
    names = [name.casefold() for name in spelled]
    expected = ",".join(table.columns)
    if not any(names):
        raise _HeaderError(f"the header is missing: the first line should be {expected}")
    unknown = [name for name, folded in zip(spelled, names, strict=True) if folded not in known]
    missing = [name for name in table.columns if name not in names]
    faults = {
        "missing": missing,
        "unknown": [repr(name[:64]) for name in dict.fromkeys(unknown)] if missing else [],
        "twice": [name for name in known if names.count(name) > 1],
    }
    if any(faults.values()):
        found = "; ".join(f"{fault}: {', '.join(culprits[:6])}" for fault, culprits in faults.items() if culprits)
        raise _HeaderError(f"its header is not {expected} ({found})")
    # No column's name has a space in it.
    fields = [name if name in known else f"field {place}" for place, name in enumerate(names)]
    return _Header(fields, unknown)


_BOM = b"\xef\xbb\xbf"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def _plain_fault(line: bytes, known: Sequence[str]) -> str | None:
    """What a first line says plainly that the file is, where that isn't comma-separated UTF-8; or None."""
    if line.startswith((b"\xff\xfe", b"\xfe\xff")) or line[:64].count(b"\x00") * 3 > len(line[:64]):
        crashed = "it begins with nothing but NUL bytes, as a crash leaves a file: land it again"
        return "it is UTF-16: save it as UTF-8" if line.strip(b"\x00") else crashed
    text = line.removeprefix(_BOM).decode(errors="replace")
    if text.lstrip('"').lower().startswith("sep="):
        return f"its first line is {_trimmed(text)[:16]!r}, which is for spreadsheets: take it out"
    for separator, what in _SEPARATORS.items():
        names = [_trimmed(_trimmed(name).strip('"')).casefold() for name in text.split(separator)]
        if len(names) > 1 and len(set(known).intersection(names)) > 1:
            return f"it is separated by {what}: save it with commas"
    if "\r" in text.removesuffix("\n").rstrip("\r"):
        return "its lines end in CR alone: save it with LF or CRLF"
    if len(line) == _HEADER_BYTES:
        return f"its first line is longer than {_HEADER_BYTES:,} bytes"
    return None


def _trimmed(name: str) -> str:
    return re.sub(r"\A[\s\ufeff]+|[\s\ufeff]+\Z", "", name)


def read_landed(path: Path, table: LandedTable) -> pa.RecordBatchReader:
    r"""Reads a file that `inspect` found nothing wrong with, as its batches are asked for, in bounded memory.

    Args:
        path: the file.
        table: what it holds.

    Returns:
        One row for each record, in their order: file (its name), line (of the record's first physical line; the header
        is line 1), malformed (not a record of the header's width), bad_encoding (not UTF-8; such bytes appear as
        `\xNN`), raw (its text without the line end, of a line that is too long its beginning; null where `raw_text`
        restores it), and the table's columns as strings, null where malformed or where the file lacks an optional
        column.

    Raises:
        ValueError: the file's header is not the table's.
        OSError: it cannot be read; for a .gz also EOFError and zlib.error.
    """
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(raw_schema(table), _records(path, table))


def _records(path: Path, table: LandedTable) -> Iterator[pa.RecordBatch]:
    from spotify_graph.transforms.records import scan

    with _open(path) as stream:
        header = _read_header(stream, table).fields
        for batch in scan(stream, header, first_line=2):
            yield _as_table(batch, path.name, header, table)


def raw_text(records: pa.Table | pa.RecordBatch, table: LandedTable) -> pa.ChunkedArray | pa.Array:
    """The exact text of raw records, of `read_landed`."""
    import pyarrow.compute as pc

    first, *others = (records[name] for name in table.all_columns)
    # An optional column that the file lacks is null, and has no comma. A row of nothing but nulls would be left out.
    fields = (pc.fill_null(first, ""), *others)
    return pc.coalesce(records["raw"], pc.binary_join_element_wise(*fields, ",", null_handling="skip"))


def raw_schema(table: LandedTable) -> pa.Schema:
    """The columns of `read_landed`."""
    import pyarrow as pa

    return pa.schema(
        [
            ("file", pa.string()),
            ("line", pa.int64()),
            ("malformed", pa.bool_()),
            ("bad_encoding", pa.bool_()),
            ("raw", pa.string()),
            *((column, pa.string()) for column in table.all_columns),
        ]
    )


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
