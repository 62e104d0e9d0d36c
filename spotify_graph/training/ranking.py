"""Held-out users are ranked for, block by block."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from spotify_graph.training.holdout_users import HoldoutUsers
from spotify_graph.training.logs import Logs
from spotify_graph.training.train import TrainedModels
from spotify_graph.transforms.evaluation import examples as of_block
from spotify_graph.transforms.evaluation.lists import Asked, Lists, Ranker, Scope, lists
from spotify_graph.transforms.recommendations.arrays import Floats, Ints, together
from spotify_graph.transforms.recommendations.combination import Examples
from spotify_graph.transforms.recommendations.histories import Histories
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.recommend import in_blocks
from spotify_graph.transforms.recommendations.scores import Block
from spotify_graph.transforms.recommendations.track_features import TrackFeatures

_Work = tuple[Histories, Floats, Ints, Ints]
"""What is known of some users, and what is to be found for them."""


def rank(
    asked: HoldoutUsers,
    histories: Histories,
    trained: TrainedModels,
    rankers: Mapping[str, Ranker],
    scopes: Sequence[Scope],
    parameters: Parameters,
    logs: Logs,
) -> dict[tuple[str, Scope], Lists]:
    """Ranks the whole catalogue for each user that is asked, with each ranker.

    Args:
        asked: the users.
        histories: theirs, as the models know them.
        trained: the models.
        rankers: by name.
        scopes: what to rank and to find.
        parameters: the models' parameters.
        logs: run the tasks.
    """
    work = list(_in_blocks(asked, histories, trained))
    found = logs.run(partial(_lists, trained.features, rankers, scopes, parameters), work)
    keys = [(name, scope) for name in rankers for scope in scopes]
    return {key: together([block[key] for block in found]) for key in keys}


def examples(
    asked: HoldoutUsers, histories: Histories, trained: TrainedModels, parameters: Parameters, logs: Logs
) -> Examples:
    """What the combination learns from, in the order of `scores.MODELS`; arguments as of `rank`."""
    work = list(_in_blocks(asked, histories, trained))
    return together(logs.run(partial(_examples, trained.features, parameters), work))


def _in_blocks(asked: HoldoutUsers, histories: Histories, trained: TrainedModels) -> Iterator[_Work]:
    """Blocks that can be scored at once; an empty one where nobody is asked."""
    for users in in_blocks(asked.users, len(trained.features)):
        relevant, met = _of(users, asked.sought.relevant), _of(users, asked.sought.met)
        yield histories.select(users), trained.user_factors[users], relevant, met


def _of(users: Ints, pairs: Ints) -> Ints:
    return pairs[np.isin(pairs[:, 0], users)]


def _asked(known: TrackFeatures, work: _Work) -> Asked:
    histories, factors, relevant, met = work
    return Asked.of(Block(histories, factors), relevant, met, len(known))


def _lists(
    known: TrackFeatures,
    rankers: Mapping[str, Ranker],
    scopes: Sequence[Scope],
    parameters: Parameters,
    work: _Work,
) -> dict[tuple[str, Scope], Lists]:
    return lists(_asked(known, work), known, rankers, scopes, parameters)


def _examples(known: TrackFeatures, parameters: Parameters, work: _Work) -> Examples:
    return of_block.examples(_asked(known, work), known, parameters)
