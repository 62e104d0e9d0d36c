"""Logs of other services: a mapping, in TOML, says which column means what.

format = "csv"                  # or "jsonl", one JSON object on each line
encoding = "utf-8"
separator = ","                 # csv: one character
header = ["artist", "title"]    # csv: the columns, where the file's first line does not name them

[columns]                       # what a column means; of a JSON object also "track.artist.name"
time = "played_at"              # time alone is needed, and track_id, or artist and title
user = "..."                    # who listens, in a log of many
track_id, artist, title, album, duration_ms, duration_s, event_type, played_ms, session, device likewise

[time]
format = "%d %b %Y, %H:%M"      # as in Python's strptime, or several in a list; or "iso", "seconds", "milliseconds"
zone = "Europe/Vienna"          # where the time has no offset; else UTC

[constants]                     # where there is no such column: event_type is play if nothing says else
device = "web"

[event_types]                   # what the log calls them = an event type of the graph model; others are set aside
NextSong = "play"

[track_id]                      # what makes an id where a row has none; artist and title, if nothing says else
from = ["artist", "title", "album"]
"""

import csv
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from spotify_graph.errors import UsageError
from spotify_graph.imports import opening
from spotify_graph.imports.meaning import (
    KINDS,
    NO_TIME,
    NO_TRACK,
    UNREADABLE,
    Kind,
    Listen,
    Row,
    Rows,
    SetAside,
    Track,
    device_of,
    epoch_ms,
    hashed_id,
    iso_ms,
    mbid,
    possible,
    spotify_uri,
    text,
    whole_number,
)
from spotify_graph.imports.opening import BadExport

MEANINGS = (
    *("time", "user", "track_id", "artist", "title", "album", "duration_ms", "duration_s"),
    *("event_type", "played_ms", "session", "device"),
)
"""What a column may mean."""
_CONSTANTS = ("event_type", "device", "artist", "album")
_MAKE_IDS = ("artist", "title", "album")
_EPOCHS = {"seconds": 1, "milliseconds": 1_000}
_PARTS: dict[str, tuple[type, ...]] = {
    "format": (str,),
    "encoding": (str,),
    "separator": (str,),
    "header": (list,),
    "description": (str,),
    "columns": (dict,),
    "time": (dict,),
    "constants": (dict,),
    "event_types": (dict,),
    "track_id": (dict,),
}
_SHOWN_CHARACTERS = 40
_PRIVATE = re.compile(r"(?i)(^|_|\b)ip|addr|agent|mail|user|account|first_?name|last_?name|location|phone|lat|lon|zip")
_LOOKS_PRIVATE = re.compile(r"\d{1,3}(\.\d{1,3}){3}|@|Mozilla/|([0-9a-f]{0,4}:){3,}")


