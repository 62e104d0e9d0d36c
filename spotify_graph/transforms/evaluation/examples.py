"""What the combination learns from: candidates of each user in the validation window, played or not."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from spotify_graph.transforms.recommendations.combination import logarithm
from spotify_graph.transforms.recommendations.knowledge import Knowledge
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.recommend import block_size, mask
from spotify_graph.transforms.recommendations.scores import MODELS, Block, top

CANDIDATES = 300
"""How many of the best tracks of each model are candidates."""
_UNPLAYED = 100
"""How many candidates of a user that were not played are kept at the most; each stands for several."""


def examples(asked: DataFrame, knowledge: Knowledge, parameters: Parameters) -> DataFrame:
    """The candidates of each user: the best tracks of every model among those that the user had never met.

    Args:
        asked: from `lists.questions`.
        knowledge: what is known before the window.
        parameters: the models' parameters.

    Returns:
        features (array of float: `combination.logarithm` of each model's score, in the order of `scores.MODELS`),
        played (double, 1 or 0), weight (double: how many candidates the row stands for).
    """
    known = knowledge.of_tracks
    tracks = len(known)
    size = block_size(tracks)

    def of_block(rows: pd.DataFrame) -> pd.DataFrame:
        block = Block.of(rows, known.factors.shape[1])
        relevant, met = mask(rows["relevant"], tracks), mask(rows["met"], tracks)
        scores = [np.broadcast_to(score(block, known, parameters), met.shape) for score in MODELS.values()]
        candidates = np.zeros_like(met)
        for each in scores:
            best = top(each, ~met & (each > 0), CANDIDATES)
            candidates |= mask([row[row >= 0] for row in best], tracks)
        features = np.stack([logarithm(each) for each in scores], axis=2)
        found = []
        for i, user in enumerate(rows["user"]):
            played = np.flatnonzero(candidates[i] & relevant[i])
            if not len(played):
                continue
            others = np.flatnonzero(candidates[i] & ~relevant[i])
            kept = np.random.default_rng([parameters.seed, user]).permutation(others)[:_UNPLAYED]
            found += [(features[i, track], 1.0, 1.0) for track in played]
            found += [(features[i, track], 0.0, len(others) / len(kept)) for track in kept]
        return pd.DataFrame(found, columns=["features", "played", "weight"])

    def of_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            for start in range(0, len(rows), size):
                yield of_block(rows.iloc[start : start + size])

    schema = "features array<float>, played double, weight double"
    return asked.join(knowledge.of_users, "user", "left").mapInPandas(of_batches, schema)
