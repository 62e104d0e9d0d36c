"""How each model scores the whole catalogue for a few users at once. NumPy alone: this runs inside Spark's tasks.

A score is comparable within a user and a model; 0 or less is no opinion.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from spotify_graph.transforms.recommendations.capped import Floats, Ints
from spotify_graph.transforms.recommendations.knowledge import OfTracks
from spotify_graph.transforms.recommendations.numbering import Groups
from spotify_graph.transforms.recommendations.parameters import Parameters


@dataclass(frozen=True)
class Block:
    """A few users, one element or row for each in every attribute.

    Attributes:
        tracks: what each of them has met.
        profile: their confidence in those tracks.
        features: shape (users, rank): their latent factors; 0 where there are none.
        similar_users: the users like them.
        similarities: how much.
    """

    tracks: Sequence[Ints]
    profile: Sequence[Floats]
    features: Floats
    similar_users: Sequence[Ints]
    similarities: Sequence[Floats]

    @classmethod
    def of(cls, rows: pd.DataFrame, rank: int) -> "Block":
        """The block of some rows of `Knowledge.of_users`."""
        features = np.zeros((len(rows), rank), dtype=np.float32)
        for i, found in enumerate(rows["features"]):
            if found is not None:
                features[i] = found
        return cls(
            tracks=_arrays(rows["tracks"], np.int32),
            profile=_arrays(rows["profile"], np.float32),
            features=features,
            similar_users=_arrays(rows["similar_users"], np.int32),
            similarities=_arrays(rows["similarities"], np.float32),
        )

    def __len__(self) -> int:
        """How many users there are."""
        return len(self.tracks)


_T = TypeVar("_T", np.int32, np.float32)

Score = Callable[[Block, OfTracks, Parameters], Floats]
"""Gives shape (users, tracks), or (1, tracks) where all users have the same."""


def by_popularity(block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """The listeners of late (`popularity`)."""
    return known.popularity[None, :]


def by_genre(block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """Popularity within a genre, times the genre's share in what the user likes."""
    return by_group(block, known, known.genres, parameters)


def by_artist(block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """The same by artist."""
    return by_group(block, known, Groups.one_each(known.artist), parameters)


def by_neighbours(block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """The neighbours of the tracks that the user likes (`neighbours`)."""
    scores = np.zeros((len(block), len(known)), dtype=np.float32)
    for i, (tracks, profile) in enumerate(zip(block.tracks, block.profile, strict=True)):
        liked = profile > 0
        near = known.similar[tracks[liked]]
        scores[i] = _sums(near, known.scores[tracks[liked]] * profile[liked, None], len(known))
    return scores


def by_factors(block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """The preference that the latent factors predict (`factors`)."""
    return block.features @ known.factors.T


def by_similar_users(block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """What users like this one like (`similar_users`)."""
    scores = np.zeros((len(block), len(known)), dtype=np.float32)
    for i, (users, similarities) in enumerate(zip(block.similar_users, block.similarities, strict=True)):
        their = known.histories
        scores[i] = _sums(their.tracks[users], their.weights[users] * similarities[:, None], len(known))
    return scores


def by_own_history(block: Block, known: OfTracks, parameters: Parameters) -> Floats:
    """What the user already likes: no recommendation, but hard to beat where people listen again."""
    scores = np.zeros((len(block), len(known)), dtype=np.float32)
    for i, (tracks, profile) in enumerate(zip(block.tracks, block.profile, strict=True)):
        scores[i, tracks] = np.maximum(profile, 0)
    return scores


MODELS: Mapping[str, Score] = {
    "popularity": by_popularity,
    "genre_popularity": by_genre,
    "artist_popularity": by_artist,
    "neighbours": by_neighbours,
    "factors": by_factors,
    "similar_users": by_similar_users,
}
"""The models, by name."""


def by_group(block: Block, known: OfTracks, groups: Groups, parameters: Parameters) -> Floats:
    """A track's share of its group's popularity, times the group's share of the user's confidence.

    P(track | user) = sum over groups of P(track | group) * P(group | user), where the user's shares are smoothed with
    everybody's (a Dirichlet prior, as in Zhai and Lafferty, "A Study of Smoothing Methods for Language Models", 2004).
    Of a track in several groups, popularity and confidence are in each of them in equal parts.
    """
    track, group, tracks = groups.track, groups.group, len(known)
    count, one_each = int(group.max(initial=-1)) + 1, len(track) == tracks
    popularity = known.popularity[track] * groups.share
    popular = np.bincount(group, popularity, count)
    everybody = popular / max(popular.sum(), 1e-12)
    own = np.zeros((len(block), count))
    for i, (met, profile) in enumerate(zip(block.tracks, block.profile, strict=True)):
        liked = np.maximum(profile, 0)
        if one_each:
            own[i] = np.bincount(group[met], liked, count)
        else:
            own[i] = np.bincount(group, np.bincount(met, liked, tracks)[track] * groups.share, count)
    share = (own + parameters.prior * everybody) / (own.sum(axis=1, keepdims=True) + parameters.prior)
    scores = share[:, group] * (popularity / np.maximum(popular, 1e-12)[group])
    if not one_each:
        scores = np.add.reduceat(scores, np.searchsorted(track, np.arange(tracks)), axis=1)
    found: Floats = scores.astype(np.float32)
    return found


def top(scores: Floats, allowed: npt.NDArray[np.bool_], count: int) -> Ints:
    """The best tracks of each user, best first; equal scores in the order of the tracks' numbers.

    Args:
        scores: shape (users, tracks).
        allowed: likewise; the others are not ranked.
        count: how many to return at most.

    Returns:
        Shape (users, count or fewer), -1 where a user has fewer.
    """
    ranked = np.where(allowed & (scores > -np.inf), scores, -np.inf)
    users, tracks = ranked.shape
    count = min(count, tracks)
    if not count:
        return np.zeros((users, 0), dtype=np.int32)
    last = np.partition(ranked, tracks - count, axis=1)[:, tracks - count, None]
    better, equal = ranked > last, ranked == last
    # Equal scores at the edge are cut by number, and not by chance.
    first = np.cumsum(equal, axis=1, dtype=np.int32) <= count - better.sum(axis=1, keepdims=True)
    best = np.nonzero(better | (equal & first))[1].reshape(users, count)
    found = np.take_along_axis(ranked, best, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    best, found = np.take_along_axis(best, order, axis=1), np.take_along_axis(found, order, axis=1)
    return np.where(found > -np.inf, best, -1).astype(np.int32)


def _sums(tracks: Ints, weights: Floats, count: int) -> Floats:
    """The sum of the weights of each track; the number past the last track is no track."""
    sums: Floats = np.bincount(tracks.ravel(), weights.ravel(), count + 1)[:count].astype(np.float32)
    return sums


def _arrays(column: "pd.Series[Any]", dtype: type[_T]) -> list[npt.NDArray[_T]]:
    none = np.zeros(0, dtype=dtype)
    return [none if values is None else np.asarray(values, dtype=dtype) for values in column]
