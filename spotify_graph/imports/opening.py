"""Exports opened: the files in a folder, a zip archive or a file, what they hold by their content, and its rows.

Everything is read as it is asked for: an export may be larger than memory. What goes wrong is a `BadExport`, whose
words never hold what a row holds.
"""

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

_START_BYTES = 1 << 18
"""How much of a file says what it is: the first rows of an export are a few thousand bytes."""
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!")
"""How gzip, bz2, xz, zstd, 7z and rar begin."""
_BLOCK = 1 << 20
_LONGEST_ITEM = 1 << 22
_LONGEST_DOCUMENT = 1 << 28
_FEW = 20

EXTENDED = "spotify-extended"
BASIC = "spotify-basic"
LIBRARY = "spotify-library"
LISTENBRAINZ = "listenbrainz"
FEEDBACK = "listenbrainz-feedback"
LASTFM = "lastfm"
EMPTY = "empty"
"""A JSON array without items: of which service is not to be seen."""


class BadExport(ValueError):  # noqa: N818 it says what is bad
    """Why a file can't be used."""


@dataclass(frozen=True)
class Member:
    """A file of an export.

    Attributes:
        name: its path from where the export begins, for people; an account that a service put into it is left out.
        group: what lies together with it: its folder, in an archive or out of it. Files of one group are one download.
        open: opens it.
    """

    name: str
    group: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Unopened:
    """A file that can't be opened, and why."""

    name: str
    reason: str


def members(path: Path) -> Iterator[Member | Unopened]:
    """The files of an export in a folder, an archive or a file, in their order; hidden ones are passed over."""
    if path.is_file():
        yield from _of_file(path, path.name, str(path.parent))
        return
    for root, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(name for name in files if not _is_hidden(name)):
            file = Path(root, name)
            yield from _of_file(file, str(file.relative_to(path)), root)


def _of_file(file: Path, name: str, group: str) -> Iterator[Member | Unopened]:
    name = without_account(name)
    try:
        if not zipfile.is_zipfile(file):
            yield (
                Unopened(name, "it is no zip archive, or a damaged one: download it again")
                if file.suffix.lower() == ".zip"
                else Member(name, group, lambda: file.open("rb"))
            )
            return
        with zipfile.ZipFile(file) as archive:
            listed = sorted((entry for entry in archive.infolist() if not entry.is_dir()), key=lambda it: it.filename)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        yield Unopened(name, f"it can't be read: {getattr(error, 'strerror', None) or error}")
        return
    for entry in listed:
        parts = entry.filename.split("/")
        if not any(map(_is_hidden, parts)):
            yield Member(
                f"{name}/{without_account(entry.filename)}",
                f"{file}/{'/'.join(parts[:-1])}",
                _opener(file, entry.filename),
            )


def _opener(file: Path, entry: str) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        with zipfile.ZipFile(file) as archive:
            # The archive's file stays open as long as what is read from it.
            return cast("BinaryIO", archive.open(entry))

    return opened


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def without_account(name: str) -> str:
    """A file's name with a * for the account that ListenBrainz puts into it, and in printable characters."""
    name = re.sub(r"listenbrainz_.+?_(\d+)\.zip", r"listenbrainz_*_\1.zip", name)
    return "".join(character if character.isprintable() else "?" for character in name)


@contextmanager
def faults() -> Iterator[None]:
    """Whatever makes reading fail, as a `BadExport`.

    Raises:
        BadExport: reading failed.
    """
    try:
        yield
    except BadExport:
        raise
    except UnicodeDecodeError as error:
        raise BadExport(f"it is not {error.encoding.upper()}: byte {error.start:,} of a block") from None
    except json.JSONDecodeError as error:
        raise BadExport(f"broken JSON: {error.msg}") from None
    except RecursionError:
        raise BadExport("broken JSON: nested too deeply") from None
    except ValueError:  # Python reads no number of more than some thousand digits
        raise BadExport("broken JSON: a number without an end") from None
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise BadExport("its archive is damaged: download it again") from None
    except (RuntimeError, NotImplementedError):
        raise BadExport("its archive is encrypted, or packed in a way that is not known: unpack it") from None
    except OSError as error:
        raise BadExport(f"it can't be read: {error.strerror or error}") from None


class Counted(io.RawIOBase):
    """A stream that is read through once, and the SHA-256 of what was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads, and remembers."""
        block = self._stream.read(len(buffer))
        self._hash.update(block)
        buffer[: len(block)] = block
        return len(block)

    def digest(self) -> str:
        """The SHA-256 of the whole stream, in hexadecimal: what was not read yet is read for it."""
        while block := self._stream.read(_BLOCK):
            self._hash.update(block)
        return self._hash.hexdigest()


def start_of(member: Member) -> bytes:
    """How a file begins.

    Raises:
        BadExport: it can't be read, or is empty.
    """
    with faults(), member.open() as stream:
        start = stream.read(_START_BYTES)
    if not start.strip():
        raise BadExport("it is empty")
    return start


def recognised(member: Member, start: bytes) -> str | None:
    """What a file holds, by its content; None for what is no listening history.

    Raises:
        BadExport: it is JSON by its name, and isn't.
    """
    with faults():
        return _recognised(member, start)


def _recognised(member: Member, start: bytes) -> str | None:
    if start.startswith(b"PK\x03\x04"):
        raise BadExport("it is an archive within an archive: unpack it")
    if start.startswith(_PACKED) or start[257:262] == b"ustar":
        raise BadExport("it is a tar archive, or compressed: unpack it, or pack it as a zip archive")
    plain = start.decode("utf-8-sig", errors="ignore").lstrip()
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _or_broken(member, None, "it is UTF-16: save it as UTF-8")
    match plain[:1]:
        case "[":
            found, sound = _array(plain, whole=len(start) < _START_BYTES)
        case "{":
            found, sound = _objects(member, plain, whole=len(start) < _START_BYTES)
        case _:
            found, sound = _table(plain), not _is_json(member)
    return found if found or sound else _or_broken(member, found, "broken JSON, or cut off")


