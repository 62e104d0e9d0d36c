"""The graph that DESIGN.md promises, worked out of landed files in plain Python: slow, short, and nobody else's code.

It reads files that keep to RFC 4180 but for rows of another width, and knows of gates and models nothing.
"""

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Values = dict[str, Any]
"""Properties by name; those without a value are left out."""
Edge = tuple[str, str, str]
"""Where a relationship starts, its type, and where it ends."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHITE_SPACE = "".join(char for char in map(chr, range(0x110000)) if char.isspace() and char not in "\x1c\x1d\x1e\x1f")
"""Of Unicode's property White_Space; Python takes four separators of ASCII for it, too."""

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[ T](?P<hour>\d\d):\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d(:?[0-5]\d)?)?", re.ASCII
)
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_PLACEHOLDERS = {"nan", "NaN", "NULL", "null", "None", "\\N", "N/A", "[]"}
_TYPES = {"play": "PLAYED", "like": "LIKED", "skip": "SKIPPED", "pause": "PAUSED", "seek": "SEEKED"}
_EVENT = ("user_id", "track_id", "event_type", "event_ts", "session_id", "device")
_TRACK = ("track_id", "artist", "album", "duration_ms", "genre")


@dataclass
class Expected:
    """What is promised of some files.

    Attributes:
        rejected: the reasons for each rejected row, by file, in their order.
        rows: for each file how many rows it has.
        duplicates: for each file of events how many good rows beyond the first of their kind it has.
        users, tracks: the nodes' properties, by key.
        artists, genres: the nodes' names.
        events: the properties of relationships from users to tracks.
        by, in_genre: tracks with their artists and genres.
    """

    rejected: dict[str, list[set[str]]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    duplicates: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    users: dict[str, Values] = field(default_factory=dict)
    tracks: dict[str, Values] = field(default_factory=dict)
    artists: set[str] = field(default_factory=set)
    genres: set[str] = field(default_factory=set)
    events: dict[Edge, Values] = field(default_factory=dict)
    by: set[tuple[str, str]] = field(default_factory=set)
    in_genre: set[tuple[str, str]] = field(default_factory=set)


def microseconds(text: str) -> int | None:
    """What the contract says of a time after the year 0, in microseconds since 1970; None where it is none."""
    form = _TIME.fullmatch(text)
    if form is None or form["hour"] == "24":  # newer Pythons take it for the next day
        return None
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if abs(time.utcoffset() or timedelta()) > timedelta(hours=18):
        return None
    return (time - EPOCH) // timedelta(microseconds=1)


def expected(files: Mapping[str, bytes], now: datetime) -> Expected:
    """What is promised of landed files: `tracks*` and `user_events*`.

    Args:
        files: their content, by name.
        now: when they are taken in.
    """
    found = Expected()
    catalogue: dict[str, Values] = {}
    events: set[tuple[Any, ...]] = set()
    for file, content in sorted(files.items()):
        of_file = set()
        for row in _rows(content, _TRACK if "tracks" in file else _EVENT):
            found.rows[file] += 1
            track, event, reasons = _judged(row, file, now)
            if reasons:
                found.rejected[file].append(reasons)
            elif track:
                # The later file's, and the later line's, are newer.
                catalogue[track["track_id"]] = track
            elif event:
                found.duplicates[file] += event in of_file
                of_file.add(event)
        events |= of_file
    for track in catalogue.values():
        key, artist, genre = track["track_id"], track.pop("artist", None), track.pop("genre", None)
        found.tracks[key] = {**track, "catalogued": True}
        found.artists |= {artist} - {None}
        found.genres |= {genre} - {None}
        found.by |= {(key, artist)} if artist else set()
        found.in_genre |= {(key, genre)} if genre else set()
    for user, track_id, kind, at, _, device in events:
        unseen = {"user_id": user, "devices": set(), "first_seen": at, "last_seen": at}
        known = found.users.setdefault(user, unseen)
        known["devices"] |= {device} - {None}
        known["first_seen"], known["last_seen"] = min(known["first_seen"], at), max(known["last_seen"], at)
        found.tracks.setdefault(track_id, {"track_id": track_id, "catalogued": False})
        edge = found.events.setdefault((user, _TYPES[kind], track_id), {"count": 0, "first_ts": at, "last_ts": at})
        edge["count"] += 1
        edge["first_ts"], edge["last_ts"] = min(edge["first_ts"], at), max(edge["last_ts"], at)
    for known in found.users.values():
        known["devices"] = sorted(known["devices"])
    return found


def _rows(content: bytes, columns: tuple[str, ...]) -> Iterator[dict[str, str] | list[str]]:
    """The rows of a file by their columns; those of another width than the header's as they are."""
    text = content.decode("utf-8-sig", errors="surrogateescape")
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    names = [name.strip().casefold() for name in header]
    assert set(columns) <= set(names)
    for row in rows:
        yield dict(zip(names, row, strict=True)) if len(row) == len(names) else row


def _judged(
    row: dict[str, str] | list[str], file: str, now: datetime
) -> tuple[Values | None, tuple[Any, ...] | None, set[str]]:
    """A row as a track or as an event, and every reason against it."""
    texts = list(row.values()) if isinstance(row, dict) else row
    invalid = any("\udc80" <= char <= "\udcff" for text in texts for char in text)
    if isinstance(row, list):
        return None, None, {"malformed_row"} | ({"bad_encoding"} if invalid else set())
    # Bytes that are not UTF-8 are shown in place of themselves.
    shown = {
        name: text.encode(errors="surrogateescape").decode(errors="backslashreplace") for name, text in row.items()
    }
    track, event = None, None
    if "tracks" in file:
        track, reasons = _track(shown)
    else:
        event, reasons = _event(shown, now)
    return track, event, {name for name, applies in {**reasons, "bad_encoding": invalid}.items() if applies}


def _event(row: dict[str, str], now: datetime) -> tuple[tuple[Any, ...], dict[str, bool]]:
    text = {name: row[name].strip(WHITE_SPACE) for name in _EVENT}
    for name in ("user_id", "track_id", "session_id", "device"):
        text[name] = "" if text[name] in _PLACEHOLDERS else text[name]
    kind, at = text["event_type"].lower(), microseconds(text["event_ts"])
    earliest, latest = datetime(2000, 1, 1, tzinfo=UTC), now + timedelta(days=1)
    time = None if at is None else EPOCH + timedelta(microseconds=at)
    reasons = {
        "missing_user_id": not text["user_id"],
        "missing_track_id": not text["track_id"],
        "unknown_event_type": kind not in _TYPES,
        "bad_event_ts": time is None,
        "event_ts_out_of_range": time is not None and not earliest <= time <= latest,
        "control_character": any(_controls(value) for value in text.values()),
        "id_too_long": any(_bytes(text[name]) > 512 for name in ("user_id", "track_id", "session_id"))
        or _bytes(text["device"]) > 4096,
    }
    event = (text["user_id"], text["track_id"], kind, time, text["session_id"] or None, text["device"] or None)
    return event, reasons


def _track(row: dict[str, str]) -> tuple[Values, dict[str, bool]]:
    text = {name: row.get(name, "").strip(WHITE_SPACE) for name in (*_TRACK, "title")}
    for name in ("artist", "genre"):
        seen = unicodedata.normalize("NFC", _UNSEEN.sub("", text[name]))
        text[name] = re.sub(f"[{WHITE_SPACE}]+", " ", seen).strip(" ")
    text = {name: "" if value in _PLACEHOLDERS else value for name, value in text.items()}
    names = ("title", "artist", "album", "genre")
    duration = int(text["duration_ms"]) if re.fullmatch("[0-9]+", text["duration_ms"]) else 0
    reasons = {
        "missing_track_id": not text["track_id"],
        "control_character": any(
            _controls(value) - (set(WHITE_SPACE) if name in names else set()) for name, value in text.items()
        ),
        "id_too_long": _bytes(text["track_id"]) > 512 or any(_bytes(text[name]) > 4096 for name in names),
        "bad_duration_ms": text["duration_ms"] != "" and not 0 < duration < 2**63,
    }
    values = {**text, "duration_ms": duration or None}
    return {name: value for name, value in values.items() if value}, reasons


def _controls(text: str) -> set[str]:
    return {char for char in text if unicodedata.category(char) == "Cc"}


def _bytes(text: str) -> int:
    return len(text.encode())