@dataclass(frozen=True)
class LogMapping:
    """A mapping, checked.

    Attributes:
        name: its name, for people.
        format: csv or jsonl.
        encoding: the log's.
        separator: what stands between fields.
        header: the columns, where the log does not name them.
        columns: the column of each meaning.
        formats: how times are written, tried one after the other.
        zone: where a time without an offset was written.
        constants: what holds for every row.
        event_types: the log's words for events.
        make_id: what makes the id of a track that has none.
    """

    name: str
    format: str
    columns: Mapping[str, str]
    formats: Sequence[str]
    encoding: str = "utf-8-sig"
    separator: str = ","
    header: Sequence[str] = ()
    zone: tzinfo = UTC
    constants: Mapping[str, str] = field(default_factory=dict)
    event_types: Mapping[str, str] = field(default_factory=dict)
    make_id: Sequence[str] = ("artist", "title")

    def rows(self, stream: BinaryIO) -> Rows:
        """What the rows of a log mean.

        Raises:
            BadExport: the mapping is not of this log; the words name the column, and show a row.
        """
        wrong: dict[str, tuple[int, Mapping[str, Any]]] = {}
        taken = 0
        for example in self._raw(stream):
            row = self._row(example)
            yield row
            if isinstance(row, Listen):
                taken += 1
            else:
                count, first = wrong.get(row.reason, (0, example))
                wrong[row.reason] = count + 1, first
        if not taken and wrong:
            reason, (_, example) = max(wrong.items(), key=lambda it: it[1][0])
            raise BadExport(f"no row of it fits {self.name}: {self._culprit(reason, example)}; {_shown(example)}")

    def _raw(self, stream: BinaryIO) -> Iterator[Mapping[str, Any]]:
        if self.format == "csv":
            yield from self._table(stream)
            return
        for number, item in enumerate(opening.objects(stream)):
            row = item if isinstance(item, Mapping) else {}
            if number == 0:
                # A later row may lack what it has nothing to say of; the names are those of the log.
                self._require({name for name in self.columns.values() if opening.field(row, name) is not None}, row)
            yield row

    def _table(self, stream: BinaryIO) -> Iterator[Mapping[str, Any]]:
        reader = csv.reader(opening.lines(stream, self.encoding), delimiter=self.separator, strict=True)
        names: Sequence[str] = self.header
        try:
            for number, cells in enumerate(reader):
                if not names:
                    names = [name.strip() for name in cells]
                    continue
                if number <= 1:
                    example = dict(zip(names, cells, strict=False))
                    self._require(set(names), example)
                    if self.header and len(cells) != len(names):
                        raise BadExport(
                            f"{self.name} has {len(names)} columns ({', '.join(names)}), and it has {len(cells)};"
                            f" {_shown(dict(enumerate(cells, 1)))}"
                        )
                if cells:
                    yield dict(zip(names, cells, strict=False)) if len(cells) == len(names) else {}
        except csv.Error as error:
            raise BadExport(f"it is not CSV as {self.name} has it, in line {reader.line_num:,}: {error}") from None
        if names and not self.header:
            self._require(set(names), {})

    def _require(self, there: set[str], example: Mapping[str, Any]) -> None:
        needed = self.columns.items() if self.format == "csv" else [("time", self.columns["time"])]
        missing = [f"{name!r} ({meaning})" for meaning, name in needed if name not in there]
        if missing:
            has = ", ".join(map(str, example)) or ", ".join(sorted(there))
            raise BadExport(
                f"{self.name} names columns that it lacks: {', '.join(missing)}; it has {has}; {_shown(example)}"
            )

    def _culprit(self, reason: str, example: Mapping[str, Any]) -> str:
        if reason == NO_TIME:
            name = self.columns["time"]
            forms = " or ".join(map(repr, self.formats))
            return f"column {name!r} (time) is not {forms}: {_cut(opening.field(example, name))}"
        if reason == NO_TRACK:
            names = [repr(self.columns[it]) for it in ("track_id", "artist", "title") if it in self.columns]
            return f"columns {', '.join(names)} hold no track"
        if reason == UNREADABLE:
            return "its rows have other columns"
        name = self.columns.get("event_type", "event_type")
        return f"column {name!r} (event_type) holds {_cut(opening.field(example, name))}, which [event_types] lacks"

    def _row(self, row: Mapping[str, Any]) -> Row:
        if not row:
            return SetAside(UNREADABLE)

        def value(meaning: str) -> Any:
            name = self.columns.get(meaning)
            found = None if name is None else opening.field(row, name)
            return self.constants.get(meaning) if found is None or found == "" else found

        start = self._time(value("time"))
        if start is None:
            return SetAside(NO_TIME)
        kind = self._kind(value("event_type"))
        if kind is None:
            return SetAside("an event of another kind")
        track = self._track(value)
        if track is None:
            return SetAside(NO_TRACK)
        user = text(value("user"))
        if self.many and not user:
            return SetAside("no user in it")
        return Listen(
            kind,
            track,
            start,
            _number(value("played_ms")),
            device=device_of(text(value("device"))),
            session=text(value("session")),
            user=user,
        )

    def _kind(self, said: Any) -> int | None:
        if said is None:
            return Kind.PLAY
        word = str(said).strip()
        if self.event_types:
            return KINDS.get(self.event_types.get(word, ""))
        return KINDS.get(word.lower())

    def _track(self, value: Callable[[str], Any]) -> Track | None:
        names = {name: text(value(name)) for name in _MAKE_IDS}
        said = value("track_id")
        id_ = spotify_uri(said) or mbid(said) or text(said)
        duration = _number(value("duration_ms")) or _number(value("duration_s"), 1_000)
        if not id_ and self.make_id != ("artist", "title"):
            parts = [names[name] for name in self.make_id]
            id_ = hashed_id(*parts) if all(parts) else ""
        track = Track(names["artist"], names["title"], names["album"], (id_,) if id_ else (), duration or None)
        return track if id_ or track.named else None

    def _time(self, said: Any) -> int | None:
        for form in self.formats:
            if form == "iso":
                found = self._in_zone(said)
            elif form in _EPOCHS:
                found = epoch_ms(said, _EPOCHS[form])
            else:
                found = self._formatted(said, form)
            if found is not None:
                return found
        return None

    def _in_zone(self, said: Any) -> int | None:
        if self.zone is UTC or not isinstance(said, str):
            return iso_ms(said)
        try:
            when = datetime.fromisoformat(said.strip())
        except ValueError:
            return None
        return possible(when.replace(tzinfo=when.tzinfo or self.zone))

    def _formatted(self, said: Any, form: str) -> int | None:
        try:
            when = datetime.strptime(str(said).strip(), form)
        except ValueError:
            return None
        return possible(when.replace(tzinfo=when.tzinfo or self.zone))

    @cached_property
    def many(self) -> bool:
        """Whether its logs say who listens."""
        return "user" in self.columns


