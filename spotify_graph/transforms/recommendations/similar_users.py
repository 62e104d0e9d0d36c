"""Users with tastes alike: the cosine of their latent factors (`factors`).

For user-based recommendation see Herlocker et al., "An Algorithmic Framework for Performing Collaborative Filtering"
(1999): what a user's nearest neighbours like, weighted by how near they are.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from spotify_graph.transforms.recommendations.capped import Floats
from spotify_graph.transforms.recommendations.parameters import Parameters

SCHEMA = "user int, similar_users array<int>, similarities array<float>"
_BLOCK = 256


def similar_users(user_factors: DataFrame, factors: Floats, strength: Floats, parameters: Parameters) -> DataFrame:
    """Finds each user's nearest users.

    Args:
        user_factors: of users, from `factors.factors`.
        factors: the same as an array, one row for each user.
        strength: shape (users,): how much confidence each user's history holds.
        parameters: how many to keep, and among how many to seek.

    Returns:
        user, similar_users (array of int) and similarities (array of float: cosines, falling, above 0).
    """
    known = np.flatnonzero(factors.any(axis=1))
    among = np.sort(known[np.lexsort((known, -strength[known]))[: parameters.similar_among]])
    candidates = _unit(factors[among])
    keep = min(parameters.similar_users, max(len(among), 1))

    def of_block(blocks: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in blocks:
            for start in range(0, len(rows), _BLOCK):
                block = rows.iloc[start : start + _BLOCK]
                cosines = _unit(np.stack(block["features"].to_list())) @ candidates.T
                cosines[block["id"].to_numpy()[:, None] == among] = -1  # not oneself
                top = np.argpartition(-cosines, keep - 1, axis=1)[:, :keep]
                near = np.take_along_axis(cosines, top, axis=1)
                order = np.lexsort((among[top], -near), axis=1)
                top, near = np.take_along_axis(top, order, axis=1), np.take_along_axis(near, order, axis=1)
                alike = [among[t[n > 0]] for t, n in zip(top, near, strict=True)]
                cosine = [n[n > 0] for n in near]
                yield pd.DataFrame({"user": block["id"], "similar_users": alike, "similarities": cosine})

    return user_factors.mapInPandas(of_block, SCHEMA)


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
