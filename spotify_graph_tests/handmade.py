"""Logs, histories and what is known of tracks from a few numbers, as the models read them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from spotify_graph.transforms.recommendations.capped import Capped
from spotify_graph.transforms.recommendations.knowledge import OfTracks
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.numbering import Groups

Event = tuple[str, str, str, int]
"""user_id, track_id, event_type, day (in days since 1970)."""
Track = tuple[str, str | None, str | None]
"""track_id, genre, artist."""


def cleaned_events(spark: SparkSession, events: Iterable[Event], file: str = "user_events.csv") -> DataFrame:
    """Events as `cleaning.clean_events` gives them; no two of them at the same time."""
    rows = [
        (file, user, track, kind, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(day, i % 86_400), "s", "web")
        for i, (user, track, kind, day) in enumerate(events)
    ]
    return spark.createDataFrame(
        rows,
        "file string, user_id string, track_id string, event_type string, event_ts timestamp, "
        "session_id string, device string",
    )


def cleaned_tracks(spark: SparkSession, tracks: Iterable[Track]) -> DataFrame:
    """A catalogue as `cleaning.clean_tracks` gives it."""
    return spark.createDataFrame(list(tracks), "track_id string, genre string, artist string")


def read(spark: SparkSession, events: Iterable[Event], tracks: Iterable[Track] = ()) -> Logs:
    """The logs of these events."""
    return Logs.read(cleaned_events(spark, events), cleaned_tracks(spark, tracks))


def capped(tracks: int, *histories: dict[int, float]) -> Capped:
    """Each user's history, by track."""
    size = max(map(len, histories), default=0)
    made = Capped(
        np.full((len(histories), size), tracks, dtype=np.int32), np.zeros((len(histories), size), dtype=np.float32)
    )
    for user, history in enumerate(histories):
        made.tracks[user, : len(history)] = list(history)
        made.weights[user, : len(history)] = list(history.values())
    return made


def of_tracks(tracks: int, **known: Any) -> OfTracks:
    """What is known of some tracks; nothing where it isn't said."""
    nothing: dict[str, Any] = {
        "genres": Groups.one_each(np.zeros(tracks, dtype=np.int32)),
        "artist": np.zeros(tracks, dtype=np.int32),
        "listeners": np.zeros(tracks, dtype=np.float32),
        "popularity": np.zeros(tracks, dtype=np.float32),
        "similar": np.zeros((tracks, 0), dtype=np.int32),
        "scores": np.zeros((tracks, 0), dtype=np.float32),
        "factors": np.zeros((tracks, 1), dtype=np.float32),
        "histories": Capped.none(0, tracks),
    }
    given = {
        name: value if isinstance(value, Capped | Groups) else np.asarray(value, dtype=nothing[name].dtype)
        for name, value in known.items()
    }
    return OfTracks(**{**nothing, **given})


def by_id(logs: Logs, numbers: Sequence[int]) -> list[str]:
    """The ids of some tracks."""
    return [str(logs.catalogue.ids[number]) for number in numbers]
