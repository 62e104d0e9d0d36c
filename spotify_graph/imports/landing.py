"""Histories written into the landing folder, as files of the input contract."""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from spotify_graph import landing_folder
from spotify_graph.imports import opening
from spotify_graph.imports.catalogue import OURS, genres
from spotify_graph.imports.identities import counted, identified
from spotify_graph.imports.meaning import KINDS, Track, iso
from spotify_graph.imports.merging import History, merged
from spotify_graph.imports.pieces import OF_ACCOUNT, Piece, Store, column, encoded, track_of, words
from spotify_graph.imports.report import UserReport
from spotify_graph.storage import Address

EVENT_COLUMNS = ("user_id", "track_id", "event_type", "event_ts", "session_id", "device")
TRACK_COLUMNS = ("track_id", "artist", "album", "duration_ms", "genre", "title")
_NAMES = tuple(KINDS)
_MOST_OF_A_NAME = 100
"""The landing folder takes names of 128 characters."""


def events_file(name: str) -> str:
    """The file in the landing folder that has what was imported for this name."""
    part = encoded(name)
    if len(part) > _MOST_OF_A_NAME:
        part = f"{part[:80]}--{sha256(name.encode()).hexdigest()[:16]}"
    return f"user_events-imported-{part}.csv"


def write(store: Store, folder: Address, missing: Collection[str]) -> dict[str, UserReport]:
    """Writes what all pieces tell; a file that would be the same is left as it is.

    All histories are looked at, for what one says of a track may hold for another.

    Args:
        store: the pieces.
        folder: the landing folder.
        missing: words that stand for a missing value.
    """
    known = _Known()
    for name in store.names():
        for piece in store.pieces(name):
            known.look_at(piece)
    ids = identified(counted(known.heard.items())).of
    reports, listed = {}, set()
    for name in store.names():
        pieces = list(store.pieces(name))
        if pieces:
            history = merged(pieces, ids)
            reports[name] = _write_events(folder, name, history)
            listed |= {history.ids[number] for number in {event.track for event in history.events}}
    _write_tracks(folder, known, ids, listed, missing)
    return reports


@dataclass
class _Known:
    """What all pieces say of tracks.

    Attributes:
        heard: how often each track occurs.
        rank: the best source that has it.
        lengths: how often it was played to its end in how many milliseconds.
    """

    heard: dict[Track, int] = field(default_factory=dict)
    rank: dict[Track, int] = field(default_factory=dict)
    lengths: dict[Track, Counter[int]] = field(default_factory=dict)

    def look_at(self, piece: Piece) -> None:
        import numpy as np

        table = piece.table()
        tracks = [track_of(word) for word in words(table, "track")]
        at = column(table, "track")
        rank = 0 if piece.about.source == opening.EXTENDED else 1
        for track, count in zip(tracks, np.bincount(at, minlength=len(tracks)).tolist(), strict=True):
            self.heard[track] = self.heard.get(track, 0) + count
            self.rank[track] = min(rank, self.rank.get(track, rank))
        whole = column(table, "whole").astype(bool)
        pairs, counts = np.unique(
            np.stack([at[whole].astype(np.int64), column(table, "played")[whole]]), axis=1, return_counts=True
        )
        for number, played, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
            self.lengths.setdefault(tracks[number], Counter())[played] += count


def _write_events(folder: Address, name: str, history: History) -> UserReport:
    file = events_file(name)

    def user(said: str) -> str:
        return f"{name}-{said.removeprefix(OF_ACCOUNT)}" if said.startswith(OF_ACCOUNT) else said or name

    rows = (
        (user(it.user), history.ids[it.track], _NAMES[it.kind], iso(it.start_ms), it.session, it.device)
        for it in history.events
    )
    landing_folder.put(folder, file, partial(_write, EVENT_COLUMNS, rows))
    starts = [event.start_ms for event in history.events]
    return UserReport(
        name,
        file,
        dict(sorted(Counter(_NAMES[event.kind] for event in history.events).items())),
        len({event.user for event in history.events}),
        len({event.track for event in history.events}),
        iso(min(starts)) if starts else None,
        iso(max(starts)) if starts else None,
        history.elsewhere,
        history.duplicates,
        history.undated,
        history.unknown,
        history.dated,
    )


def _write_tracks(
    folder: Address, known: _Known, ids: Mapping[Track, str | None], listed: set[str], missing: Collection[str]
) -> None:
    told: dict[str, list[Track]] = defaultdict(list)
    for track, id_ in ids.items():
        if id_ in listed:
            told[id_].append(track)
    rows = []
    for id_ in sorted(told):
        artist, title = _most(known, told[id_], _named) or ("", "")
        same = [track for track in told[id_] if _named(track) == (artist, title)]
        (album,) = _most(known, same, lambda track: (track.album,) if track.album else None) or ("",)
        rows.append((id_, artist, album, _duration(known, told[id_]) or "", title))
    of = genres(folder, listed, {artist for _, artist, *_ in rows if artist}, missing)
    with_genres = [(id_, artist, *more, of.of(id_, artist), title) for id_, artist, *more, title in rows]
    landing_folder.put(folder, OURS, partial(_write, TRACK_COLUMNS, with_genres))


def _named(track: Track) -> tuple[str, str] | None:
    return (track.artist, track.title) if track.artist or track.title else None


def _most(known: _Known, tracks: Iterable[Track], value: Callable[[Track], tuple[str, ...] | None]) -> tuple[str, ...]:
    """The value that the best source has, the most frequent of them, the least of these; nothing where none has one."""
    counts: dict[tuple[str, ...], list[int]] = {}
    for track in tracks:
        if (found := value(track)) is not None:
            count = counts.setdefault(found, [known.rank[track], 0])
            count[0] = min(count[0], known.rank[track])
            count[1] += known.heard[track]
    return min(counts, key=lambda it: (counts[it][0], -counts[it][1], it), default=())


def _duration(known: _Known, tracks: Sequence[Track]) -> int | None:
    """How long a track is: as a source says; else as long as it was played most often when it was played to its end."""
    said: Counter[int] = Counter()
    for track in tracks:
        if track.duration_ms:
            said[track.duration_ms] += known.heard[track]
    lengths = said or sum((known.lengths.get(track, Counter()) for track in tracks), Counter())
    return min(lengths, key=lambda it: (-lengths[it], -it), default=None)


def _write(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
