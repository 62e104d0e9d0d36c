"""Everything that the models learn up to a day."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import numpy as np

from spotify_graph.parts import Part
from spotify_graph.training import prepared as preparing
from spotify_graph.training.prepared import Prepared
from spotify_graph.transforms.recommendations import factors, linear, neighbours, popularity, similar_users
from spotify_graph.transforms.recommendations.arrays import Floats, Ints, together
from spotify_graph.transforms.recommendations.histories import Capped
from spotify_graph.transforms.recommendations.neighbours import Listened, Neighbours, Weighting
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import MODELS
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

_TRACKS = 1024
"""Of how many tracks a task finds the neighbours."""


@dataclass(frozen=True)
class TrainedModels:
    """What the models know on the morning of a day.

    Attributes:
        features: what they know of tracks.
        user_factors: shape (users, rank): the users' latent factors; 0 for users without any.
    """

    features: TrackFeatures
    user_factors: Floats


def train(prepared: Prepared, parameters: Parameters, models: Collection[str] = tuple(MODELS)) -> TrainedModels:
    """Trains the models.

    Args:
        prepared: what to train on.
        parameters: the models' parameters.
        models: which models are needed; the others have no opinion.
    """
    logs, cap = prepared.logs, parameters.history_cap
    parameters = parameters.sized(logs.pairs)
    users, tracks = logs.user_count, len(logs.catalogue)
    listeners, popular = np.zeros((2, tracks), dtype=np.float32)
    if not {"popularity", "genre_popularity", "artist_popularity"}.isdisjoint(models):
        listeners, popular = _popularity(prepared, parameters)
    weightings = {"neighbours": Weighting.BM25, "cosine_neighbours": Weighting.COSINE}
    near = {model: Neighbours.empty(tracks, tracks) for model in weightings}
    near |= {model: _nearest(prepared, parameters, by) for model, by in weightings.items() if model in models}
    linear_tracks, weights = np.zeros(0, dtype=np.int32), np.zeros((0, 0), dtype=np.float32)
    if "linear" in models:
        history = prepared.capped("cooccurrence", cap)
        linear_tracks = linear.popular(history, tracks, parameters.linear_tracks)
        weights = linear.solve(linear.together(history, linear_tracks, tracks), parameters.linear_strength)
    of_users, of_tracks = (np.zeros((count, parameters.rank), dtype=np.float32) for count in (users, tracks))
    if not {"factors", "similar_users"}.isdisjoint(models):
        of_users, of_tracks = _factors(prepared, parameters)
    among, liked = np.zeros(0, dtype=np.int32), Capped.empty(0, tracks)
    if "similar_users" in models:
        everybody = prepared.capped("profile", cap)
        among = similar_users.candidates(of_users, everybody.weights.sum(axis=1), parameters.similar_among)
        liked = everybody[among]
    features = TrackFeatures(
        genres=logs.catalogue.genres,
        artist=logs.catalogue.artist,
        listeners=listeners,
        popularity=popular,
        neighbours=near["neighbours"],
        cosine=near["cosine_neighbours"],
        factors=of_tracks,
        linear_tracks=linear_tracks,
        linear=weights,
        candidates=among,
        of_candidates=of_users[among],
        histories=liked,
    )
    return TrainedModels(features, of_users)


def _nearest(prepared: Prepared, parameters: Parameters, weighting: Weighting) -> Neighbours:
    """The neighbours of all tracks."""
    tracks = len(prepared.logs.catalogue)
    history = prepared.capped("cooccurrence", parameters.history_cap)
    listened = Listened.of(history, tracks, parameters, weighting)
    keep = min(parameters.neighbours, max(tracks - 1, 1))
    blocks = [range(start, min(start + _TRACKS, tracks)) for start in range(0, tracks, _TRACKS)]
    found = prepared.logs.run(partial(_neighbours, listened, keep), blocks)
    return together([Neighbours.empty(0, tracks, keep), *found])


def _neighbours(listened: Listened, keep: int, block: range) -> Neighbours:
    return neighbours.neighbours(listened, block, keep)


def _popularity(prepared: Prepared, parameters: Parameters) -> tuple[Floats, Floats]:
    count = partial(_popular, len(prepared.logs.catalogue), prepared.until, parameters.popularity_half_life_days)
    counted = prepared.logs.run(count, prepared.histories)
    listeners, of_late = (np.stack(each).sum(axis=0) for each in zip(*counted, strict=True))
    return listeners, of_late


def _popular(tracks: int, until: int, half_life: float | None, part: Part) -> tuple[Floats, Floats]:
    return popularity.popularity(preparing.read(part), tracks, until, half_life)


def _factors(prepared: Prepared, parameters: Parameters) -> tuple[Floats, Floats]:
    """The latent factors of users and of tracks."""
    logs = prepared.logs
    of_tracks = factors.initial(len(logs.catalogue), parameters)
    of_users = np.zeros((logs.user_count, parameters.rank), dtype=np.float32)
    for _ in range(parameters.iterations):
        solved = logs.run(partial(_solved, "user", "track", of_tracks, of_users, parameters), prepared.histories)
        of_users = _by_number(solved, of_users)
        solved = logs.run(partial(_solved, "track", "user", of_users, of_tracks, parameters), prepared.by_track)
        of_tracks = _by_number(solved, of_tracks)
    return of_users, of_tracks


def _solved(
    key: str, other: str, known: Floats, before: Floats, parameters: Parameters, part: Part
) -> tuple[Ints, Floats]:
    """The factors of those in a part, whose rows are sorted by key: their numbers, and a row for each."""
    rows = part.read(columns=(key, other, "profile"))
    numbers, others, feedback = (rows[name].combine_chunks().to_numpy() for name in (key, other, "profile"))
    there = feedback != 0
    numbers, others, feedback = numbers[there], others[there], feedback[there]
    found, starts = np.unique(numbers, return_index=True)
    starts = np.append(starts, len(numbers))
    return found, factors.solve(starts, others, feedback, known, before[found], parameters)


def _by_number(solved: list[tuple[Ints, Floats]], like: Floats) -> Floats:
    found = np.zeros_like(like)
    for numbers, rows in solved:
        found[numbers] = rows
    return found
