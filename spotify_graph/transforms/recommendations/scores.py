"""How each model scores the whole catalogue for a few users at once.

A score is comparable within a user and a model; 0 or less is no opinion.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spotify_graph.transforms.recommendations.arrays import Bools, Floats, Ints
from spotify_graph.transforms.recommendations.histories import Histories
from spotify_graph.transforms.recommendations.neighbours import Neighbours
from spotify_graph.transforms.recommendations.numbering import Groups
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.similar_users import similar_users
from spotify_graph.transforms.recommendations.track_features import TrackFeatures


@dataclass(frozen=True)
class Block:
    """A few users.

    Attributes:
        histories: what they have met.
        factors: shape (users, rank): their latent factors; 0 where there are none.
    """

    histories: Histories
    factors: Floats

    def __len__(self) -> int:
        """How many users there are."""
        return len(self.histories)

    @property
    def users(self) -> Ints:
        """Their numbers."""
        return self.histories.users

    @property
    def liked(self) -> Iterator[tuple[Ints, Floats]]:
        """Of each user the tracks with a profile above 0, and their profiles."""
        starts = self.histories.starts
        for first, last in pairwise(starts.tolist()):
            profile = self.histories.profile[first:last]
            # The profile falls within a user: what is above 0 comes first.
            until = first + int((profile > 0).sum())
            yield self.histories.tracks[first:until], self.histories.profile[first:until]


Score = Callable[[Block, TrackFeatures, Parameters], Floats]
"""Gives shape (users, tracks), or (1, tracks) where all users have the same."""


def by_popularity(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """The listeners of late (`popularity`)."""
    return known.popularity[None, :]


def by_genre(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """Popularity within a genre, times the genre's share in what the user likes."""
    return by_group(block, known, known.genres, parameters)


def by_artist(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """The same by artist."""
    return by_group(block, known, Groups.one_each(known.artist), parameters)


def by_neighbours(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """The neighbours of the tracks that the user likes (`neighbours`)."""
    return _of_neighbours(block, known.neighbours, len(known))


def by_cosine(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """Their neighbours by the cosine."""
    return _of_neighbours(block, known.cosine, len(known))


def by_linear(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """What the tracks that the user likes predict together (`linear`)."""
    scores = np.zeros((len(block), len(known)), dtype=np.float32)
    likes = np.zeros_like(scores)
    for i, (tracks, _) in enumerate(block.liked):
        likes[i, tracks] = 1
    scores[:, known.linear_tracks] = likes[:, known.linear_tracks] @ known.linear
    return scores


def by_factors(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """The preference that the latent factors predict (`factors`)."""
    return block.factors @ known.factors.T


def by_similar_users(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """What users like this one like (`similar_users`)."""
    scores = np.zeros((len(block), len(known)), dtype=np.float32)
    keep = parameters.similar_users
    nearest, near = similar_users(block.users, block.factors, known.candidates, known.of_candidates, keep)
    their = known.histories
    for i, (places, similarities) in enumerate(zip(nearest, near, strict=True)):
        weights = their.weights[places] * similarities[:, None]  # 0 past the last similar user
        scores[i] = _sums(their.tracks[places], weights, len(known))
    return scores


def by_own_history(block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
    """What the user already likes: no recommendation, but hard to beat where people listen again."""
    scores = np.zeros((len(block), len(known)), dtype=np.float32)
    for i, (tracks, profile) in enumerate(block.liked):
        scores[i, tracks] = profile
    return scores


MODELS: Mapping[str, Score] = {
    "popularity": by_popularity,
    "genre_popularity": by_genre,
    "artist_popularity": by_artist,
    "neighbours": by_neighbours,
    "cosine_neighbours": by_cosine,
    "linear": by_linear,
    "factors": by_factors,
    "similar_users": by_similar_users,
}
"""The models, by name."""


def by_group(block: Block, known: TrackFeatures, groups: Groups, parameters: Parameters) -> Floats:
    """A track's share of its group's popularity, times the group's share of the user's confidence.

    P(track | user) = sum over groups of P(track | group) * P(group | user), where the user's shares are smoothed with
    everybody's (a Dirichlet prior, as in Zhai and Lafferty, "A Study of Smoothing Methods for Language Models", 2004).
    Of a track in several groups, popularity and confidence are in each of them in equal parts. A track starts as if it
    had a part of a listener (`Parameters.unheard`), so that what nobody has played yet has a chance.
    """
    track, group, tracks = groups.track, groups.group, len(known)
    count, one_each = int(group.max(initial=-1)) + 1, len(track) == tracks
    popularity = (known.popularity[track] + parameters.unheard) * groups.share
    popular = np.bincount(group, popularity, count)
    everybody = popular / max(popular.sum(), 1e-12)
    own = np.zeros((len(block), count))
    for i, (liked, profile) in enumerate(block.liked):
        if one_each:
            own[i] = np.bincount(group[liked], profile, count)
        else:
            own[i] = np.bincount(group, np.bincount(liked, profile, tracks)[track] * groups.share, count)
    share = (own + parameters.prior * everybody) / (own.sum(axis=1, keepdims=True) + parameters.prior)
    scores = share[:, group] * (popularity / np.maximum(popular, 1e-12)[group])
    if not one_each:
        scores = np.add.reduceat(scores, np.searchsorted(track, np.arange(tracks)), axis=1)
    found: Floats = scores.astype(np.float32)
    return found


def top(scores: Floats, allowed: Bools, count: int) -> Ints:
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


def _of_neighbours(block: Block, neighbours: Neighbours, count: int) -> Floats:
    scores = np.zeros((len(block), count), dtype=np.float32)
    for i, (tracks, profile) in enumerate(block.liked):
        scores[i] = _sums(neighbours.tracks[tracks], neighbours.scores[tracks] * profile[:, None], count)
    return scores


def _sums(tracks: Ints, weights: Floats, count: int) -> Floats:
    """The sum of the weights of each track; the number past the last track is no track."""
    sums: Floats = np.bincount(tracks.ravel(), weights.ravel(), count + 1)[:count].astype(np.float32)
    return sums
