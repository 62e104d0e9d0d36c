"""What a user did with a track, counted."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spotify_graph.transforms.cleaning import EVENT_VALUES


def interactions(cleaned_events: DataFrame) -> DataFrame:
    """Counts the distinct events of each user, track and event type. An event that several files hold counts once.

    Args:
        cleaned_events: `cleaning.clean_events` of any number of files.

    Returns:
        user_id, track_id, event_type, count (long), first_ts and last_ts (of the first and the last of them).
    """
    # Partitioned like this, neither the distinct nor the count needs another shuffle.
    events = cleaned_events.select(*EVENT_VALUES).repartition("user_id", "track_id").distinct()
    return events.groupBy("user_id", "track_id", "event_type").agg(
        F.count(F.lit(1)).alias("count"),
        F.min("event_ts").alias("first_ts"),
        F.max("event_ts").alias("last_ts"),
    )


def updated(previous: DataFrame, changed_events: DataFrame, cleaned_events: DataFrame) -> DataFrame:
    """Brings interactions up to date by counting anew only the pairs of user and track that changed.

    Args:
        previous: the interactions before, from `interactions` or `updated`.
        changed_events: every event that was taken in or taken out since; others do no harm.
        cleaned_events: `cleaning.clean_events` of all files, as they are now.

    Returns:
        Exactly what `interactions` gives for all files.
    """
    pair = ["user_id", "track_id"]
    changed = changed_events.select(*pair).distinct()
    unchanged = previous.join(changed, pair, "left_anti")
    return unchanged.unionByName(interactions(cleaned_events.join(changed, pair, "left_semi")))
