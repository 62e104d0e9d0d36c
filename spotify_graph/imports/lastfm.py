"""Last.fm's scrobbles as a table: user, time, artist's id and name, track's id and name, with tabs between them."""

from collections.abc import Iterable

from spotify_graph.imports.meaning import (
    NO_TIME,
    NO_TRACK,
    UNREADABLE,
    Kind,
    Listen,
    Row,
    Rows,
    SetAside,
    Track,
    iso_ms,
    mbid,
    text,
)
from spotify_graph.imports.meaning import epoch_ms as of_epoch

_FIELDS = 6
_MILLISECONDS_FROM = 1e11


def scrobbles(lines: Iterable[str]) -> Rows:
    """What scrobbles mean: plays. A field may hold any character but a tab and a line's end: nothing is quoted."""
    for number, line in enumerate(lines):
        row = line.rstrip("\r\n").split("\t")
        if number == 0 and [name.strip().lower().lstrip("#") for name in row[1:2]] == ["timestamp"]:
            continue
        if line.strip():
            yield _scrobble(row)


def _scrobble(row: list[str]) -> Row:
    if len(row) != _FIELDS:
        return SetAside(UNREADABLE)
    user, when, _, artist, track_id, title = row
    start = _time(when.strip())
    if start is None:
        return SetAside(NO_TIME)
    id_ = mbid(track_id)
    track = Track(text(artist), text(title), ids=(id_,) if id_ else ())
    if not track.named and not id_:
        return SetAside(NO_TRACK)
    return Listen(Kind.PLAY, track, start, user=user.strip())


def _time(when: str) -> int | None:
    if when.isdigit():
        return of_epoch(when, 1_000 if int(when) > _MILLISECONDS_FROM else 1)
    return iso_ms(when)
