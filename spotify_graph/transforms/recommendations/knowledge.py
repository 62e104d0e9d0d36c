"""Everything that the models learn up to a day, ready to score: what is known of tracks, and of users."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyspark.sql import DataFrame

from spotify_graph.transforms.recommendations import (
    capped,
    confidence,
    factors,
    neighbours,
    popularity,
    similar_users,
)
from spotify_graph.transforms.recommendations.capped import Capped, Floats, Ints
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.numbering import Groups
from spotify_graph.transforms.recommendations.parameters import Parameters


@dataclass(frozen=True)
class OfTracks:
    """What is known of tracks: arrays with one element or row for each. They go to every task as they are.

    Attributes:
        genres: the groups of those in a genre.
        artist: the artist's number.
        listeners: how many ever played it.
        popularity: how many play it of late.
        similar: shape (tracks, neighbours): the neighbours' numbers; the number of tracks where there are fewer.
        scores: likewise, the neighbours' scores; 0 where there are fewer.
        factors: shape (tracks, rank): the latent factors.
        histories: what the users like, for the model of similar users.
    """

    genres: Groups
    artist: Ints
    listeners: Floats
    popularity: Floats
    similar: Ints
    scores: Floats
    factors: Floats
    histories: Capped

    def __len__(self) -> int:
        """How many tracks there are."""
        return len(self.artist)


@dataclass(frozen=True)
class Prepared:
    """What users did up to a day, persisted: what every model is trained on.

    Attributes:
        until: the day on whose morning it is.
        confidence: from `confidence.confidence`.
        histories: from `confidence.histories`.
    """

    until: int
    confidence: DataFrame
    histories: DataFrame

    @classmethod
    def of(cls, logs: Logs, until: int, parameters: Parameters) -> "Prepared":
        """Weighs the events before a day."""
        known = confidence.confidence(logs.activity, until, parameters).persist()
        return cls(until, known, confidence.histories(known).persist())

    @cached_property
    def feedback(self) -> DataFrame | None:
        """From `factors.feedback`: the trials of a search train on the same."""
        return factors.feedback(self.confidence)

    def release(self) -> None:
        """Lets go of what is persisted."""
        self.confidence.unpersist()
        self.histories.unpersist()


@dataclass(frozen=True)
class Knowledge:
    """What the models know on the morning of a day.

    Attributes:
        of_tracks: of tracks.
        of_users: user, tracks and profile (`confidence.histories`), features (array of float, or null),
            similar_users and similarities (arrays, or null); one row for each user with any event before.
        neighbours: from `neighbours.neighbours`.
        similar_users: from `similar_users.similar_users`.
    """

    of_tracks: OfTracks
    of_users: DataFrame
    neighbours: DataFrame
    similar_users: DataFrame

    def release(self) -> None:
        """Lets go of what is persisted."""
        self.neighbours.unpersist()
        self.similar_users.unpersist()


def learn(
    logs: Logs,
    prepared: Prepared,
    parameters: Parameters,
    models: Collection[str] = ("popularity", "neighbours", "factors", "similar_users"),
) -> Knowledge:
    """Trains the models.

    Args:
        logs: how many users there are, and the tracks.
        prepared: what to train on.
        parameters: the models' parameters.
        models: which models are needed; the others have no opinion.
    """
    spark, catalogue, users = logs.activity.sparkSession, logs.catalogue, logs.user_count
    tracks = len(catalogue)
    listeners, popular = np.zeros((2, tracks), dtype=np.float32)
    if not {"popularity", "genre_popularity", "artist_popularity"}.isdisjoint(models):
        counted = popularity.popularity(prepared.confidence, prepared.until, parameters.popularity_half_life_days)
        listeners, popular = popularity.as_arrays(counted, tracks)
    near = spark.createDataFrame([], neighbours.SCHEMA)
    if "neighbours" in models:
        together = capped.cap(prepared.histories, users, tracks, parameters.history_cap, "cooccurrence")
        near = neighbours.neighbours(spark, together, tracks, parameters).persist()
    similar, scores = neighbours.as_arrays(near, tracks, parameters.neighbours)
    user_factors = track_factors = spark.createDataFrame([], factors.SCHEMA)
    if ("factors" in models or "similar_users" in models) and prepared.feedback is not None:
        user_factors, track_factors = factors.factors(prepared.feedback, parameters)
    alike = spark.createDataFrame([], similar_users.SCHEMA)
    liked = Capped.none(users, tracks)
    if "similar_users" in models:
        liked = capped.cap(prepared.histories, users, tracks, parameters.history_cap, "profile")
        of_users = factors.as_array(user_factors, users, parameters.rank)
        alike = similar_users.similar_users(user_factors, of_users, liked.weights.sum(axis=1), parameters).persist()
    return Knowledge(
        of_tracks=OfTracks(
            genres=catalogue.genres,
            artist=catalogue.artist,
            listeners=listeners,
            popularity=popular,
            similar=similar,
            scores=scores,
            factors=factors.as_array(track_factors, tracks, parameters.rank),
            histories=liked,
        ),
        of_users=prepared.histories.select("user", "tracks", "profile")
        .join(user_factors.withColumnRenamed("id", "user"), "user", "left")
        .join(alike, "user", "left"),
        neighbours=near,
        similar_users=alike,
    )
