"""The snapshots that become nodes and relationships, with exactly the graph model's columns."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

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
    GraphTable,
)
from spotify_graph.transforms.names import SEVERAL


def user_nodes(cleaned_events: DataFrame) -> DataFrame:
    """One row for each user of any event, as in `graph_model.USER`."""
    # By device first: few rows are left for collect_set, which is slow on many keys.
    by_device = cleaned_events.groupBy("user_id", "device").agg(
        F.min("event_ts").alias("first_seen"), F.max("event_ts").alias("last_seen")
    )
    users = by_device.groupBy("user_id").agg(
        F.sort_array(F.collect_set("device")).alias("devices"),
        F.min("first_seen").alias("first_seen"),
        F.max("last_seen").alias("last_seen"),
    )
    return _in_model(users, USER)


def track_nodes(cleaned_tracks: DataFrame, interactions: DataFrame) -> DataFrame:
    """One row for each track of the catalogue or of any interaction, as in `graph_model.TRACK`.

    Returns:
        TRACK's columns, and events: how many the track has.
    """
    catalogue = cleaned_tracks.withColumn("catalogued", F.lit(True))
    days = (F.unix_micros("last_ts") / 1e6 - POPULARITY_SINCE.timestamp()) / 86_400
    half_lives = days / POPULARITY_HALF_LIFE_DAYS
    listeners = F.sum(F.when(F.col("event_type") == PLAY.name, F.pow(F.lit(2.0), half_lives)))
    heard = interactions.groupBy("track_id").agg(
        F.sum("count").alias("events"),
        # A sum of floats depends on their order in its last digits.
        F.round(F.log2(listeners), 6).alias("popularity"),
    )
    tracks = catalogue.join(heard, "track_id", "full")
    catalogued = tracks.withColumn("catalogued", F.coalesce("catalogued", F.lit(False)))
    return catalogued.select(*(column.name for column in TRACK.columns), "events")


def artist_nodes(cleaned_tracks: DataFrame) -> DataFrame:
    """One row for each artist of the catalogue, as in `graph_model.ARTIST`."""
    return _in_model(_distinct_names(cleaned_tracks, "artist"), ARTIST)


def genre_nodes(cleaned_tracks: DataFrame) -> DataFrame:
    """One row for each genre of the catalogue, as in `graph_model.GENRE`."""
    return _in_model(_distinct_names(_one_genre_each(cleaned_tracks), "genre"), GENRE)


def interaction_edges(interactions: DataFrame, event_type: EventType) -> DataFrame:
    """One row for each user and track with events of the type, as in its relationship type."""
    return _in_model(interactions.where(F.col("event_type") == event_type.name), event_type.relationship)


def by_edges(cleaned_tracks: DataFrame) -> DataFrame:
    """One row for each track with an artist, as in `graph_model.BY`."""
    return _in_model(cleaned_tracks.where(F.col("artist").isNotNull()), BY)


def in_genre_edges(cleaned_tracks: DataFrame) -> DataFrame:
    """One row for each track and each of its genres, as in `graph_model.IN_GENRE`."""
    return _in_model(_one_genre_each(cleaned_tracks), IN_GENRE)


def _one_genre_each(cleaned_tracks: DataFrame) -> DataFrame:
    return cleaned_tracks.withColumn("genre", F.explode(F.split("genre", SEVERAL)))


def _distinct_names(cleaned_tracks: DataFrame, column: str) -> DataFrame:
    return cleaned_tracks.select(F.col(column).alias("name")).where(F.col("name").isNotNull()).distinct()


def _in_model(rows: DataFrame, table: GraphTable) -> DataFrame:
    return rows.select(*(column.name for column in table.columns))
