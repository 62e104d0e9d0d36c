"""The group nodes: what Neo4j holds under each label."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spotify_graph.assets.graph import Watch, graph_asset
from spotify_graph.checks import gates as gate
from spotify_graph.graph_model import ARTIST, GENRE, TRACK, USER
from spotify_graph.transforms import graph_tables

_UNCATALOGUED = Watch(
    gate.UNCATALOGUED_SHARE,
    lambda: [
        F.coalesce(F.sum("events"), F.lit(0)).alias("events"),
        F.coalesce(F.sum(F.when(~F.col("catalogued"), F.col("events"))), F.lit(0)).alias("uncatalogued"),
    ],
    lambda counts, gates, tracks: gate.uncatalogued_share(
        counts["events"],
        counts["uncatalogued"],
        gates,
        lambda: tracks.where(~F.col("catalogued")).select("track_id", "events").take(gate.SAMPLE),
    ),
)


@graph_asset(TRACK, _UNCATALOGUED)
def track_nodes(cleaned_tracks: DataFrame, interactions: DataFrame) -> DataFrame:
    """Every track of the catalogue, and every track that only events name."""
    return graph_tables.track_nodes(cleaned_tracks, interactions)


@graph_asset(USER)
def user_nodes(cleaned_events: DataFrame, interactions: DataFrame) -> DataFrame:  # noqa: ARG001 its gates count
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
