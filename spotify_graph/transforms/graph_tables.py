"""The snapshots that become nodes and relationships, with exactly the graph model's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.graph_model import (
    ARTIST,
    BY,
    GENRE,
    IN_GENRE,
    PLAY,
    POPULARITY_HALF_LIFE_DAYS,
    POPULARITY_SINCE,
    TRACK,
    USER,
    EventType,
)
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.transforms.interactions import OLD_VALUES, VALUES
from spotify_graph.transforms.names import SEVERAL

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.


def user_nodes(events: pa.Table) -> pa.Table:
    """One row for each user of any event, as in `graph_model.USER`.

    Args:
        events: `cleaning.clean_events` of any number of files, all that there are of a user; of the columns user_id,
            device and event_ts are needed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    # By device first: few rows are left to be sorted. Groups come in the order of their first rows, without threads.
    by_device = events.group_by(["user_id", "device"]).aggregate([("event_ts", "min"), ("event_ts", "max")])
    ordered = by_device.sort_by([("user_id", "ascending"), ("device", "ascending")])
    users = ordered.group_by("user_id", use_threads=False).aggregate(
        [("event_ts_min", "min"), ("event_ts_max", "max"), ("device", "count")]
    )
    ends = pc.cumulative_sum(users["device_count"]).cast(pa.int32()).combine_chunks()
    named = pc.drop_null(ordered["device"]).combine_chunks()
    devices = pa.ListArray.from_arrays(pa.concat_arrays([pa.array([0], pa.int32()), ends]), named)
    renamed = users.rename_columns({"event_ts_min_min": "first_seen", "event_ts_max_max": "last_seen"})
    return _in_model(_with(renamed, devices=devices), USER)


def seen_of(users: pa.Table) -> pa.Table:
    """Events that `user_nodes` would make the same users of: what is known of users, for further events to be added."""
    import pyarrow as pa

    devices = users["devices"].combine_chunks()
    of_devices = users.select(["user_id", "first_seen"]).take(devices.value_parent_indices())
    columns = ["user_id", "event_ts"]
    nothing = pa.nulls(users.num_rows, pa.string())
    return pa.concat_tables(
        [
            users.select(["user_id", "first_seen"]).rename_columns(columns).append_column("device", nothing),
            users.select(["user_id", "last_seen"]).rename_columns(columns).append_column("device", nothing),
            of_devices.rename_columns(columns).append_column("device", devices.flatten()),
        ]
    )


def heard(interactions: pa.Table) -> pa.Table:
    """What interactions add to what is known of tracks. Of several parts, the rows are to be added up.

    Args:
        interactions: `interactions.interactions`, or a part of them.

    Returns:
        track_id, events (how many), listeners (of the decayed popularity; null where nobody played it).
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    micros = interactions["last_ts"].cast(pa.int64()).to_numpy()
    days = (micros / 1e6 - POPULARITY_SINCE.timestamp()) / 86_400
    weight = pa.array(np.exp2(days / POPULARITY_HALF_LIFE_DAYS))
    is_play = pc.equal(interactions["event_type"], PLAY.name)
    weighted = _with(interactions, weight=pc.if_else(is_play, weight, pa.scalar(None, pa.float64())))
    return _summed(weighted.select(["track_id", "count", "weight"]).rename_columns(["track_id", "events", "listeners"]))


def track_nodes(cleaned_tracks: pa.Table, heard: pa.Table) -> pa.Table:
    """One row for each track of the catalogue or of any interaction, as in `graph_model.TRACK`.

    Args:
        cleaned_tracks: `cleaning.clean_tracks`.
        heard: `heard` of all parts of the interactions.

    Returns:
        TRACK's columns, and events: how many the track has.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    catalogue = _with(cleaned_tracks, catalogued=pa.repeat(True, cleaned_tracks.num_rows))
    tracks = catalogue.join(_summed(heard), "track_id", join_type="full outer")
    # A sum of floats depends on their order in its last digits.
    popularity = pc.round(pc.log2(tracks["listeners"]), 6)
    known = _with(tracks, catalogued=pc.fill_null(tracks["catalogued"], False), popularity=popularity)
    return known.select([*(column.name for column in TRACK.columns), "events"])


def artist_nodes(cleaned_tracks: pa.Table) -> pa.Table:
    """One row for each artist of the catalogue, as in `graph_model.ARTIST`."""
    return _in_model(_distinct_names(cleaned_tracks, "artist"), ARTIST)


def genre_nodes(cleaned_tracks: pa.Table) -> pa.Table:
    """One row for each genre of the catalogue, as in `graph_model.GENRE`."""
    return _in_model(_distinct_names(_one_genre_each(cleaned_tracks), "genre"), GENRE)


def interaction_edges(interactions: pa.Table, event_type: EventType) -> pa.Table:
    """One row for each user and track with events of the type, as in its relationship type."""
    return _in_model(interactions.filter(_field("event_type") == event_type.name), event_type.relationship)


def changed_edges(changes: pa.Table, event_type: EventType) -> tuple[pa.Table, pa.Table]:
    """What changed interactions change in the relationships of a type.

    Args:
        changes: `interactions.change`.
        event_type: the type.

    Returns:
        The relationships that are changed or gone, as they were; and those that are changed or new, as they are.
    """
    of_type = changes.filter(_field("event_type") == event_type.name)
    were = of_type.filter(_field("old_count").is_valid()).drop_columns(list(VALUES))
    are = of_type.filter(_field("count").is_valid())
    were = were.rename_columns(dict(zip(OLD_VALUES, VALUES, strict=True)))
    return _in_model(were, event_type.relationship), _in_model(are, event_type.relationship)


def by_edges(cleaned_tracks: pa.Table) -> pa.Table:
    """One row for each track with an artist, as in `graph_model.BY`."""
    return _in_model(cleaned_tracks.filter(_field("artist").is_valid()), BY)


def in_genre_edges(cleaned_tracks: pa.Table) -> pa.Table:
    """One row for each track and each of its genres, as in `graph_model.IN_GENRE`."""
    return _in_model(_one_genre_each(cleaned_tracks), IN_GENRE)


def _one_genre_each(cleaned_tracks: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    genres = pc.split_pattern(cleaned_tracks["genre"], SEVERAL).combine_chunks()
    tracks = cleaned_tracks.select(["track_id"]).take(pc.list_parent_indices(genres))
    return tracks.append_column("genre", pa.chunked_array([pc.list_flatten(genres)], pa.string()))


def _distinct_names(cleaned_tracks: pa.Table, column: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.table({"name": pc.drop_null(pc.unique(cleaned_tracks[column]))})


def _summed(heard: pa.Table) -> pa.Table:
    summed = heard.group_by("track_id").aggregate([("events", "sum"), ("listeners", "sum")])
    return summed.select(["track_id", "events_sum", "listeners_sum"]).rename_columns(heard.column_names)


def _field(name: str) -> pa.compute.Expression:
    import pyarrow.compute as pc

    return pc.field(name)


def _with(rows: pa.Table, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows with these columns, in place of those of the same names."""
    for name, values in columns.items():
        at = rows.schema.get_field_index(name)
        rows = rows.append_column(name, values) if at < 0 else rows.set_column(at, name, values)
    return rows


def _in_model(rows: pa.Table, table: GraphTable) -> pa.Table:
    return rows.select([column.name for column in table.columns])
