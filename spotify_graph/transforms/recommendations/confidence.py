"""From events to implicit feedback: how sure it is that a user likes a track.

The confidence of a user in a track is a sum over their events: the weight of the event's type, halved for every
half-life since the day it happened; then damped, sign(x) * log(1 + |x|). Skips weigh against the track, so that a
confidence can be negative. After Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets"
(2008), whose confidence is linear or logarithmic in how often something was watched.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spotify_graph.graph_model import LIKE, PLAY
from spotify_graph.transforms.cleaning import EVENT_VALUES
from spotify_graph.transforms.recommendations.parameters import Parameters


def activity(cleaned_events: DataFrame, users: DataFrame, tracks: DataFrame) -> DataFrame:
    """Counts the distinct events of each user, track, type and day. An event that several files hold counts once.

    Args:
        cleaned_events: `cleaning.clean_events` of any number of files.
        users: user_id and user, its number.
        tracks: track_id and track, its number.

    Returns:
        user (int), track (int), event_type, day (int, days since 1970 in UTC), count (long).
    """
    events = cleaned_events.select(*EVENT_VALUES).repartition("user_id", "track_id").distinct()
    daily = events.groupBy("user_id", "track_id", "event_type", F.unix_date(F.to_date("event_ts")).alias("day")).agg(
        F.count(F.lit(1)).alias("count")
    )
    numbered = daily.join(F.broadcast(tracks), "track_id").join(users, "user_id")
    return numbered.select("user", "track", "event_type", "day", "count")


def confidence(activity: DataFrame, until: int, parameters: Parameters) -> DataFrame:
    """What each user thinks of each track that they have met, as far as one knows on a morning.

    Args:
        activity: from `activity`.
        until: the day whose morning it is; its events and later ones play no part.
        parameters: weights, damping and half-lives.

    Returns:
        user, track, profile and cooccurrence (double; the confidences with either half-life), last_play (int, the day
        of the last play, or null); one row for each user and track with any event.
    """
    weight = F.coalesce(*(F.when(F.col("event_type") == name, w) for name, w in parameters.weights.items()))
    age = F.lit(until - 1) - F.col("day")
    sums = {
        "profile": F.sum(weight * F.col("count") * _decay(age, parameters.profile_half_life_days)),
        "cooccurrence": F.sum(weight * F.col("count") * _decay(age, parameters.cooccurrence_half_life_days)),
    }
    return (
        activity.where(F.col("day") < until)
        .groupBy("user", "track")
        .agg(
            *((_damped(total) if parameters.damping else total).alias(name) for name, total in sums.items()),
            F.max(F.when(F.col("event_type") == PLAY.name, F.col("day"))).alias("last_play"),
        )
    )


def histories(confidence: DataFrame) -> DataFrame:
    """Each user's tracks as arrays.

    Args:
        confidence: from `confidence`.

    Returns:
        user; tracks (array of int), profile and cooccurrence (arrays of float): every track that the user has met, in
        falling order of profile.
    """
    in_order = F.array_sort(
        F.collect_list(F.struct((-F.col("profile")).alias("order"), "track", "profile", "cooccurrence"))
    )
    return (
        confidence.groupBy("user")
        .agg(in_order.alias("met"))
        .select(
            "user",
            F.col("met.track").alias("tracks"),
            F.col("met.profile").cast("array<float>").alias("profile"),
            F.col("met.cooccurrence").cast("array<float>").alias("cooccurrence"),
        )
    )


def positive(activity: DataFrame, first: int, until: int) -> DataFrame:
    """The tracks that each user played or liked from one day to the day before another.

    Returns:
        user, relevant (array of int, ascending).
    """
    liked = (F.col("day") >= first) & (F.col("day") < until) & F.col("event_type").isin(PLAY.name, LIKE.name)
    return activity.where(liked).groupBy("user").agg(F.sort_array(F.collect_set("track")).alias("relevant"))


def met(activity: DataFrame, until: int) -> DataFrame:
    """The tracks that each user had any event on before a day.

    Returns:
        user, met (array of int).
    """
    return activity.where(F.col("day") < until).groupBy("user").agg(F.collect_set("track").alias("met"))


def _decay(age: Column, half_life: float | None) -> Column:
    return F.lit(1.0) if half_life is None else F.pow(F.lit(2.0), -age / half_life)


def _damped(total: Column) -> Column:
    return F.signum(total) * F.log1p(F.abs(total))