def ready() -> list[str]:
    """The names of the mappings that come along."""
    return sorted(it.name.removesuffix(".toml") for it in _folder().iterdir() if it.name.endswith(".toml"))


def load(name: str) -> LogMapping:
    """A mapping in a file, or one that comes along, by its name.

    Raises:
        UsageError: there is none, or it says what no mapping can; the words name the culprit.
    """
    path = Path(name)
    if name in ready():
        content = (_folder() / f"{name}.toml").read_bytes()
    else:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"--mapping {name}: {error.strerror}; a file, or one that comes along: {', '.join(ready())}"
            ) from None
    try:
        return _checked(path.name, tomllib.loads(content.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, UsageError) as error:
        raise UsageError(f"--mapping {name}: {error}") from None


def _folder() -> Any:
    return files("spotify_graph.imports") / "mappings"


def _checked(name: str, said: Mapping[str, Any]) -> LogMapping:
    _known(said, _PARTS, "")
    for part, types in _PARTS.items():
        if part in said and not isinstance(said[part], types):
            raise UsageError(f"{part} is no {types[0].__name__}")
    columns, time = said.get("columns", {}), said.get("time", {})
    constants, words = said.get("constants", {}), said.get("event_types", {})
    _known(columns, MEANINGS, "columns.")
    _known(time, ("format", "zone"), "time.")
    _known(constants, _CONSTANTS, "constants.")
    _known(said.get("track_id", {}), ("from",), "track_id.")
    if (form := said.get("format", "csv")) not in {"csv", "jsonl"}:
        raise UsageError(f"format is {form!r}: csv or jsonl")
    if "time" not in columns or not ("track_id" in columns or "title" in columns):
        raise UsageError("[columns] needs time, and track_id, or artist and title")
    for word, kind in words.items():
        if kind not in KINDS:
            raise UsageError(f"event_types.{word} is {kind!r}: {', '.join(KINDS)}")
    if not words and (kind := constants.get("event_type", "play")) not in KINDS:
        raise UsageError(f"constants.event_type is {kind!r}: {', '.join(KINDS)}")
    make_id = said.get("track_id", {}).get("from", ["artist", "title"])
    if not make_id or set(make_id) - set(_MAKE_IDS):
        raise UsageError(f"track_id.from is {make_id!r}: some of {', '.join(_MAKE_IDS)}")
    separator = said.get("separator", ",")
    if len(separator) != 1:
        raise UsageError(f"separator is {separator!r}: one character")
    header = said.get("header", [])
    if header and (missing := [name for name in columns.values() if name not in header]):
        raise UsageError(f"header lacks {', '.join(map(repr, missing))}, which [columns] names")
    try:
        zone = ZoneInfo(time["zone"]) if time.get("zone", "UTC") != "UTC" else UTC
        "".encode(encoding := said.get("encoding", "utf-8"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"time.zone is {time['zone']!r}: a name such as Europe/Vienna") from None
    except LookupError:
        raise UsageError(f"encoding is {encoding!r}, which is not known") from None
    formats = time.get("format", "iso")
    return LogMapping(
        name.removesuffix(".toml"),
        form,
        columns,
        [formats] if isinstance(formats, str) else formats,
        "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding,
        separator,
        header,
        zone,
        constants,
        words,
        tuple(make_id),
    )


def _known(said: Iterable[str], known: Iterable[str], where: str) -> None:
    if unknown := [name for name in said if name not in list(known)]:
        raise UsageError(f"{where}{unknown[0]} is not known: {', '.join(known)}")


def _number(value: Any, times: int = 1) -> int | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    number = value * times if isinstance(value, int | float) and not isinstance(value, bool) else None
    return whole_number(number)


def _shown(row: Mapping[Any, Any]) -> str:
    """A row as an example. What tells who and where somebody is is left out of it."""
    cells = [f"{name}={_cut(value) if not _PRIVATE.search(str(name)) else '...'}" for name, value in row.items()]
    return f"a row: {', '.join(cells)}" if cells else "it has no row"


def _cut(value: Any) -> str:
    shown = repr(value)
    if _LOOKS_PRIVATE.search(shown):
        return "..."
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[: _SHOWN_CHARACTERS - 3]}..."
