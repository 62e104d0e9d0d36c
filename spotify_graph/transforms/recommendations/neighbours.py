"""Item-item neighbours: which tracks are listened to by the same people.

A user's capped history is a document and its tracks are the words: weighted as in BM25 (Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", 2009), so that hits and long histories count for less, or each
track's weights to the length 1. The score of two tracks is the sum over users of the products of their weights; each
track keeps its best neighbours (Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", 2004).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from spotify_graph.transforms.recommendations.arrays import Floats, Ints, Places
from spotify_graph.transforms.recommendations.histories import Capped
from spotify_graph.transforms.recommendations.parameters import Parameters


class Weighting(StrEnum):
    """How a user's confidence in a track becomes a weight. Which is better depends on the log: both are models."""

    BM25 = "bm25"
    COSINE = "cosine"
    """Each track's weights are scaled to length 1, so that the score of two tracks is a cosine."""


@dataclass(frozen=True)
class Neighbours:
    """The best neighbours of some tracks, in rows of one length.

    Attributes:
        tracks: shape (tracks, kept): the neighbours' numbers, best first; the number of tracks where there are fewer.
        scores: likewise, falling, above 0; 0 where there are fewer.
        listeners: likewise: how many users have both tracks in their capped histories.
    """

    tracks: Ints
    scores: Floats
    listeners: Ints

    @classmethod
    def empty(cls, rows: int, tracks: int, kept: int = 0) -> "Neighbours":
        """No neighbours."""
        return cls(
            np.full((rows, kept), tracks, dtype=np.int32),
            np.zeros((rows, kept), dtype=np.float32),
            np.zeros((rows, kept), dtype=np.int32),
        )


@dataclass(frozen=True)
class Listened:
    """The capped histories of all users, by track.

    Attributes:
        users: shape (pairs,): who has a track, one track's users after the other's.
        places: likewise: where in their history it is.
        starts: shape (tracks + 1,): where each track's users start.
        numbers: the histories' tracks, shape (users, cap).
        weights: what each of them weighs, likewise.
    """

    users: Ints
    places: Ints
    starts: Places
    numbers: Ints
    weights: Floats

    @classmethod
    def of(cls, history: Capped, tracks: int, parameters: Parameters, weighting: Weighting) -> "Listened":
        """Weighs histories, those by their co-occurrence confidence."""
        row, column = np.nonzero(history.weights)
        order = np.argsort(history.tracks[row, column], kind="stable")
        users, places = row[order].astype(np.int32), column[order].astype(np.int32)
        starts = np.searchsorted(history.tracks[users, places], np.arange(tracks + 1))
        weigh = _bm25 if weighting is Weighting.BM25 else _unit
        return cls(users, places, starts, history.tracks, weigh(history, tracks, parameters))


def neighbours(listened: Listened, block: range, keep: int) -> Neighbours:
    """Finds the neighbours of some tracks; the work grows with their listeners * cap.

    Args:
        listened: who has which track.
        block: the tracks' numbers.
        keep: how many neighbours to keep of each.
    """
    tracks = len(listened.starts) - 1
    found = Neighbours.empty(len(block), tracks, keep)
    for row, track in enumerate(block):
        mine = slice(listened.starts[track], listened.starts[track + 1])
        if mine.start == mine.stop:
            continue
        users, places = listened.users[mine], listened.places[mine]
        others = listened.numbers[users].ravel()
        product = listened.weights[users] * listened.weights[users, places][:, None]
        scores = np.bincount(others, product.ravel(), tracks + 1)[:tracks].astype(np.float32)
        scores[track] = 0
        best = _best(scores, keep)
        found.tracks[row, : len(best)] = best
        found.scores[row, : len(best)] = scores[best]
        found.listeners[row, : len(best)] = np.bincount(others, minlength=tracks + 1)[best]
    return found


def _best(scores: Floats, keep: int) -> Ints:
    """The largest scores above 0, falling; equal ones in the order of their numbers."""
    found = np.flatnonzero(scores > 0)
    if len(found) > keep:
        found = found[scores[found] >= np.partition(scores[found], -keep)[-keep]]
    best: Ints = found[np.lexsort((found, -scores[found]))[:keep]].astype(np.int32)
    return best


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


def _unit(history: Capped, tracks: int, parameters: Parameters) -> Floats:  # noqa: ARG001 cosine has none
    squares = np.bincount(history.tracks.ravel(), (history.weights**2).ravel(), minlength=tracks + 1)
    lengths = np.sqrt(np.where(squares > 0, squares, 1))
    return (history.weights / lengths[history.tracks]).astype(np.float32)
