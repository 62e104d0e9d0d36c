"""Item-item neighbours: which tracks are listened to by the same people.

A user's capped history is a document and its tracks are the words: weighted as in BM25 (Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", 2009), so that hits and long histories count for less. The score
of two tracks is the sum over users of the products of their weights; each track keeps its best neighbours (Deshpande
and Karypis, "Item-Based Top-N Recommendation Algorithms", 2004).
"""

from collections.abc import Iterator
from enum import StrEnum

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from spotify_graph.transforms.recommendations.capped import Capped, Floats, Ints
from spotify_graph.transforms.recommendations.parameters import Parameters

_BLOCK = 1024
SCHEMA = "track int, similar array<int>, scores array<float>, listeners array<int>"


class Weighting(StrEnum):
    """How a user's confidence in a track becomes a weight."""

    BM25 = "bm25"
    COSINE = "cosine"
    """The baseline: each track's weights are scaled to length 1, so that the score is a cosine."""


def neighbours(
    spark: SparkSession,
    history: Capped,
    tracks: int,
    parameters: Parameters,
    weighting: Weighting = Weighting.BM25,
) -> DataFrame:
    """Finds each track's neighbours; the work grows with users * cap^2.

    Args:
        spark: computes.
        history: the users' capped histories, by their co-occurrence confidence.
        tracks: how many tracks there are.
        parameters: how many neighbours to keep, and BM25's parameters.
        weighting: BM25, or the baseline.

    Returns:
        track, similar (array of int), scores (array of float, falling, above 0) and listeners (array of int: how many
        users have both in their capped histories), one row for each track that has a neighbour.
    """
    weights = _bm25(history, tracks, parameters) if weighting is Weighting.BM25 else _unit(history, tracks)
    row, column = np.nonzero(history.weights)
    order = np.argsort(history.tracks[row, column], kind="stable")
    users, places = row[order].astype(np.int32), column[order].astype(np.int32)
    starts = np.searchsorted(history.tracks[users, places], np.arange(tracks + 1))
    numbers, keep = history.tracks, min(parameters.neighbours, max(tracks - 1, 1))

    def of_block(blocks: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for block in blocks:
            found = []
            for track in block["id"]:
                mine = slice(starts[track], starts[track + 1])
                if mine.start == mine.stop:
                    continue
                others = numbers[users[mine]].ravel()
                product = weights[users[mine]] * weights[users[mine], places[mine]][:, None]
                scores = np.bincount(others, product.ravel(), tracks + 1)[:tracks].astype(np.float32)
                scores[track] = 0
                best = _best(scores, keep)
                if len(best):
                    found.append((track, best, scores[best], np.bincount(others, minlength=tracks)[best]))
            yield pd.DataFrame(found, columns=["track", "similar", "scores", "listeners"])

    blocks = -(-tracks // _BLOCK) or 1
    return spark.range(0, tracks, numPartitions=min(blocks, 64)).mapInPandas(of_block, SCHEMA)


def _best(scores: Floats, keep: int) -> Ints:
    """The largest scores above 0, falling; equal ones in the order of their numbers."""
    found = np.flatnonzero(scores > 0)
    if len(found) > keep:
        found = found[scores[found] >= np.partition(scores[found], -keep)[-keep]]
    best: Ints = found[np.lexsort((found, -scores[found]))[:keep]].astype(np.int32)
    return best


def as_arrays(neighbours: DataFrame, tracks: int, keep: int) -> tuple[Ints, Floats]:
    """Each track's neighbours and scores in rows of one length; the number of tracks, and 0, where there are fewer."""
    similar = np.full((tracks, keep), tracks, dtype=np.int32)
    scores = np.zeros((tracks, keep), dtype=np.float32)
    rows = neighbours.select("track", "similar", "scores").toPandas()
    for track, near, how_near in zip(rows["track"], rows["similar"], rows["scores"], strict=True):
        similar[track, : len(near)] = near
        scores[track, : len(near)] = how_near
    return similar, scores


def _bm25(history: Capped, tracks: int, parameters: Parameters) -> Floats:
    there = history.weights > 0
    users = max(int(there.any(axis=1).sum()), 1)
    having = np.bincount(history.tracks[there], minlength=tracks + 1)
    rarity = np.log1p((users - having + 0.5) / (having + 0.5))
    length = history.weights.sum(axis=1, keepdims=True)
    relative = length / max(float(length.sum()) / users, np.finfo(np.float32).tiny)
    norm = parameters.bm25_k1 * (1 - parameters.bm25_b + parameters.bm25_b * relative)
    saturated = history.weights * (parameters.bm25_k1 + 1) / np.where(there, norm + history.weights, 1)
    return (saturated * rarity[history.tracks]).astype(np.float32)


def _unit(history: Capped, tracks: int) -> Floats:
    squares = np.bincount(history.tracks.ravel(), (history.weights**2).ravel(), minlength=tracks + 1)
    lengths = np.sqrt(np.where(squares > 0, squares, 1))
    return (history.weights / lengths[history.tracks]).astype(np.float32)
