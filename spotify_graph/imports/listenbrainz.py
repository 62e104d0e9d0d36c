"""ListenBrainz's export and dumps: listens, one JSON object on each line, and feedback to recordings.

As listenbrainz-server writes them (listenbrainz/background/export.py). What is kept of `additional_info` is what a
track is and how long: its other fields tell clients, addresses and accounts.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from spotify_graph.imports.meaning import (
    NO_TIME,
    NO_TRACK,
    SHORT_MS,
    UNREADABLE,
    Kind,
    Listen,
    Row,
    Rows,
    SetAside,
    Track,
    device_of,
    epoch_ms,
    mbid,
    spotify_uri,
    text,
    whole_number,
)

NO_OPINION = "feedback that was taken back"
_MSID = "msid:"
_SPOTIFY = ("spotify_id", "spotify_uri", "origin_url")
_DISLIKED, _LIKED = -1, 1


def listens(rows: Iterable[Any]) -> Rows:
    """What listens mean: a listen is a play, for clients submit what was played for half its length or four minutes."""
    for row in rows:
        yield _listen(row) if isinstance(row, Mapping) else SetAside(UNREADABLE)


def _listen(row: Mapping[str, Any]) -> Row:
    about = row.get("track_metadata")
    if not isinstance(about, Mapping):
        return SetAside(UNREADABLE)
    start = epoch_ms(row["listened_at"] if "listened_at" in row else row.get("timestamp"))
    if start is None:
        return SetAside(NO_TIME)
    more, mapped = _of(about, "additional_info"), _of(about, "mbid_mapping")
    ids = (
        mbid(mapped.get("recording_mbid")) or mbid(more.get("recording_mbid")),
        next((uri for name in _SPOTIFY if (uri := _uri(more.get(name)))), None),
        _msid(about.get("recording_msid") or row.get("recording_msid") or more.get("recording_msid")),
    )
    track = Track(
        text(about.get("artist_name")),
        text(about.get("track_name")),
        text(about.get("release_name")),
        tuple(id_ for id_ in ids if id_),
        _duration(more),
    )
    if not track.named and not any(ids[:2]):
        return SetAside(NO_TRACK)
    played = whole_number(more.get("ms_played"))
    kind = Kind.SKIP if more.get("skipped") is True or (played is not None and played < SHORT_MS) else Kind.PLAY
    # Without how long it was heard, it's taken for heard to its end, as far as sessions are concerned.
    return Listen(kind, track, start, played, device=device_of(text(more.get("operating_system"))))


def feedback(rows: Iterable[Any]) -> Rows:
    """What feedback means: love is a like; hate is a skip, the contract's word for not wanting to hear a track."""
    kinds = {_LIKED: Kind.LIKE, _DISLIKED: Kind.SKIP}
    for row in rows:
        if not isinstance(row, Mapping):
            yield SetAside(UNREADABLE)
            continue
        ids = tuple(id_ for id_ in (mbid(row.get("recording_mbid")), _msid(row.get("recording_msid"))) if id_)
        start, score = epoch_ms(row.get("created")), row.get("score")
        if not ids:
            yield SetAside(NO_TRACK)
        elif score == 0:
            yield SetAside(NO_OPINION)
        elif score not in kinds:
            yield SetAside(UNREADABLE)
        elif start is None:
            yield SetAside(NO_TIME)
        else:
            yield Listen(kinds[score], Track(ids=ids), start)


def _of(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = row.get(name)
    return found if isinstance(found, Mapping) else {}


def _uri(value: Any) -> str | None:
    return spotify_uri(value) if isinstance(value, str) and "spotify" in value else None


def _msid(value: Any) -> str | None:
    found = mbid(value)
    return f"{_MSID}{found}" if found else None


def _duration(more: Mapping[str, Any]) -> int | None:
    milliseconds = whole_number(more.get("duration_ms"))
    if milliseconds is None and (seconds := whole_number(more.get("duration"))) is not None:
        milliseconds = seconds * 1_000
    return milliseconds or None
