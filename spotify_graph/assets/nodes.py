"""The group nodes: what Neo4j holds under each label."""

from pyspark.sql import DataFrame

from spotify_graph.assets.graph import graph_asset
from spotify_graph.graph_model import ARTIST, GENRE, TRACK, USER
from spotify_graph.transforms import graph_tables


@graph_asset(TRACK)
def track_nodes(cleaned_tracks: DataFrame, interactions: DataFrame) -> DataFrame:
    """Every track of the catalogue, and every track that only events name."""
    return graph_tables.track_nodes(cleaned_tracks, interactions)


@graph_asset(USER)
def user_nodes(cleaned_events: DataFrame) -> DataFrame:
    """Every user with an event."""
    return graph_tables.user_nodes(cleaned_events)


@graph_asset(ARTIST)
def artist_nodes(cleaned_tracks: DataFrame) -> DataFrame:
    """Every artist of the catalogue."""
    return graph_tables.artist_nodes(cleaned_tracks)


@graph_asset(GENRE)
def genre_nodes(cleaned_tracks: DataFrame) -> DataFrame:
    """Every genre of the catalogue."""
    return graph_tables.genre_nodes(cleaned_tracks)
