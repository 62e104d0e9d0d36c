"""The tables that the graph holds of a model: similar tracks, similar users, and recommended tracks."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import DataFrame

from spotify_graph.transforms.recommendations.capped import Ints
from spotify_graph.transforms.recommendations.combination import Combination, probability
from spotify_graph.transforms.recommendations.knowledge import Knowledge
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


def mask(tracks: Iterable[Ints | None], count: int) -> npt.NDArray[np.bool_]:
    """Which tracks are in each user's array, shape (users, tracks); a user without an array has none."""
    rows = list(tracks)
    found = np.zeros((len(rows), count), dtype=bool)
    for i, numbers in enumerate(rows):
        if numbers is not None:
            found[i, numbers] = True
    return found
