"""Logs, histories and what is known of tracks from a few numbers, as the models read them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spotify_graph.neo4j_io.running import Runner, in_process
from spotify_graph.parts import Part, save
from spotify_graph.training import logs as reading
from spotify_graph.training.logs import Logs
from spotify_graph.transforms.recommendations.histories import Capped, Histories
from spotify_graph.transforms.recommendations.neighbours import Neighbours
from spotify_graph.transforms.recommendations.numbering import Groups
from spotify_graph.transforms.recommendations.scores import Block
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

Event = tuple[str, str, str, int]
"""user_id, track_id, event_type, day (in days since 1970)."""
Track = tuple[str, str | None, str | None]
"""track_id, genre, artist."""

_EVENTS = pa.schema(
    [
        ("file", pa.string()),
        ("user_id", pa.string()),
        ("track_id", pa.string()),
        ("event_type", pa.string()),
        ("event_ts", pa.timestamp("us", "UTC")),
        ("session_id", pa.string()),
        ("device", pa.string()),
    ]
)
_TRACKS = pa.schema([("track_id", pa.string()), ("genre", pa.string()), ("artist", pa.string())])


def cleaned_events(events: Iterable[Event], file: str = "user_events.csv") -> pa.Table:
    """Events as `cleaning.clean_events` gives them; no two of them at the same time."""
    rows = [
        (file, user, track, kind, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(day, i % 86_400), "s", "web")
        for i, (user, track, kind, day) in enumerate(events)
    ]
    return table(rows, _EVENTS)


def cleaned_tracks(tracks: Iterable[Track]) -> pa.Table:
    """A catalogue as `cleaning.clean_tracks` gives it."""
    return table(list(tracks), _TRACKS)


def table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows with these columns."""
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def read(
    folder: Path,
    events: pa.Table | Iterable[Event],
    tracks: pa.Table | Iterable[Track] = (),
    *,
    run: Runner = in_process,
    buckets: int = 1,
) -> Logs:
    """The logs of these events.

    Args:
        folder: where to keep what is computed of them.
        events: the events.
        tracks: the catalogue.
        run: runs the tasks.
        buckets: in how many buckets the users are.
    """
    rows = events if isinstance(events, pa.Table) else cleaned_events(events)
    catalogue = tracks if isinstance(tracks, pa.Table) else cleaned_tracks(tracks)
    part = Part((save(rows, folder),))
    return reading.read(part, rows.schema, catalogue, folder, run=run, buckets=buckets)


def histories(*of_users: dict[int, float]) -> Histories:
    """Each user's profile, by track; the co-occurrence is the same."""
    pairs = [(user, track, weight) for user, tracks in enumerate(of_users) for track, weight in tracks.items()]
    user, track, weight = (np.array(column) for column in zip(*pairs, strict=True)) if pairs else np.zeros((3, 0))
    weights = weight.astype(np.float32)
    known = Histories.of_pairs(
        user.astype(np.int32), track.astype(np.int32), weights, weights, np.zeros(len(weights), dtype=np.int32)
    )
    return known.select(np.arange(len(of_users), dtype=np.int32))


def block(*of_users: dict[int, float], factors: Any = None) -> Block:
    """Users with these histories and factors."""
    given = np.zeros((len(of_users), 2)) if factors is None else factors
    return Block(histories(*of_users), np.asarray(given, dtype=np.float32))


def capped(tracks: int, *histories: dict[int, float]) -> Capped:
    """Each user's history, by track."""
    size = max(map(len, histories), default=0)
    made = Capped.empty(len(histories), tracks, size)
    for user, history in enumerate(histories):
        made.tracks[user, : len(history)] = list(history)
        made.weights[user, : len(history)] = list(history.values())
    return made


def track_features(tracks: int, **known: Any) -> TrackFeatures:
    """What is known of some tracks; nothing where it isn't said."""
    nothing: dict[str, Any] = {
        "genres": Groups.one_each(np.zeros(tracks, dtype=np.int32)),
        "artist": np.zeros(tracks, dtype=np.int32),
        "listeners": np.zeros(tracks, dtype=np.float32),
        "popularity": np.zeros(tracks, dtype=np.float32),
        "neighbours": Neighbours.empty(tracks, tracks),
        "cosine": Neighbours.empty(tracks, tracks),
        "factors": np.zeros((tracks, 2), dtype=np.float32),
        "linear_tracks": np.zeros(0, dtype=np.int32),
        "linear": np.zeros((0, 0), dtype=np.float32),
        "candidates": np.zeros(0, dtype=np.int32),
        "of_candidates": np.zeros((0, 2), dtype=np.float32),
        "histories": Capped.empty(0, tracks),
    }
    given = {
        name: np.asarray(value, dtype=nothing[name].dtype) if isinstance(nothing[name], np.ndarray) else value
        for name, value in known.items()
    }
    return TrackFeatures(**{**nothing, **given})
