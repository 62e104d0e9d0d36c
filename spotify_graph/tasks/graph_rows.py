"""What is done to a part of what the graph is made from: rows of a node's or a relationship's table come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.graph_model import EventType
from spotify_graph.parts import Part
from spotify_graph.transforms import graph_tables

if TYPE_CHECKING:
    import pyarrow as pa

SEEN = ("user_id", "device", "event_ts")
"""What users are made of."""


def read_seen(schema: pa.Schema, part: Part) -> pa.Table:
    """What a part of the cleaned events says of users."""
    return part.read(schema, SEEN)


def users(schema: pa.Schema, part: Part) -> pa.Table:
    """The users of a bucket."""
    return graph_tables.user_nodes(read_seen(schema, part))


def heard(schema: pa.Schema, part: Part) -> pa.Table:
    """What a part of the interactions says of tracks."""
    return graph_tables.heard(part.read(schema))


def edges(schema: pa.Schema, event_type: EventType, part: Part) -> pa.Table:
    """The relationships of a part of the interactions."""
    import pyarrow.compute as pc

    return graph_tables.interaction_edges(
        part.read(schema, where=pc.field("event_type") == event_type.name), event_type
    )
