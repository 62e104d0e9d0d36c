"""The snapshots that become nodes and relationships, with exactly the graph model's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.graph_model import (
    ARTIST,
    BY,
    GENRE,
    IN_GENRE,
    TRACK,
    USER,
    EventType,
)
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.transforms.interactions import OLD_VALUES, VALUES
from spotify_graph.transforms.names import SEVERAL
from spotify_graph.transforms.popularity import popularity

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.


def user_nodes(devices: pa.Table) -> pa.Table:
    """One row for each user of any event, as in `graph_model.USER`.

    Args:
        devices: `interactions.counted` by `interactions.DEVICE_KEYS`, all that there are of a user.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    ordered = devices.sort_by([("user_id", "ascending"), ("device", "ascending")]).combine_chunks()
    # Arrow's groups come in no order that could be relied on.
    users = ordered["user_id"].combine_chunks().dictionary_encode()
    starts = np.flatnonzero(np.diff(users.indices.to_numpy(), prepend=-1))
    first, last = (ordered[name].cast(pa.int64()).to_numpy() for name in ("first_ts", "last_ts"))
    is_known = pc.not_equal(ordered["device"], "")
    ends = np.append(np.concatenate([[0], np.cumsum(is_known.to_numpy())])[starts], pc.sum(is_known).as_py() or 0)
    named = ordered["device"].filter(is_known).combine_chunks()
    columns = {
        "user_id": users.dictionary,
        "devices": pa.ListArray.from_arrays(pa.array(ends, pa.int32()), named),
        "first_seen": pa.array(np.minimum.reduceat(first, starts) if len(starts) else first),
        "last_seen": pa.array(np.maximum.reduceat(last, starts) if len(starts) else last),
    }
    time = ordered["first_ts"].type
    return _in_model(
        pa.table({name: it.cast(time) if name.endswith("_seen") else it for name, it in columns.items()}), USER
    )


def track_nodes(cleaned_tracks: pa.Table, sums: pa.Table) -> pa.Table:
    """One row for each track of the catalogue or of any interaction, as in `graph_model.TRACK`.

    Args:
        cleaned_tracks: `cleaning.clean_tracks`.
        sums: `popularity.sums` of the tracks.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    catalogue = _with(cleaned_tracks, catalogued=pa.repeat(True, cleaned_tracks.num_rows))
    tracks = catalogue.join(popularity(sums), "track_id", join_type="full outer")
    return _in_model(_with(tracks, catalogued=pc.fill_null(tracks["catalogued"], False)), TRACK)


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
