"""What is done to a part of what the graph is made from: rows of a node's or a relationship's table come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.graph_model import EventType
from spotify_graph.lake.keyed import KeyedTable
from spotify_graph.transforms import graph_tables

if TYPE_CHECKING:
    import pyarrow as pa


def users(part: KeyedTable) -> pa.Table:
    """The users of a bucket of the devices."""
    return graph_tables.user_nodes(part.read())


def edges(event_type: EventType, part: KeyedTable) -> pa.Table:
    """The relationships of a bucket of the interactions."""
    import pyarrow.compute as pc

    return graph_tables.interaction_edges(part.read(where=pc.field("event_type") == event_type.name), event_type)
