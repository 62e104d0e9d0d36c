"""The cleaned logs as the models read them: numbered, counted by day, and kept at hand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spotify_graph.transforms.recommendations import confidence, numbering
from spotify_graph.transforms.recommendations.numbering import Catalogue


@dataclass(frozen=True)
class Logs:
    """What users did, and the tracks that they may do it with.

    Attributes:
        catalogue: the tracks.
        tracks: track_id and track, its number.
        users: user_id and user, its number; persisted.
        user_count: how many users there are.
        activity: from `confidence.activity`; persisted.
        first: the day of the first event, in days since 1970; 0 where there is none.
        until: the day after the last event; 0 where there is none.
    """

    catalogue: Catalogue
    tracks: DataFrame
    users: DataFrame
    user_count: int
    activity: DataFrame
    first: int
    until: int

    @classmethod
    def read(cls, cleaned_events: DataFrame, cleaned_tracks: DataFrame) -> "Logs":
        """Numbers and counts.

        Args:
            cleaned_events: `cleaning.clean_events` of any number of files.
            cleaned_tracks: `cleaning.clean_tracks`.
        """
        catalogue = numbering.catalogue(cleaned_tracks, cleaned_events)
        tracks = numbering.numbered_tracks(catalogue, cleaned_events)
        users = numbering.numbered_users(cleaned_events).persist()
        activity = confidence.activity(cleaned_events, users, tracks).persist()
        days = activity.agg(F.min("day").alias("first"), F.max("day").alias("last")).first()
        first, last = (days["first"], days["last"]) if days and days["first"] is not None else (0, -1)
        return cls(catalogue, tracks, users, users.count(), activity, first, last + 1)

    def release(self) -> None:
        """Lets go of what is persisted."""
        self.activity.unpersist()
        self.users.unpersist()


def start_of(day: int) -> datetime:
    """The first moment of a day in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
