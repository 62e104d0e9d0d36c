"""The group edges: what Neo4j holds under each relationship type."""

import dagster as dg
from pyspark.sql import DataFrame

from spotify_graph.assets.graph import graph_asset
from spotify_graph.graph_model import BY, EVENT_TYPES, IN_GENRE, EventType
from spotify_graph.transforms import graph_tables


def _interaction_edges(event_type: EventType) -> dg.AssetsDefinition:
    @graph_asset(event_type.relationship)
    def edges(interactions: DataFrame) -> DataFrame:
        return graph_tables.interaction_edges(interactions, event_type)

    return edges


interaction_edges = [_interaction_edges(event_type) for event_type in EVENT_TYPES]


@graph_asset(BY)
def by_edges(cleaned_tracks: DataFrame) -> DataFrame:
    """Every track that names its artist, and that artist."""
    return graph_tables.by_edges(cleaned_tracks)


@graph_asset(IN_GENRE)
def in_genre_edges(cleaned_tracks: DataFrame) -> DataFrame:
    """Every track that names its genre, and that genre, or each of them."""
    return graph_tables.in_genre_edges(cleaned_tracks)
