"""What each model would have recommended in a window, beside what users then listened to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spotify_graph.transforms.evaluation.metrics import Bools, Counts
from spotify_graph.transforms.evaluation.split import Window
from spotify_graph.transforms.recommendations import confidence
from spotify_graph.transforms.recommendations.capped import Floats, Ints
from spotify_graph.transforms.recommendations.knowledge import Knowledge, OfTracks
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.recommend import block_size, mask
from spotify_graph.transforms.recommendations.scores import Block, top

PLACES = 100
"""How many places of each list are looked at."""

_SCHEMA = "user int, ranker string, scope string, ranked array<int>, hits array<boolean>, relevant int"

Ranker = Callable[[pd.DataFrame, Block, OfTracks, Parameters], Floats]
"""Scores the whole catalogue for the users of some rows; 0 or less is not ranked. Shape (users or 1, tracks)."""


class Scope(StrEnum):
    """Which tracks are ranked, and which of those that a user listened to are to be found."""

    ALL = "all"
    """The whole catalogue."""
    NEW = "never heard"
    """Tracks that the user had never met before the window."""


@dataclass(frozen=True)
class Lists:
    """The lists of one ranker in one scope, one row for each user who has something to be found.

    Attributes:
        users: the users' numbers, ascending.
        ranked: shape (users, places): the tracks, best first; -1 past the end of a list.
        hits: likewise, whether they were to be found.
        relevant: how many were to be found.
    """

    users: Counts
    ranked: Ints
    hits: Bools
    relevant: Counts


def questions(activity: DataFrame, window: Window, most_users: int, seed: int) -> DataFrame:
    """Whom to recommend to, and what to find.

    Args:
        activity: from `confidence.activity`.
        window: the days to predict.
        most_users: how many users to ask at the most; if there are more, the same ones are drawn each time.
        seed: makes the draw repeatable.

    Returns:
        user, relevant (array of int: the tracks played or liked in the window), met (array of int, or null: those met
        before it).
    """
    relevant = confidence.positive(activity, window.first, window.until)
    asked = relevant.orderBy(F.xxhash64(F.lit(seed), "user"), "user").limit(most_users)
    return asked.join(confidence.met(activity, window.first), "user", "left")


def rank(
    asked: DataFrame,
    knowledge: Knowledge,
    rankers: Mapping[str, Ranker],
    scopes: tuple[Scope, ...],
    parameters: Parameters,
) -> dict[tuple[str, Scope], Lists]:
    """Ranks the whole catalogue for each user that is asked, with each ranker.

    Args:
        asked: from `questions`; further columns are handed to the rankers.
        knowledge: what is known before the window.
        rankers: by name.
        scopes: what to rank and to find.
        parameters: the models' parameters.
    """
    known = knowledge.of_tracks
    size = block_size(len(known))

    def of_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            for start in range(0, len(rows), size):
                yield _of_block(rows.iloc[start : start + size], known, rankers, scopes, parameters)

    users = asked.join(knowledge.of_users, "user", "left")
    # A task for each core: to start one costs as much as to rank for a hundred users.
    users = users.coalesce(users.sparkSession.sparkContext.defaultParallelism)
    found = users.mapInPandas(of_batches, _SCHEMA).toPandas()
    groups = dict(iter(found.groupby(["ranker", "scope"])))
    return {(name, scope): _lists(groups.get((name, str(scope)))) for name in rankers for scope in scopes}


def _of_block(
    rows: pd.DataFrame,
    known: OfTracks,
    rankers: Mapping[str, Ranker],
    scopes: tuple[Scope, ...],
    parameters: Parameters,
) -> pd.DataFrame:
    block, tracks = Block.of(rows, known.factors.shape[1]), len(known)
    relevant, met = mask(rows["relevant"], tracks), mask(rows["met"], tracks)
    found: list[dict[str, Any]] = []
    for name, ranker in rankers.items():
        scores = np.broadcast_to(ranker(rows, block, known, parameters), relevant.shape)
        for scope in scopes:
            allowed = ~met if scope is Scope.NEW else np.ones_like(met)
            wanted = relevant & allowed
            counts = wanted.sum(axis=1)
            ranked = top(scores, allowed & (scores > 0), PLACES)
            hits = np.take_along_axis(wanted, np.maximum(ranked, 0), axis=1) & (ranked >= 0)
            found += [
                {"user": user, "ranker": name, "scope": str(scope), "ranked": r, "hits": h, "relevant": n}
                for user, r, h, n in zip(rows["user"], ranked, hits, counts, strict=True)
                if n
            ]
    return pd.DataFrame(found, columns=["user", "ranker", "scope", "ranked", "hits", "relevant"])


def _lists(rows: pd.DataFrame | None) -> Lists:
    if rows is None:
        none = np.zeros((0, PLACES), dtype=np.int32)
        return Lists(np.zeros(0, dtype=np.int64), none, none.astype(bool), np.zeros(0, dtype=np.int64))
    rows = rows.sort_values("user")
    return Lists(
        users=rows["user"].to_numpy(np.int64),
        ranked=np.stack(rows["ranked"].to_list()).astype(np.int32),
        hits=np.stack(rows["hits"].to_list()).astype(bool),
        relevant=rows["relevant"].to_numpy(np.int64),
    )
