"""Hostile files and values, each with what becomes of it: one table, which a test runs and docs/guarantees.md shows."""

import bz2
import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
"""When the files are taken in."""


@dataclass(frozen=True)
class NotTakenIn:
    """It is not for the platform, by its name or place: why, and what to do."""

    advice: str


@dataclass(frozen=True)
class Refused:
    """The file fails its own partition: the reason."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """The run fails for a reason that says nothing about the file, which is tried again: the error's message."""

    message: str


@dataclass(frozen=True)
class Taken:
    """The file is read, row by row.

    Attributes:
        kept: how many of its rows are kept.
        duplicates: how many are the same as one that is kept, or older.
        rejected: the reasons of each rejected row, in the rows' order.
        warnings: the gates that warn.
        values: some of what the only row says that is kept.
        raw: the text of the only rejected row, where it is not plain.
    """

    kept: int = 0
    duplicates: int = 0
    rejected: Sequence[str] = ()
    warnings: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    raw: str | None = None


Outcome = NotTakenIn | Refused | Failed | Taken


@dataclass(frozen=True)
class Case:
    """Something that lands, and what is to become of it.

    Attributes:
        what: what it is, in a few words.
        content: its bytes, or how it is made at its path in the landing folder.
        outcome: what becomes of it.
        name: its name in the landing folder.
        meanwhile: what happens to it while it is read.
        closed: whether it is read by somebody who may do less than root.
    """

    what: str
    content: bytes | Callable[[Path], object]
    outcome: Outcome
    name: str = "user_events.csv"
    meanwhile: Callable[[Path], object] | None = None
    closed: bool = False

    def make(self, folder: Path) -> Path:
        """Makes it in the landing folder."""
        path = folder / self.name
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content)
        return path


HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
EVENT = "u1,t1,play,2024-01-01 00:00:00,s1,web"
OTHER = "u2,t2,like,2024-01-01 00:00:00,s1,web"
CATALOGUE = "track_id,title,artist,album,duration_ms,genre"
EXPECTED = f"its header is not {HEADER}"
MISSING = f"the header is missing: the first line should be {HEADER}"
RENAME = "rename it: a name has letters, digits, dots, dashes and underscores, no dot first, and at most 128 of them"
KINDS_TAKEN = "tracks*.csv and user_events*.csv, plain or with .gz, .bz2 or .zst"
KINDS = f"what is taken in is {KINDS_TAKEN}"


def lines(*rows: str, end: str = "\n") -> bytes:
    return end.join([HEADER, *rows, ""]).encode()


def quoted(fields: Iterable[str]) -> str:
    return ",".join('"' + it.replace('"', '""') + '"' for it in fields)


def event(**values: str) -> bytes:
    """A log with one event, good but for these values."""
    good = dict(zip(HEADER.split(","), EVENT.split(","), strict=True))
    return lines(quoted((good | values).values()))


def track(**values: str) -> bytes:
    """A catalogue with one track, good but for these values."""
    good = dict(zip(CATALOGUE.split(","), ["t1", "One", "Ann", "First", "1000", "jazz"], strict=True))
    return f"{CATALOGUE}\n{quoted((good | values).values())}\n".encode()


def time(text: str, *expected: int) -> Case:
    at = datetime(*expected, tzinfo=UTC)  # type: ignore[misc, arg-type]
    return Case(f"`event_ts` {text}", event(event_ts=text), Taken(1, values={"event_ts": at}))


def bad_time(text: str, reason: str = "bad_event_ts") -> Case:
    return Case(f"`event_ts` {text or '(empty)'}", event(event_ts=text), Taken(rejected=(reason,)))


def rejected(what: str, content: bytes, *reasons: str) -> Case:
    catalogue = content.startswith(CATALOGUE.encode())
    return Case(what, content, Taken(rejected=(", ".join(reasons),)), "tracks.csv" if catalogue else "user_events.csv")


def kept(what: str, content: bytes, **values: Any) -> Case:
    catalogue = content.startswith(CATALOGUE.encode())
    return Case(what, content, Taken(1, values=values), "tracks.csv" if catalogue else "user_events.csv")


