"""The tables that the graph holds of a model: similar tracks, similar users, and recommended tracks."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spotify_graph.transforms.recommendations.capped import Ints
from spotify_graph.transforms.recommendations.combination import Combination, probability
from spotify_graph.transforms.recommendations.knowledge import Knowledge
from spotify_graph.transforms.recommendations.logs import Logs
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import Block, top

_CELLS = 4_000_000
"""How many scores of users and tracks are held at once for each model."""


def block_size(tracks: int) -> int:
    """How many users to score at once, so that memory does not grow with the catalogue."""
    return max(1, min(256, _CELLS // max(tracks, 1)))


def recommended(knowledge: Knowledge, combination: Combination, parameters: Parameters) -> DataFrame:
    """Ranks for each user the tracks that they never met.

    Returns:
        user, recommended (array of int, best first), scores (array of float: probabilities).
    """
    known = knowledge.of_tracks
    size = block_size(len(known))

    def of_block(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            for start in range(0, len(rows), size):
                users = rows.iloc[start : start + size]
                block = Block.of(users, known.factors.shape[1])
                scores = combination.score(block, known, parameters)
                best = top(scores, ~mask(block.tracks, len(known)), parameters.recommended)
                chosen = [row[row >= 0] for row in best]
                odds = [probability(scores[i, row]) for i, row in enumerate(chosen)]
                yield pd.DataFrame({"user": users["user"], "recommended": chosen, "scores": odds})

    return knowledge.of_users.mapInPandas(of_block, "user int, recommended array<int>, scores array<float>")


def recommended_table(lists: DataFrame, logs: Logs) -> DataFrame:
    """The lists of `recommended` as rows: user_id, track_id, score (double), rank (int, from 1)."""
    rows = _exploded(lists, "user", recommended="track", scores="score")
    return rows.join(logs.users, "user").join(F.broadcast(logs.tracks), "track").drop("user", "track")


def similar_track_table(neighbours: DataFrame, logs: Logs) -> DataFrame:
    """The lists of `neighbours` as rows: track_id, similar_track_id, score (double), rank (int), listeners (int)."""
    rows = _exploded(neighbours, "track", similar="other", scores="score", listeners="listeners")
    others = logs.tracks.toDF("similar_track_id", "other")
    return rows.join(F.broadcast(logs.tracks), "track").join(F.broadcast(others), "other").drop("track", "other")


def similar_user_table(alike: DataFrame, logs: Logs) -> DataFrame:
    """The lists of `similar_users` as rows: user_id, similar_user_id, score (double), rank (int)."""
    rows = _exploded(alike, "user", similar_users="other", similarities="score")
    others = logs.users.toDF("similar_user_id", "other")
    return rows.join(logs.users, "user").join(others, "other").drop("user", "other")


def _exploded(lists: DataFrame, key: str, **arrays: str) -> DataFrame:
    """One row for each element: the key, rank (from 1), and the element of each array under its new name."""
    zipped = lists.select(key, F.posexplode(F.arrays_zip(*arrays)).alias("place", "it"))
    elements = {new: F.col("it").getField(name) for name, new in arrays.items()}
    # Single precision read as double would show digits that say nothing.
    elements["score"] = F.round(elements["score"].cast("double"), 6)
    return zipped.select(key, (F.col("place") + 1).alias("rank"), *(it.alias(name) for name, it in elements.items()))


def mask(tracks: Iterable[Ints | None], count: int) -> npt.NDArray[np.bool_]:
    """Which tracks are in each user's array, shape (users, tracks); a user without an array has none."""
    rows = list(tracks)
    found = np.zeros((len(rows), count), dtype=bool)
    for i, numbers in enumerate(rows):
        if numbers is not None:
            found[i, numbers] = True
    return found
