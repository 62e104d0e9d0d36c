"""The truth behind sample data, as a ranker that nobody can beat but by luck."""

from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from spotify_graph.transforms.evaluation.rankers import Truth
from spotify_graph.transforms.recommendations.numbering import Catalogue


def truth(
    track_popularity: Path, user_tastes: Path, catalogue: Catalogue, users: DataFrame
) -> tuple[Truth, DataFrame] | None:
    """Reads the truth that `generate` wrote beside sample data.

    Args:
        track_popularity: Parquet with track_id, genre, popularity.
        user_tastes: Parquet with user_id, genre, taste.
        catalogue: the tracks.
        users: user_id and user, its number.

    Returns:
        The ranker, and user and taste (array of double) for its column; None where the files are missing, or are the
        truth about other data: where they lack a track or a user.
    """
    if not (track_popularity.exists() and user_tastes.exists()):
        return None
    tracks = pd.read_parquet(track_popularity).set_index("track_id").reindex(catalogue.ids)
    tastes = pd.read_parquet(user_tastes).pivot(index="user_id", columns="genre", values="taste")
    rows = [(str(user), taste.tolist()) for user, taste in zip(tastes.index, tastes.to_numpy(), strict=True)]
    known = users.sparkSession.createDataFrame(rows, "user_id string, taste array<double>")
    if tracks["popularity"].isna().any() or not users.join(known, "user_id", "left_anti").isEmpty():
        return None
    genre = tastes.columns.get_indexer(pd.Index(tracks["genre"])).astype(np.int32)
    ranker = Truth(popularity=tracks["popularity"].to_numpy(np.float32), genre=genre)
    return ranker, users.join(known, "user_id").select("user", "taste")
