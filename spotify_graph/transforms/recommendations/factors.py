"""Latent factors by implicit alternating least squares, MLlib's.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), with the regularization of Zhou
et al., "Large-Scale Parallel Collaborative Filtering for the Netflix Prize" (2008), as MLlib's manual describes it. A
negative feedback, more skipped than liked, is a preference of 0 with a confidence of 1 + alpha * |feedback|.
"""

import numpy as np
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spotify_graph.transforms.recommendations.capped import Floats
from spotify_graph.transforms.recommendations.parameters import Parameters

SCHEMA = "id int, features array<float>"
_BLOCKS = 2


def feedback(confidence: DataFrame) -> DataFrame | None:
    """What to train on: the users' profiles, without users and tracks that have no feedback above 0.

    Args:
        confidence: from `confidence.confidence`.

    Returns:
        user, track and profile (float, not 0); None where nobody has any feedback above 0.
    """
    given = confidence.select("user", "track", F.col("profile").cast("float")).where(F.col("profile") != 0)
    liked = given.where(F.col("profile") > 0)
    counts = _counted(given)
    if not any(with_likes for _, with_likes in counts.values()):
        return None
    # MLlib does not regularize who likes nothing, and fails where the rest leaves their factors open.
    for key, (there, with_likes) in counts.items():
        if with_likes < there:
            given = given.join(liked.select(key).distinct(), key, "left_semi")
    return given


def factors(feedback: DataFrame, parameters: Parameters) -> tuple[DataFrame, DataFrame]:
    """Trains on the users' feedback.

    Args:
        feedback: from `feedback`; not None.
        parameters: rank, regularization, alpha, iterations and seed.

    Returns:
        Two DataFrames, of users and of tracks: id (int), features (array of float); users and tracks without any
        feedback above 0 are missing.
    """
    als = ALS(
        rank=parameters.rank,
        regParam=parameters.regularization,
        alpha=parameters.alpha,
        maxIter=parameters.iterations,
        implicitPrefs=True,
        userCol="user",
        itemCol="track",
        ratingCol="profile",
        numUserBlocks=_BLOCKS,
        numItemBlocks=_BLOCKS,
        seed=parameters.seed,
    )
    model = als.fit(feedback)
    return model.userFactors, model.itemFactors


def _counted(feedback: DataFrame) -> dict[str, tuple[int, int]]:
    """How many users and tracks there are, and how many of them with any feedback above 0."""
    likes = F.col("profile") > 0
    keys = ("user", "track")
    counted = [F.count_distinct(column) for key in keys for column in (F.col(key), F.when(likes, F.col(key)))]
    users, users_who_like, tracks, tracks_liked = feedback.agg(*counted).collect()[0]
    return {"user": (users, users_who_like), "track": (tracks, tracks_liked)}


def as_array(factors: DataFrame, count: int, rank: int) -> Floats:
    """Factors by number, shape (count, rank); 0 where there are none."""
    rows = factors.toPandas()
    array = np.zeros((count, rank), dtype=np.float32)
    if len(rows):
        array[rows["id"]] = np.stack(rows["features"].to_list())
    return array
