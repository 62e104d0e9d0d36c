"""Pieces merged into histories: what several exports tell of the same listening is told once, by the best of them.

The outcome is a function of the set of pieces: neither their order nor their number of imports matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from spotify_graph.imports import opening
from spotify_graph.imports.meaning import SESSION_GAP_MS, Kind, Track, iso
from spotify_graph.imports.pieces import Piece, column, track_of, words

if TYPE_CHECKING:
    import numpy as np

_BEST = (opening.EXTENDED, opening.BASIC, opening.LIBRARY, opening.LISTENBRAINZ, opening.FEEDBACK, opening.LASTFM)
"""The sources, best first: who says when a stream ended knows more than who says that there was one. Then mappings."""
_MINUTE_MS = 60_000
_SLACK_S = 90
"""How far apart clocks may be: a scrobble is dated by its begin or its end, and some seconds later."""
_SECOND_BITS = 34


class Event(NamedTuple):
    """An event of a history, as the input contract has it, but for its id.

    Attributes:
        user: who of several; nothing in a person's own.
        track: the number of its track among the history's.
        kind: what happened.
        start_ms: when.
        session: the session.
        device: the device, or nothing.
    """

    user: str
    track: int
    kind: int
    start_ms: int
    session: str
    device: str


@dataclass(frozen=True)
class History:
    """A merged history.

    Attributes:
        events: its events, by user and time.
        ids: the ids of its tracks.
        elsewhere: how many events a better source tells, too.
        duplicates: how many events are in several files.
        undated: how many likes there is no time for.
        unknown: how many events are of tracks that nothing is known of.
        dated: how many likes were dated by the last event of their export.
    """

    events: Sequence[Event]
    ids: Sequence[str]
    elsewhere: int
    duplicates: int
    undated: int
    unknown: int
    dated: int


def merged(pieces: Sequence[Piece], ids: Mapping[Track, str | None]) -> History:
    """The history that pieces tell.

    Args:
        pieces: of one person, or of one log.
        ids: the id of each of their tracks.
    """
    import numpy as np

    rows = _Columns.of(pieces, ids)
    numbers = np.arange(len(rows.start))
    known = rows.track >= 0
    unknown = int((~known).sum())
    last = int(rows.end[known & (rows.start >= 0)].max(initial=-1))
    # A saved track says nothing of when: the newest stream of its download is the latest that it can have been.
    dateless = known & (rows.start < 0)
    dates = np.where(rows.dated >= 0, rows.dated, last)
    rows.start[dateless] = rows.end[dateless] = dates[dateless]
    undated = int((known & (rows.start < 0)).sum())
    usable = known & (rows.start >= 0)

    better = _is_covered(rows, pieces) | _is_told(rows, usable)
    elsewhere = int((usable & better).sum())
    kept = numbers[usable & ~better]
    chosen = kept[_first_of_each(rows, kept)]
    likes = _likes_to_keep(rows, chosen, dateless)
    duplicates = len(kept) - len(likes)
    order = likes[np.lexsort((rows.kind[likes], rows.track[likes], rows.start[likes], rows.user[likes]))]
    return History(
        list(_events(rows, order)), rows.ids, elsewhere, duplicates, undated, unknown, int(dateless[order].sum())
    )


@dataclass
class _Columns:
    """All rows of all pieces, column by column. A track or a word is its number."""

    kind: Any
    start: Any
    end: Any
    played: Any
    rank: Any
    dated: Any
    piece: Any
    track: Any
    name: Any
    device: Any
    session: Any
    user: Any
    ids: list[str]
    devices: list[str]
    sessions: list[str]
    users: list[str]

    @classmethod
    def of(cls, pieces: Sequence[Piece], ids: Mapping[Track, str | None]) -> _Columns:
        import numpy as np

        numbers: dict[str, dict[Any, int]] = {name: {} for name in ("ids", "names", "device", "session", "user")}
        parts: dict[str, list[np.ndarray[Any, Any]]] = {}

        def number(of: str, word: Any) -> int:
            return -1 if word is None else numbers[of].setdefault(word, len(numbers[of]))

        # Numbers of words order them, so that what comes first doesn't hang on which piece does.
        tables = [piece.table() for piece in pieces]
        for of in ("device", "session", "user"):
            for word in sorted({word for table in tables for word in words(table, of)}):
                number(of, word)
        tracks = {word: track_of(word) for table in tables for word in words(table, "track")}
        for id_ in sorted({id_ for track in tracks.values() if (id_ := ids[track]) is not None}):
            number("ids", id_)
        for place, (piece, table) in enumerate(zip(pieces, tables, strict=True)):
            start, played = column(table, "start").copy(), column(table, "played")
            its = words(table, "track")
            ids_of = np.array([number("ids", ids[tracks[word]]) for word in its] or [0], np.int64)
            names_of = np.array([number("names", _folded(tracks[word])) for word in its] or [0], np.int64)
            long = np.array([tracks[word].duration_ms or 0 for word in its] or [0], np.int64)
            at = column(table, "track")
            # Where a source does not say for how long, it is taken for whole.
            lasts = np.where(played >= 0, played, np.where(column(table, "kind") == Kind.PLAY, long[at], 0))
            about = piece.about
            full = np.full(len(start), 0, np.int64)
            found = {
                "kind": column(table, "kind").astype(np.int64),
                "start": start,
                "end": np.where(start < 0, -1, start + lasts),
                "played": played,
                "rank": full + _rank(about.source),
                "dated": full + (-1 if about.dated_ms is None else about.dated_ms),
                "piece": full + place,
                "track": ids_of[at],
                "name": names_of[at],
            }
            for of in ("device", "session", "user"):
                own = np.array([number(of, word) for word in words(table, of)] or [0], np.int64)
                found[of] = own[column(table, of)]
            for name, part in found.items():
                parts.setdefault(name, []).append(part)
        joined = {name: np.concatenate(found) for name, found in parts.items()}
        return cls(
            **joined,
            ids=list(numbers["ids"]),
            devices=list(numbers["device"]),
            sessions=list(numbers["session"]),
            users=list(numbers["user"]),
        )


def _rank(source: str) -> int:
    return _BEST.index(source) if source in _BEST else len(_BEST)


def _folded(track: Track) -> tuple[str, str] | None:
    return (track.artist.casefold(), track.title.casefold()) if track.named else None


def _is_covered(rows: _Columns, pieces: Sequence[Piece]) -> Any:
    """The streams of basic exports that end between the first and the last stream of a file of an extended one.

    That file has them, or has them as what is not taken, such as private sessions. In the first and the last minute of
    the file a basic stream is its only if it has the same one: times of a basic export are to the minute.
    """
    import numpy as np

    covered = np.zeros(len(rows.start), bool)
    basic = rows.rank == _rank(opening.BASIC)
    minute = rows.end - rows.end % _MINUTE_MS
    streams = np.flatnonzero(rows.rank == _rank(opening.EXTENDED))
    for piece in pieces:
        about = piece.about
        if about.source != opening.EXTENDED or about.first_ms is None or about.last_ms is None:
            continue
        first, last = (ms - ms % _MINUTE_MS for ms in (about.first_ms, about.last_ms))
        covered |= basic & (minute > first) & (minute < last)
    if len(streams) and basic.any():
        edge = basic & ~covered
        same = {(int(rows.name[at]), int(minute[at]), int(rows.played[at])) for at in streams}
        for at in np.flatnonzero(edge):
            covered[at] = (int(rows.name[at]), int(minute[at]), int(rows.played[at])) in same
    return covered


def _is_told(rows: _Columns, usable: Any) -> Any:
    """The plays that a better source tells, too: the same artist and title by the same user, begun or ended then."""
    import numpy as np

    told = np.zeros(len(rows.start), bool)
    streams = (
        usable
        & (rows.name >= 0)
        & np.isin(rows.kind, (Kind.PLAY, Kind.SKIP, Kind.PAUSE))
        & (rows.rank != _rank(opening.FEEDBACK))
    )
    whose = (rows.user * (int(rows.name.max(initial=0)) + 1) + rows.name) << _SECOND_BITS
    for rank in sorted({int(rank) for rank in rows.rank[streams]})[1:]:
        worse = np.flatnonzero(streams & (rows.rank == rank) & ~told)
        best = streams & (rows.rank < rank) & ~told
        if rank == _rank(opening.BASIC):
            continue  # the extended export's time says it better
        marks = np.concatenate([(whose + rows.start // 1_000)[best], (whose + rows.end // 1_000)[best]])
        marks.sort()
        at = (whose + rows.start // 1_000)[worse]
        told[worse] = np.searchsorted(marks, at - _SLACK_S) < np.searchsorted(marks, at + _SLACK_S, "right")
    return told


def _first_of_each(rows: _Columns, kept: Any) -> Any:
    """The places of the rows that stand for all of the same user, track, kind and time: of the best source first."""
    import numpy as np

    keys = [rows.user[kept], rows.track[kept], rows.kind[kept], rows.start[kept]]
    least = [rows.rank[kept], -rows.played[kept], -rows.end[kept], rows.device[kept], rows.session[kept]]
    order = np.lexsort((*reversed(least), *reversed(keys)))
    new = np.ones(len(order), bool)
    if len(order) > 1:
        new[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    return order[new]


def _likes_to_keep(rows: _Columns, chosen: Any, dateless: Any) -> Any:
    """All rows but likes that were dated by us, of a track that the user liked at a time of its own or earlier."""
    import numpy as np

    of_ours = dateless[chosen]
    likes = chosen[rows.kind[chosen] == Kind.LIKE]
    earliest: dict[tuple[int, int], tuple[bool, int, int]] = {}
    for at in likes:
        key = int(rows.user[at]), int(rows.track[at])
        mark = bool(dateless[at]), int(rows.start[at]), int(at)
        earliest[key] = min(mark, earliest.get(key, mark))
    surplus = [at for at in chosen[of_ours] if earliest[int(rows.user[at]), int(rows.track[at])][2] != at]
    return chosen[~np.isin(chosen, surplus)]


def _events(rows: _Columns, order: Any) -> Iterator[Event]:
    """The rows as events, with the sessions that gaps make where a source has none."""
    user, until, session = -1, -1, ""
    columns = (rows.user, rows.track, rows.kind, rows.start, rows.end, rows.session, rows.device)
    for who, track, kind, start, end, given, device in zip(*(it[order].tolist() for it in columns), strict=True):
        name = rows.sessions[given]
        if not name:
            if who != user or start - until > SESSION_GAP_MS:
                session = iso(start)[:19].replace("-", "").replace(":", "")
                user, until = who, end
            until = max(until, end)
        yield Event(rows.users[who], track, kind, start, name or session, rows.devices[device])
