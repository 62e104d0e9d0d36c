"""The truth behind sample data, as a ranker that nobody can beat but by luck."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from spotify_graph.transforms.evaluation.rankers import Truth
from spotify_graph.transforms.recommendations.numbering import Catalogue


def truth(track_popularity: Path, user_tastes: Path, catalogue: Catalogue, user_ids: pa.Array) -> Truth | None:
    """Reads the truth that `generate` wrote beside sample data.

    Args:
        track_popularity: Parquet with track_id, genre, popularity.
        user_tastes: Parquet with user_id, genre, taste.
        catalogue: the tracks.
        user_ids: the users' ids, in the order of their numbers.

    Returns:
        The ranker; None where the files are missing, or are the truth about other data: where they lack a track or a
        user.
    """
    if not (track_popularity.exists() and user_tastes.exists()):
        return None
    tracks = pd.read_parquet(track_popularity).set_index("track_id").reindex(catalogue.ids)
    tastes = pd.read_parquet(user_tastes).pivot(index="user_id", columns="genre", values="taste")
    of_users = tastes.reindex(user_ids.to_numpy(zero_copy_only=False))
    if tracks["popularity"].isna().any() or of_users.isna().any(axis=None):
        return None
    return Truth(
        popularity=tracks["popularity"].to_numpy(np.float32),
        genre=tastes.columns.get_indexer(pd.Index(tracks["genre"])).astype(np.int32),
        tastes=of_users.to_numpy(np.float32),
    )
