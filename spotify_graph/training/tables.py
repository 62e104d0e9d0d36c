"""The tables that the graph holds of a model: recommended tracks, similar users, and similar tracks."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa

from spotify_graph.parts import Part, save
from spotify_graph.storage import Address
from spotify_graph.training import prepared as preparing
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.train import TrainedModels
from spotify_graph.transforms.recommendations import similar_users
from spotify_graph.transforms.recommendations.arrays import Floats, Ints
from spotify_graph.transforms.recommendations.combination import Combination
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.recommend import in_blocks, recommended
from spotify_graph.transforms.recommendations.scores import Block
from spotify_graph.transforms.recommendations.track_features import TrackFeatures


def recommended_tables(
    prepared: Prepared, trained: TrainedModels, combination: Combination, parameters: Parameters
) -> list[Part]:
    """The tracks that are recommended to everybody: user_id, track_id, score (double), rank (int, from 1)."""
    track_ids = pa.array(prepared.logs.catalogue.ids, pa.string())
    return _of_everybody(prepared, trained, partial(_recommended, trained.features, combination, parameters, track_ids))


def similar_user_tables(prepared: Prepared, trained: TrainedModels, parameters: Parameters) -> list[Part]:
    """Everybody's similar users: user_id, similar_user_id, score (double), rank (int, from 1)."""
    features = trained.features
    candidate_ids = prepared.logs.user_ids.take(pa.array(features.candidates))
    return _of_everybody(prepared, trained, partial(_similar_users, features, candidate_ids, parameters))


def similar_track_table(trained: TrainedModels, logs: Logs) -> pa.Table:
    """The neighbours of all tracks: track_id, similar_track_id, score (double), rank (int, from 1), listeners (int)."""
    found, ids = trained.features.neighbours, pa.array(logs.catalogue.ids, pa.string())
    there = found.scores > 0
    rows = _rows("track_id", ids, "similar_track_id", ids, np.where(there, found.tracks, -1), found.scores)
    return rows.append_column("listeners", pa.array(found.listeners[there]))


_Everybody = tuple[Part, Ints, pa.Array, Floats]
"""The histories of a bucket of users, their numbers and ids, and their factors."""

_Task = Callable[[Block, pa.Array], pa.Table]
"""Gives what is said of a block of users with these ids."""


def _of_everybody(prepared: Prepared, trained: TrainedModels, task: _Task) -> list[Part]:
    logs, tracks = prepared.logs, len(trained.features)
    work: list[_Everybody] = [
        (part, bucket.users, logs.user_ids.take(pa.array(bucket.users)), trained.user_factors[bucket.users])
        for part, bucket in zip(prepared.histories, logs.buckets, strict=True)
    ]
    return logs.run(partial(_of_bucket, task, tracks, logs.folder), work)


def _of_bucket(task: _Task, tracks: int, folder: Address, everybody: _Everybody) -> Part:
    part, numbers, ids, factors = everybody
    histories = preparing.read(part)
    found = []
    for users in in_blocks(histories.users, tracks):
        places = np.searchsorted(numbers, users)
        found.append(task(Block(histories.select(users), factors[places]), ids.take(pa.array(places))))
    return Part((save(pa.concat_tables(found), folder),))


def _recommended(
    known: TrackFeatures,
    combination: Combination,
    parameters: Parameters,
    track_ids: pa.Array,
    block: Block,
    ids: pa.Array,
) -> pa.Table:
    best, probabilities = recommended(block, known, combination, parameters)
    return _rows("user_id", ids, "track_id", track_ids, best, probabilities)


def _similar_users(
    known: TrackFeatures, candidate_ids: pa.Array, parameters: Parameters, block: Block, ids: pa.Array
) -> pa.Table:
    keep = parameters.similar_users
    nearest, near = similar_users.similar_users(block.users, block.factors, known.candidates, known.of_candidates, keep)
    return _rows("user_id", ids, "similar_user_id", candidate_ids, nearest, near)


def _rows(key: str, keys: pa.Array, other: str, others: pa.Array, places: Ints, scores: Floats) -> pa.Table:
    """One row for each place of each list that holds something, with its score and its rank, which is from 1."""
    row, place = np.nonzero(places >= 0)
    # Single precision read as double would show digits that say nothing.
    score = np.round(scores[row, place].astype(np.float64), 6)
    return pa.table(
        {
            key: keys.take(pa.array(row)),
            other: others.take(pa.array(places[row, place])),
            "score": score,
            "rank": (place + 1).astype(np.int32),
        }
    )
