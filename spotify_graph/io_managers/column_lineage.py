"""Which columns each column of an asset comes from, as Dagster shows it."""

import dagster as dg

from spotify_graph.graph_model import ARTIST, BY, EVENT_TYPES, GENRE, IN_GENRE, RECOMMENDATIONS, TRACK, USER
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS

_FROM = dict[str, list[tuple[str, str]]]
"""For each column, the assets and columns that it comes from."""


def _same(asset: str, *columns: str) -> _FROM:
    return {column: [(asset, column)] for column in columns}


_PAIR = ("user_id", "track_id")
_COUNTED = {"count": [("interactions", "count")], **_same("interactions", "first_ts", "last_ts")}
_HEARD = [("cleaned_events", column) for column in (*_PAIR, "event_type", "event_ts")]
_ABOUT = [("cleaned_tracks", "artist"), ("cleaned_tracks", "genre")]

_LINEAGE: dict[str, _FROM] = {
    "cleaned_events": _same("raw_user_events", "file", *USER_EVENTS.all_columns),
    "rejected_events": {
        **_same("raw_user_events", "file", "line", "raw"),
        "reasons": [("raw_user_events", column) for column in USER_EVENTS.all_columns],
    },
    "cleaned_tracks": _same("raw_tracks", "file", "line", *TRACKS.all_columns),
    "rejected_tracks": {
        **_same("raw_tracks", "file", "line", "raw"),
        "reasons": [("raw_tracks", column) for column in TRACKS.all_columns],
    },
    "interactions": {
        **_same("cleaned_events", *_PAIR, "event_type"),
        "count": [("cleaned_events", "event_type")],
        "first_ts": [("cleaned_events", "event_ts")],
        "last_ts": [("cleaned_events", "event_ts")],
    },
    TRACK.asset: {
        "track_id": [("cleaned_tracks", "track_id"), ("interactions", "track_id")],
        **_same("cleaned_tracks", "title", "album", "duration_ms"),
        "catalogued": [("cleaned_tracks", "track_id")],
        "popularity": [("interactions", "event_type"), ("interactions", "last_ts")],
    },
    USER.asset: {
        "user_id": [("interactions", "user_id")],
        "devices": [("cleaned_events", "device")],
        "first_seen": [("interactions", "first_ts")],
        "last_seen": [("interactions", "last_ts")],
    },
    ARTIST.asset: {"name": [("cleaned_tracks", "artist")]},
    GENRE.asset: {"name": [("cleaned_tracks", "genre")]},
    BY.asset: _same("cleaned_tracks", "track_id", "artist"),
    IN_GENRE.asset: _same("cleaned_tracks", "track_id", "genre"),
    **{event.relationship.asset: {**_same("interactions", *_PAIR), **_COUNTED} for event in EVENT_TYPES},
    **{
        table.asset: {
            table.start.column: [("cleaned_events", table.start.node.key.name)],
            table.end.column: [("cleaned_events", table.end.node.key.name)],
            **{column.name: [*_HEARD, *_ABOUT] for column in table.properties},
        }
        for table in RECOMMENDATIONS
    },
}


def lineage_of(asset: str) -> dg.TableColumnLineage | None:
    """Where an asset's columns come from; None of an asset whose columns come from none."""
    known = _LINEAGE.get(asset)
    if known is None:
        return None
    return dg.TableColumnLineage(
        {column: [dg.TableColumnDep(dg.AssetKey(of), it) for of, it in deps] for column, deps in known.items()}
    )