def duration(text: str, milliseconds: int | None) -> Case:
    outcome = (
        Taken(rejected=("bad_duration_ms",)) if milliseconds is None else Taken(1, values={"duration_ms": milliseconds})
    )
    return Case(f"`duration_ms` {text}", track(duration_ms=text), outcome, "tracks.csv")


def misnamed(what: str, name: str, outcome: Outcome) -> Case:
    return Case(what, lines(EVENT), outcome, name)


def link_to(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        (path.parent.parent / "outside.csv").write_bytes(lines(EVENT))
        (path.parent / "user_events_inside.csv").write_bytes(lines(EVENT))
        path.symlink_to(target)

    return make


def closed(path: Path) -> None:
    path.write_bytes(lines(EVENT))
    path.chmod(0)


def folder_of_others(path: Path) -> None:
    path.mkdir()
    (path / "events.csv").write_bytes(lines(EVENT))


def grows(path: Path) -> None:
    with path.open("ab") as file:
        file.write(f"{OTHER}\n".encode())


def grows_once(path: Path) -> None:
    if path.stat().st_size == len(lines(EVENT)):
        grows(path)


def is_replaced_by_a_link(path: Path) -> None:
    (path.parent.parent / "secret").write_bytes(lines(EVENT))
    path.unlink()
    path.symlink_to(path.parent.parent / "secret")


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


NAMES_AND_PLACES = [
    misnamed("a name with the brackets of a pattern", "user_events[1].csv", Refused(RENAME)),
    misnamed("a name with the star of a pattern", "user_events*.csv", Refused(RENAME)),
    misnamed("a name with a space", "user_events 2024.csv", Refused(RENAME)),
    misnamed("a name with a percent sign", "user_events%20.csv", Refused(RENAME)),
    misnamed("a name with an accent", "user_events_é.csv", Refused(RENAME)),
    misnamed("a name with an emoji", "user_events_🎵.csv", Refused(RENAME)),
    misnamed("a name that is not UTF-8", os.fsdecode(b"user_events_\xff.csv"), Refused(RENAME)),
    misnamed("a name with a line break", "user_events\n.csv", Refused(RENAME)),
    misnamed("a name with markup", "user_events_<b>.csv", Refused(RENAME)),
    misnamed("a name of 129 characters", f"user_events{'x' * 114}.csv", Refused(RENAME)),
    misnamed("a name with two dots, as of the folder above", "user_events..csv", Taken(1)),
    misnamed("a name that begins with a dot", ".user_events.csv", NotTakenIn("it may still be being written")),
    misnamed("a name that ends in .tmp", "user_events.csv.tmp", NotTakenIn("it may still be being written")),
    misnamed("a name that ends in .part", "user_events.csv.part", NotTakenIn("it may still be being written")),
    misnamed("a name that begins with an underscore", "_user_events.csv", NotTakenIn(f"rename it: {KINDS}")),
    misnamed("a name in upper case", "USER_EVENTS.csv", NotTakenIn(f"rename it: {KINDS}")),
    misnamed("a name whose end is in upper case", "user_events.CSV", Taken(1)),
    misnamed("an archive", "user_events.zip", NotTakenIn(f"unpack it: {KINDS}")),
    Case(
        "a folder with files in it whose names say nothing",
        folder_of_others,
        NotTakenIn(f"rename what is to be taken in (events.csv), or a folder that it is in, to {KINDS_TAKEN}"),
        "2024",
    ),
    Case("a link to a folder, named like a log", link_to("."), Refused("it is not a regular file")),
    Case("a named pipe", os.mkfifo, Refused("it is not a regular file")),
    Case(
        "a link out of the landing folder",
        link_to("../outside.csv"),
        Refused("it is a link that leaves the landing folder"),
    ),
    Case("a link to a device", link_to("/dev/zero"), Refused("it is a link that leaves the landing folder")),
    Case("a link within the landing folder", link_to("user_events_inside.csv"), Taken(1)),
    Case("a link to nothing", link_to("nothing"), Refused("it cannot be read: No such file or directory")),
    Case(
        "a link to itself", link_to("user_events.csv"), Refused("it cannot be read: Too many levels of symbolic links")
    ),
    Case("a file that may not be read", closed, Refused("it cannot be read: Permission denied"), closed=True),
    Case(
        "a file that vanishes while it is read",
        lines(EVENT),
        Failed("No such file or directory"),
        meanwhile=Path.unlink,
    ),
    Case("a file that grows once while it is read", lines(EVENT), Taken(2), meanwhile=grows_once),
    Case(
        "a file that keeps growing while it is read",
        lines(EVENT),
        Failed("user_events.csv is being written to: it is taken in once it stays as it is"),
        meanwhile=grows,
    ),
    Case(
        "a file that is replaced by a link out of the folder while it is read",
        lines(EVENT),
        Refused("it is a link that leaves the landing folder"),
        meanwhile=is_replaced_by_a_link,
    ),
]

CONTAINERS = [
    Case("0 bytes", b"", Refused(f"it is empty: the header is missing, {HEADER}")),
    Case("a .gz of 0 bytes", gzip.compress(b""), Refused(MISSING), "user_events.csv.gz"),
    Case(
        "a .gz that is cut off",
        gzip.compress(lines(EVENT))[:-9],
        Refused("its gzip data is truncated"),
        "user_events.csv.gz",
    ),
    Case(
        "a .bz2 that is cut off",
        bz2.compress(lines(EVENT))[:-9],
        Refused("its bz2 data is truncated"),
        "user_events.csv.bz2",
    ),
    Case(
        "a .zst that is cut off", zstd(lines(EVENT))[:-9], Refused("its zstd data is truncated"), "user_events.csv.zst"
    ),
    Case(
        "a .gz that is none",
        lines(EVENT),
        Refused("its gzip data is corrupt: Not a gzipped file (b'us')"),
        "user_events.csv.gz",
    ),
    Case(
        "a .gz with a wrong checksum",
        gzip.compress(lines(EVENT), mtime=0)[:-8] + bytes(8),
        Refused(f"its gzip data is corrupt: CRC check failed 0x0 != {zlib.crc32(lines(EVENT)):#x}"),
        "user_events.csv.gz",
    ),
    Case(
        "gzip data in a .csv", gzip.compress(lines(EVENT)), Refused("it is gzip data: rename it to user_events.csv.gz")
    ),
    Case(
        "zstd data in a .gz",
        zstd(lines(EVENT)),
        Refused("it is zstd data: rename it to user_events.csv.zst"),
        "user_events.csv.gz",
    ),
    Case("bz2 data in a .csv", bz2.compress(lines(EVENT)), Refused("it is bz2 data: rename it to user_events.csv.bz2")),
    Case("xz data in a .csv", b"\xfd7zXZ\x00...", Refused("it is xz data: unpack it")),
    Case(
        "an empty zip archive in a .gz",
        b"PK\x05\x06...",
        Refused("it is a zip archive: unpack it"),
        "user_events.csv.gz",
    ),
    Case("a zip archive in a .csv", b"PK\x03\x04...", Refused("it is a zip archive: unpack it")),
    Case(
        "a .gz of two streams",
        gzip.compress(lines(EVENT)) + gzip.compress(OTHER.encode()),
        Taken(2),
        "user_events.csv.gz",
    ),
    Case(
        "a .gz with something behind it",
        gzip.compress(lines(EVENT), mtime=0) + b"tail",
        Refused("its gzip data is corrupt: Not a gzipped file (b'ta')"),
        "user_events.csv.gz",
    ),
    Case(
        "nothing but NUL bytes",
        bytes(5000),
        Refused("it begins with nothing but NUL bytes, as a crash leaves a file: land it again"),
    ),
    Case("a line of 50 MB", lines(EVENT)[:-1] + b"x" * 50_000_000, Taken(rejected=("malformed_row",))),
    Case(
        "a quote that is not closed, and 50 MB",
        lines(f'{EVENT}\nu2,t1,play,"') + b"x" * 50_000_000,
        Taken(
            1,
            rejected=(
                "malformed_row",
                "malformed_row",
            ),
        ),
    ),
]

HEADERS = [
    Case("a header and nothing else", lines(), Taken(warnings=("has_rows",))),
    Case("a header without a line end", HEADER.encode(), Taken(warnings=("has_rows",))),
    Case(
        "a header in another order",
        b"device,session_id,event_ts,event_type,track_id,user_id\nweb,s,2024-01-01 00:00:00,play,t1,u1",
        Taken(1, values={"user_id": "u1", "device": "web"}),
    ),
    Case("a header in upper case, with spaces", f"{HEADER.upper().replace(',', ' , ')}\n{EVENT}".encode(), Taken(1)),
    Case("a header in quotes", f"{quoted(HEADER.split(','))}\n{EVENT}".encode(), Taken(1)),
    Case(
        "a header whose names look alike",
        HEADER.replace("user", "us\u0435r").encode(),
        Refused(f"{EXPECTED} (missing: user_id; unknown: 'us\u0435r_id')"),
    ),
    Case(
        "no header",
        f"{EVENT}\n".encode(),
        Refused(
            f"{EXPECTED} (missing: user_id, track_id, event_type, event_ts, session_id, device;"
            " unknown: 'u1', 't1', 'play', '2024-01-01 00:00:00', 's1', 'web')"
        ),
    ),
    Case("a quote in the header that is not closed", f'"{HEADER}\n{EVENT}'.encode(), Refused(MISSING)),
    Case("a blank line before the header", b"\n" + lines(EVENT), Refused(MISSING)),
    Case("a column that is missing", HEADER.removesuffix(",device").encode(), Refused(f"{EXPECTED} (missing: device)")),
    Case(
        "a column that is misspelt",
        HEADER.replace("device", "devise").encode(),
        Refused(f"{EXPECTED} (missing: device; unknown: 'devise')"),
    ),
    Case("a column that is there twice", f"{HEADER},Device".encode(), Refused(f"{EXPECTED} (twice: device)")),
    Case("a column that is not known", f"{HEADER},ip\n{EVENT},::1".encode(), Taken(1, warnings=("columns_known",))),
    Case("columns without a name", f"{HEADER},,\n{EVENT},1,2".encode(), Taken(1, warnings=("columns_known",))),
    Case("a column that is markup", f"{HEADER},<img src=x>\n{EVENT},1".encode(), Taken(1, warnings=("columns_known",))),
    Case(
        "the header of a catalogue in a log",
        CATALOGUE.encode(),
        Refused(
            f"{EXPECTED} (missing: user_id, event_type, event_ts, session_id, device;"
            " unknown: 'title', 'artist', 'album', 'duration_ms', 'genre')"
        ),
    ),
    Case(
        "semicolons for commas",
        lines(EVENT).replace(b",", b";"),
        Refused("it is separated by semicolons: save it with commas"),
    ),
    Case("tabs for commas", lines(EVENT).replace(b",", b"\t"), Refused("it is separated by tabs: save it with commas")),
    Case(
        "vertical bars for commas",
        lines(EVENT).replace(b",", b" | "),
        Refused("it is separated by vertical bars: save it with commas"),
    ),
    Case(
        "semicolons for commas, and every field quoted",
        b'"' + lines(EVENT).replace(b",", b'";"').replace(b"\n", b'"\n"')[:-1],
        Refused("it is separated by semicolons: save it with commas"),
    ),
    Case(
        "a line for spreadsheets before the header, behind a byte order mark",
        b"\xef\xbb\xbfSEP=;\r\n" + lines(EVENT).replace(b",", b";"),
        Refused("its first line is 'SEP=;', which is for spreadsheets: take it out"),
    ),
    Case(
        "a line for spreadsheets before the header",
        b"sep=,\n" + lines(EVENT),
        Refused("its first line is 'sep=,', which is for spreadsheets: take it out"),
    ),
    Case("CR for line ends", lines(EVENT, end="\r"), Refused("its lines end in CR alone: save it with LF or CRLF")),
    Case(
        "UTF-16 with a byte order mark",
        lines(EVENT).decode().encode("utf-16"),
        Refused("it is UTF-16: save it as UTF-8"),
    ),
    Case("UTF-16 without one", lines(EVENT).decode().encode("utf-16-be"), Refused("it is UTF-16: save it as UTF-8")),
    Case("a header in Latin-1", f"{HEADER},caf\xe9\n".encode("latin-1"), Refused("its header is not UTF-8")),
    Case("a header of 64 KiB", b"x" * (1 << 17), Refused("its first line is longer than 65,536 bytes")),
    Case(
        "a page of HTML",
        b"<!DOCTYPE html>\n<html>",
        Refused(
            f"{EXPECTED} (missing: user_id, track_id, event_type, event_ts, session_id, device;"
            " unknown: '<!DOCTYPE html>')"
        ),
    ),
]

ROWS = [
    Case("lines that end in CRLF", lines(EVENT, OTHER, end="\r\n"), Taken(2)),
    Case("a last line without its end", lines(EVENT, OTHER)[:-1], Taken(2)),
    Case("a byte order mark", b"\xef\xbb\xbf" + lines(EVENT), Taken(1, values={"user_id": "u1"})),
    Case("blank lines", lines("", EVENT, "", "", OTHER, ""), Taken(2)),
    Case(
        "a row of commas",
        lines(",,,,,"),
        Taken(rejected=("missing_user_id, missing_track_id, unknown_event_type, bad_event_ts",)),
    ),
    Case("a short row", lines("u1,t1,play", EVENT), Taken(1, rejected=("malformed_row",), raw="u1,t1,play")),
    Case("a long row", lines(f"{EVENT},more", EVENT), Taken(1, rejected=("malformed_row",), raw=f"{EVENT},more")),
    Case("a line of spaces", lines("   ", EVENT), Taken(1, rejected=("malformed_row",), raw="   ")),
    Case(
        "quotes doubled in a field",
        lines('u1,t1,play,2024-01-01 00:00:00,s1,"a ""b"" c"'),
        Taken(1, values={"device": 'a "b" c'}),
    ),
    Case(
        "a comma in a quoted field",
        lines('u1,t1,play,2024-01-01 00:00:00,s1,"a,b"'),
        Taken(1, values={"device": "a,b"}),
    ),
    Case(
        "a quote inside a field",
        lines('u1,t1,play,2024-01-01 00:00:00,s1,5" tablet', EVENT),
        Taken(1, rejected=("malformed_row",)),
    ),
    Case(
        "a quote that is not closed",
        lines('u1,t1,play,2024-01-01 00:00:00,s1,"web', EVENT, OTHER),
        Taken(2, rejected=("malformed_row",), raw='u1,t1,play,2024-01-01 00:00:00,s1,"web'),
    ),
    Case(
        "text behind a closing quote",
        lines('u1,t1,play,2024-01-01 00:00:00,s1,"web"x', EVENT),
        Taken(1, rejected=("malformed_row",)),
    ),
    Case(
        "a line break in a quoted title",
        f'{CATALOGUE}\nt1,"two\nlines",Ann,,,'.encode(),
        Taken(1, values={"title": "two\nlines"}),
        "tracks.csv",
    ),
    Case(
        "a line break in a quoted artist",
        f'{CATALOGUE}\nt1,,"two\r\nlines",,,'.encode(),
        Taken(1, values={"artist": "two lines"}),
        "tracks.csv",
    ),
    Case(
        "a line break in a quoted id",
        lines('"u\n1",t1,play,2024-01-01 00:00:00,s1,web'),
        Taken(rejected=("control_character",)),
    ),
    Case("a CR inside a line", lines(f"{EVENT}\r{OTHER}"), Taken(rejected=("malformed_row",))),
    Case(
        "a row in Latin-1",
        lines(EVENT) + b"u2,t1,play,2024-01-01 00:00:00,s1,caf\xe9",
        Taken(1, rejected=("bad_encoding",), raw="u2,t1,play,2024-01-01 00:00:00,s1,caf\\xe9"),
    ),
    Case(
        "half a surrogate pair",
        lines(EVENT) + b"u2,t1,play,2024-01-01 00:00:00,s1,\xed\xa0\x80",
        Taken(1, rejected=("bad_encoding",)),
    ),
    Case(
        "bytes that are no text at all",
        lines(EVENT) + b"\x80\x81\xfe\xff",
        Taken(1, rejected=("malformed_row, bad_encoding",), raw="\\x80\\x81\\xfe\\xff"),
    ),
    Case("NUL bytes behind the last row", lines(EVENT) + bytes(4096), Taken(1, rejected=("malformed_row",))),
    Case("the Ctrl-Z of DOS at the end", lines(EVENT) + b"\x1a", Taken(1, rejected=("malformed_row",), raw="\x1a")),
    Case(
        "the header again, between rows",
        lines(EVENT, HEADER, OTHER),
        Taken(2, rejected=("unknown_event_type, bad_event_ts",)),
    ),
    Case("the same event twice", lines(EVENT, EVENT), Taken(1, 1)),
    Case(
        "the same event in other spellings", lines(EVENT, " u1,t1 , PLAY,2024-01-01T01:00:00+01:00,s1,web"), Taken(1, 1)
    ),
    Case(
        "a track twice",
        f"{CATALOGUE}\nt1,Old,,,,\nt1,New,,,,".encode(),
        Taken(1, 1, values={"title": "New"}),
        "tracks.csv",
    ),
]

TIMES = [
    time("2024-01-01T10:20:30.123456789Z", 2024, 1, 1, 10, 20, 30, 123456),
    time("2024-01-01T00:30:00+01:00", 2023, 12, 31, 23, 30),
    time("2024-01-01T00:30:00-0330", 2024, 1, 1, 4),
    time("2024-03-31T02:30:00+01:00", 2024, 3, 31, 1, 30),  # an hour that the clocks of Berlin leave out
    time("2023-10-29T02:30:00+02:00", 2023, 10, 29, 0, 30),
    time("2023-10-29T02:30:00+01:00", 2023, 10, 29, 1, 30),  # the same hour of the clock again
    time("2024-02-29 23:59:59", 2024, 2, 29, 23, 59, 59),
    bad_time(""),
    bad_time("yesterday"),
    bad_time("2024"),
    bad_time("2024-02-30 00:00:00"),
    bad_time("2023-02-29 00:00:00"),
    bad_time("2024-01-01 24:00:00"),
    bad_time("2024-01-01 10:20:60"),
    bad_time("01/02/2024 10:20"),
    bad_time("1704067200"),
    bad_time("1704067200000"),
    bad_time("1.7e9"),
    bad_time("2024-01-01 10:20:30 Europe/Berlin"),
    bad_time("2024-01-01 10:20:30+19:00"),
    bad_time("٢٠٢٤-01-01 00:00:00"),
    bad_time("0001-01-01 00:00:00", "event_ts_out_of_range"),
    bad_time("1970-01-01 00:00:00", "event_ts_out_of_range"),
    bad_time("9999-12-31 23:59:59", "event_ts_out_of_range"),
    bad_time("9999-12-31T23:59:59-18:00", "event_ts_out_of_range"),  # the year 10000, which Python can't hold
    bad_time("10000-01-01 00:00:00"),
    bad_time("2024-06-02 12:00:00.000001", "event_ts_out_of_range"),  # a day ahead, and a bit
]
IDS_AND_NAMES = [
    rejected("an empty user", event(user_id=""), "missing_user_id"),
    rejected("a user of white space", event(user_id=" \t\u3000\u2028"), "missing_user_id"),
    rejected("a track of one no-break space", event(track_id="\u00a0"), "missing_track_id"),
    Case("NULL for a user", event(user_id="NULL"), Taken(rejected=("missing_user_id",), warnings=("placeholders",))),
    Case("NULL for a device", event(device="NULL"), Taken(1, warnings=("placeholders",), values={"device": None})),
    kept("an id with white space around it", event(user_id="\u2003u1 \u0085"), user_id="u1"),
    rejected("an id of 10,000 characters", event(user_id="x" * 10_000), "id_too_long"),
    kept("an id of 512 bytes", event(user_id="é" * 256), user_id="é" * 256),
    rejected("an id of 512 bytes and one more", event(track_id="é" * 256 + "x"), "id_too_long"),
    rejected("a session of 513 bytes", event(session_id="s" * 513), "id_too_long"),
    rejected("a device of 4,097 bytes", event(device="d" * 4097), "id_too_long"),
    rejected("an id with a NUL in it", event(user_id="a\x00b"), "control_character"),
    rejected("an id with an escape sequence", event(user_id="\x1b[31mred"), "control_character"),
    rejected("a device with a control character beyond ASCII", event(device="a\x9fb"), "control_character"),
    Case("ids that differ by case alone", lines(EVENT, EVENT.replace("u1", "U1")), Taken(2)),
    Case(
        "ids that differ by Unicode form alone",
        lines(EVENT.replace("u1", "\u00e9"), EVENT.replace("u1", "e\u0301")),
        Taken(2),
    ),
    Case("ids that differ by an invisible character alone", lines(EVENT, EVENT.replace("u1", "u\u200b1")), Taken(2)),
    rejected("an event type that is not known", event(event_type="share"), "unknown_event_type"),
    rejected("an empty event type", event(event_type=""), "unknown_event_type"),
    rejected("an event type with a dotted capital I", event(event_type="L\u0130KE"), "unknown_event_type"),
    kept("an event type in upper case, with spaces", event(event_type=" LIKE "), event_type="like"),
    rejected(
        "everything wrong at once",
        lines(quoted(["", " ", "?", "?", "s\x00" + "x" * 512, ""])),
        "missing_user_id",
        "missing_track_id",
        "unknown_event_type",
        "bad_event_ts",
        "control_character",
        "id_too_long",
    ),
    kept("Cypher in an id", event(user_id="'}) DETACH DELETE n //"), user_id="'}) DETACH DELETE n //"),
    kept(
        "Cypher in a name", track(artist="`:Artist {name: $x}) RETURN 1;--"), artist="`:Artist {name: $x}) RETURN 1;--"
    ),
    kept("HTML in a name", track(artist="<script>alert(1)</script>"), artist="<script>alert(1)</script>"),
    kept("Markdown in a name", track(genre="[jazz](javascript:x) | **b**"), genre="[jazz](javascript:x) | **b**"),
    kept("a terminal's markup in a name", track(title="[bold red]Loud[/]"), title="[bold red]Loud[/]"),
    kept("a formula in a name", track(album="=HYPERLINK(1)"), album="=HYPERLINK(1)"),
    kept("letters that are written from right to left", track(artist="\u202eAnn"), artist="\u202eAnn"),
    kept("a name in another Unicode form", track(artist="Beyonce\u0301"), artist="Beyonc\u00e9"),
    kept("invisible characters in a name", track(artist="A\u200bn\u2060n\ufeff"), artist="Ann"),
    kept("a name of nothing but invisible characters", track(artist="\u200b\u2060"), artist=None),
    rejected("a name of 4,097 bytes", track(artist="n" * 4097), "id_too_long"),
    rejected("a name with a bell in it", track(title="\x07"), "control_character"),
    rejected("a track without an id", track(track_id=""), "missing_track_id"),
    Case(
        "nan for a name and a duration",
        track(artist="nan", duration_ms="nan"),
        Taken(1, warnings=("placeholders",), values={"artist": None, "duration_ms": None}),
        "tracks.csv",
    ),
]
DURATIONS = [
    kept("an empty duration", track(duration_ms=""), duration_ms=None),
    duration("0", None),
    duration("-1", None),
    duration("1000.0", None),
    duration("1e3", None),
    duration("3:20", None),
    duration("0x10", None),
    duration("\u0661", None),
    duration("007", 7),
    duration("9223372036854775807", 2**63 - 1),
    duration("9223372036854775808", None),
]

GROUPS: dict[str, list[Case]] = {
    "Names and places": NAMES_AND_PLACES,
    "Files as a whole": CONTAINERS,
    "Headers and encodings": HEADERS,
    "Rows": ROWS,
    "Times": TIMES,
    "Ids and names": IDS_AND_NAMES,
    "Durations": DURATIONS,
}
"""The table, part by part."""
