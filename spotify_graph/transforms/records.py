"""RFC 4180 records out of a stream of bytes, so that no row is lost or shifted silently. Neither files nor Spark here.

What the standard leaves open: a line that is no record of the expected width is malformed by itself, and scanning goes
on with the next line, so a stray quote costs one line. So is a line that is too long, whatever it holds. Blank lines
are not records. Lines end in LF or CRLF.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.csv

BLOCK_BYTES = 1 << 20
"""How much is read at once."""
LOOK_AHEAD_BYTES = 1 << 16
"""How far behind the end of its first line a record may end. It also bounds what a stray quote can take with it."""
LINE_BYTES = 1 << 20
"""How long a line is at most, its end included. A file may be one line, and is read in bounded memory all the same."""
KEPT_BYTES = 1 << 16
"""How much is kept of a longer one."""

_BOM = b"\xef\xbb\xbf"
# Possessive quantifiers keep a failed match linear.
_FIELD = re.compile(rb'(?:"([^"]*+(?:""[^"]*+)*+)"|([^",\n]*+))(,|\r?\n|\r?\Z)')


class _Record(NamedTuple):
    line: int
    raw: bytes
    fields: list[bytes] | None  # None: malformed


def fields_of(line: bytes) -> list[bytes] | None:
    """The fields of a single-line record, or None where it is malformed."""
    parsed = _parse(line, 0, len(line))
    return parsed[0] if parsed and parsed[1] == len(line) else None


def scan(stream: BinaryIO, names: Sequence[str], first_line: int = 1) -> Iterator[pa.RecordBatch]:
    r"""Reads a stream to its end, in bounded memory.

    Args:
        stream: records; a header has been read already.
        names: the fields' names, in the stream's order, at least two.
        first_line: the number of the stream's first line.

    Yields:
        Batches of records in their order: line (int64, of the record's first physical line), malformed, bad_encoding
        (not UTF-8: such bytes are shown as `\xNN`), raw (the record without its line end, null where it is the
        fields joined by commas; of a line over LINE_BYTES the first KEPT_BYTES, and how long it is), and the fields by
        name as strings, null where malformed.
    """
    rest = b""
    line = first_line
    final = False
    while not final:
        block = stream.read(BLOCK_BYTES)
        final = not block
        # Only a line that goes on behind the block can be too long.
        begun = block.rfind(b"\n") + 1
        block += stream.readline(LINE_BYTES + 1)
        too_long = block[begun:] if len(block) - begun > LINE_BYTES else b""
        # No record ends in a line that is too long: the one before it is done.
        final |= bool(too_long)
        block = rest + block[: len(block) - len(too_long)]
        batch = _plain_lines(block, names, line)
        used = len(block)
        if batch is None:
            records, used = _records(block, len(names), line, final)
            batch = _to_arrow(records, names) if records else None
        if batch is not None:
            yield batch
        line += block.count(b"\n", 0, used)
        rest = block[used:]
        if too_long:
            yield _too_long(stream, too_long, line, names)
            line += 1
            final = False


def _plain_lines(block: bytes, names: Sequence[str], first_line: int) -> pa.RecordBatch | None:
    """The records of a block in which each line is plainly one good record, many times faster than `_records`.

    Arrow's own reader is more lenient than RFC 4180, so None (take the long way) wherever the two could differ.
    """
    # A block may begin with U+FEFF in its first field, which Arrow takes for a byte order mark.
    if not block or block.startswith((b"\n", b"\r", _BOM)) or any(sign in block for sign in (b'"', b"\n\n", b"\n\r")):
        return None
    if block.count(b"\r") != block.count(b"\r\n"):
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            pyarrow.csv.ReadOptions(column_names=list(names), use_threads=False, block_size=len(block) + 1),
            pyarrow.csv.ParseOptions(quote_char=False),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:  # a line of another width, or not UTF-8
        return None
    rows = table.num_rows
    false = pa.repeat(pa.scalar(False), rows)
    return pa.RecordBatch.from_arrays(
        [
            pa.arange(first_line, first_line + rows),
            false,
            false,
            pa.nulls(rows, pa.string()),
            *(column.combine_chunks() for column in table.columns),
        ],
        names=["line", "malformed", "bad_encoding", "raw", *names],
    )


def _records(block: bytes, width: int, line: int, final: bool) -> tuple[list[_Record], int]:
    """The records of a block that ends where a line does, and how many of its bytes they take.

    Unless the block is final, it may end within a record: the rest is left for the next block.
    """
    records = []
    at = 0
    while at < len(block):
        end = block.find(b"\n", at) + 1 or len(block)
        raw = _without_line_end(block[at:end])
        fields: list[bytes] | None = None
        if b'"' not in raw:
            fields = raw.split(b",")
        elif parsed := _parse(block, at, min(end + LOOK_AHEAD_BYTES, len(block))):
            fields = parsed[0]
            if len(fields) == width:
                end = parsed[1]
                raw = _without_line_end(block[at:end])
        elif not final and len(block) - end < LOOK_AHEAD_BYTES:
            break
        if raw:
            records.append(_Record(line, raw, fields if fields and len(fields) == width else None))
        line += block.count(b"\n", at, end)
        at = end
    return records, at


def _too_long(stream: BinaryIO, start: bytes, line: int, names: Sequence[str]) -> pa.RecordBatch:
    """The record that a line is which is too long, from its start; reads the stream to the line's end."""
    decoder = getincrementaldecoder("utf-8")()
    length, piece, ended, is_utf8 = 0, start, False, True
    while not ended:
        length += len(piece)
        ended = not piece or piece.endswith(b"\n")
        try:
            decoder.decode(piece, final=ended)
        except UnicodeDecodeError:
            is_utf8 = False
        piece = b"" if ended else stream.readline(BLOCK_BYTES)
    # A character that is cut in two is left out.
    kept = getincrementaldecoder("utf-8")("backslashreplace").decode(start[:KEPT_BYTES])
    raw = f"{kept}... ({length:,} bytes)".encode()
    batch = _to_arrow([_Record(line, raw, None)], names)
    return batch.set_column(2, "bad_encoding", pa.array([not is_utf8]))


def _parse(block: bytes, start: int, stop: int) -> tuple[list[bytes], int] | None:
    """The fields of the record at `start` and where the next one starts; None where it does not end before `stop`."""
    fields = []
    at = start
    while match := _FIELD.match(block, at, stop):
        quoted, bare, end = match.groups()
        at = match.end()
        if end == b",":
            fields.append(bare if quoted is None else quoted.replace(b'""', b'"'))
            continue
        if at == stop < len(block) and not end.endswith(b"\n"):
            return None
        fields.append(bare.removesuffix(b"\r") if quoted is None else quoted.replace(b'""', b'"'))
        return fields, at
    return None


def _without_line_end(raw: bytes) -> bytes:
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def _to_arrow(records: Sequence[_Record], names: Sequence[str]) -> pa.RecordBatch:
    nothing = [None] * len(names)
    columns = zip(*(record.fields or nothing for record in records), strict=True)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([record.line for record in records], pa.int64()),
            pa.array([record.fields is None for record in records], pa.bool_()),
            pa.array([not _is_utf8(record.raw) for record in records], pa.bool_()),
            _strings([None if record.fields and b'"' not in record.raw else record.raw for record in records]),
            *(_strings(column) for column in columns),
        ],
        names=["line", "malformed", "bad_encoding", "raw", *names],
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _strings(values: Sequence[bytes | None]) -> pa.Array:
    try:
        return pa.array(values, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        texts = [None if value is None else value.decode(errors="backslashreplace") for value in values]
        return pa.array(texts, pa.string())