def _is_json(member: Member) -> bool:
    return member.name.lower().endswith((".json", ".jsonl", ".ndjson"))


def _or_broken(member: Member, found: str | None, reason: str) -> str | None:
    if found is None and _is_json(member):
        raise BadExport(reason)
    return found


def _array(plain: str, *, whole: bool) -> tuple[str | None, bool]:
    """What an array holds by its first items, and whether it is sound as far as it was looked at."""
    decoder, at, seen = json.JSONDecoder(), 1, 0
    while seen < _FEW:
        at = _next(plain, at)
        if plain[at : at + 1] == "]":
            return (EMPTY, True) if not seen else (None, True)
        try:
            item, at = decoder.raw_decode(plain, at)
        except json.JSONDecodeError:
            # An item that is cut off by the end of what was looked at is not broken.
            return None, bool(seen) and not whole
        seen += 1
        if found := _kind(item, in_array=True):
            return found, True
    return None, True


def _objects(member: Member, plain: str, *, whole: bool) -> tuple[str | None, bool]:
    first, _, more = plain.partition("\n")
    for line in (first, *more.split("\n")[:_FEW]):
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            break
        if found := _kind(item, in_array=False):
            return found, True
    else:
        return None, True
    # One object over many lines, or a long one on one.
    if not re.search(r'"tracks"\s*:', plain):
        return None, not whole or _is_document(plain)
    document = _document(member)
    return (LIBRARY if _is_library(document) else None), True


def _is_document(plain: str) -> bool:
    """Whether it is JSON: an object, or one on each line."""
    try:
        for line in [plain] if plain.rstrip().count("\n") and not _is_line(plain) else plain.strip().split("\n"):
            json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_line(plain: str) -> bool:
    try:
        json.loads(plain.partition("\n")[0])
    except (ValueError, RecursionError):
        return False
    return True


def _kind(item: object, *, in_array: bool) -> str | None:
    if not isinstance(item, dict):
        return None
    keys = item.keys()
    if {"ts", "ms_played"} <= keys and in_array:
        return EXTENDED
    if {"endTime", "msPlayed"} <= keys and in_array:
        return BASIC
    if "track_metadata" in keys and keys & {"listened_at", "timestamp"}:
        return LISTENBRAINZ
    if "score" in keys and keys & {"recording_msid", "recording_mbid"}:
        return FEEDBACK
    return LIBRARY if _is_library(item) and not in_array else None


def _is_library(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("tracks"), list) and bool(item.keys() & {"albums", "artists"})


_LASTFM_FIELDS = 6


def _table(plain: str) -> str | None:
    """Last.fm's scrobbles: six fields between tabs, the second of which is a time."""
    rows = [line.split("\t") for line in plain.split("\n")[:_FEW]]
    times = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\d{9,13}\Z")
    fits = [len(row) == _LASTFM_FIELDS and times.match(row[1].strip()) for row in rows if len(row) > 1]
    return LASTFM if any(fits) else None


def _next(plain: str, at: int) -> int:
    """The place of the next item of an array, or of its end."""
    while at < len(plain) and plain[at] in " \t\r\n,":
        at += 1
    return at


def lines(stream: BinaryIO, encoding: str = "utf-8-sig") -> TextIO:
    """The lines of a stream."""
    return io.TextIOWrapper(cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", stream), _BLOCK)), encoding)


def items(stream: BinaryIO) -> Iterator[Any]:
    """The items of a JSON array, one after the other: the array is never held as a whole.

    Raises:
        BadExport: it is broken; the words say after how many items.
    """
    decoder, source, seen = json.JSONDecoder(), lines(stream), 0
    held, at = source.read(_BLOCK).lstrip(), 0
    if not held.startswith("["):
        raise BadExport("broken JSON: it is no array")
    at = 1
    while True:
        at = _next(held, at)
        if held[at : at + 1] == "]":
            if held[at + 1 :].strip() or source.read(_BLOCK).strip():
                raise BadExport(f"broken JSON: something follows its {seen:,} rows")
            return
        try:
            item, end = decoder.raw_decode(held, at)
            if end == len(held):  # a number may go on in the next block
                raise json.JSONDecodeError("cut off", held, end)
        except json.JSONDecodeError:
            block = source.read(_BLOCK) if len(held) - at < _LONGEST_ITEM else ""
            if not block:
                raise BadExport(f"broken JSON: it is cut off or damaged after {seen:,} rows") from None
            held, at = held[at:] + block, 0
            continue
        at = end
        seen += 1
        yield item


def objects(stream: BinaryIO) -> Iterator[Any]:
    """The objects of JSON lines; of a JSON array, its items.

    Raises:
        BadExport: a line is broken.
    """
    source = lines(stream)
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError:
            raise BadExport(f"broken JSON in line {number:,}") from None


def document(stream: BinaryIO) -> Any:
    """A JSON document as a whole.

    Raises:
        BadExport: it is too long to be held.
    """
    held = lines(stream).read(_LONGEST_DOCUMENT)
    if len(held) == _LONGEST_DOCUMENT:
        raise BadExport(f"a JSON document of more than {_LONGEST_DOCUMENT >> 20} MB: split it")
    return json.loads(held)


def _document(member: Member) -> Any:
    with faults(), member.open() as stream:
        return document(stream)


def field(item: Mapping[str, Any], path: str) -> Any:
    """A value by its name, or by the names on the way to it with dots between them; None where there is none."""
    if path in item:
        return item[path]
    found: Any = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
