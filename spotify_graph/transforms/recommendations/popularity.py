"""How popular tracks are of late: the model that needs to know nothing of a user.

Each listener of a track counts once, and half for every half-life since they last played it. To count listeners and
not plays keeps one fan from making a hit; see Ji et al., "A Re-visit of the Popularity Baseline in Recommender Systems"
(2020), on why a popularity must be one of its time. Popularity within a genre or by an artist is the same number, among
the tracks of that genre or artist (`scores.by_group`).
"""

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def popularity(confidence: DataFrame, until: int, half_life_days: float | None) -> DataFrame:
    """Counts each track's listeners.

    Args:
        confidence: from `confidence.confidence`.
        until: the day on whose morning it is asked.
        half_life_days: after how long a listener counts half; None counts all alike.

    Returns:
        track, listeners (double; all of them, undecayed), popularity (double), only for tracks that somebody played.
    """
    age = F.lit(until - 1) - F.col("last_play")
    counts = F.lit(1.0) if half_life_days is None else F.pow(F.lit(2.0), -age / half_life_days)
    played = confidence.where(F.col("last_play").isNotNull())
    return played.groupBy("track").agg(
        F.count(F.lit(1)).cast("double").alias("listeners"), F.sum(counts).alias("popularity")
    )


def as_arrays(popularity: DataFrame, tracks: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Listeners and popularity of each track, by its number; 0 for tracks that nobody played."""
    rows = popularity.toPandas()
    listeners, decayed = np.zeros((2, tracks), dtype=np.float32)
    listeners[rows["track"]] = rows["listeners"]
    decayed[rows["track"]] = rows["popularity"]
    return listeners, decayed
