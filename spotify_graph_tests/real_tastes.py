"""Models that a search has tuned on a log of real-like listeners, and what there is to be found for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spotify_graph.training import ranking
from spotify_graph.training.holdout_users import HoldoutUsers
from spotify_graph.training.logs import Logs
from spotify_graph.training.prepared import Prepared
from spotify_graph.training.search import Tuned, tune
from spotify_graph.training.train import TrainedModels, train
from spotify_graph.transforms.evaluation import metrics
from spotify_graph.transforms.evaluation.holdout import Sought
from spotify_graph.transforms.evaluation.lists import PLACES, Ranker, Scope
from spotify_graph.transforms.evaluation.metrics import Values
from spotify_graph.transforms.evaluation.split import Window, split
from spotify_graph.transforms.recommendations.arrays import Floats
from spotify_graph.transforms.recommendations.histories import Histories
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph.transforms.recommendations.scores import Block
from spotify_graph.transforms.recommendations.track_features import TrackFeatures
from spotify_graph_tests.handmade import read
from spotify_graph_tests.real_like_logs import RealLikeLog


@dataclass(frozen=True)
class RealTastes:
    """Models of a log, and everybody of whom something is held out of it.

    Attributes:
        log: the log and its truth.
        logs: as the models read it.
        validation: the window that a search looks at first.
        tuned: what the search found.
        trained: the models.
        asked: everybody with something to be found.
        histories: theirs.
    """

    log: RealLikeLog
    logs: Logs
    validation: Window
    tuned: Tuned
    trained: TrainedModels
    asked: HoldoutUsers
    histories: Histories

    @classmethod
    def learned(cls, log: RealLikeLog, folder: Path) -> "RealTastes":
        """Searches parameters, and trains on the whole log with them."""
        logs = read(folder, log.events, log.tracks)
        windows = split(logs.first, logs.until - 1)
        assert windows
        tuned = tune(logs, windows.validation, Parameters(), 5_000, lambda _: None)
        prepared = Prepared.of(logs, logs.until, tuned.parameters)
        relevant = _held_out(log, logs)
        users = np.unique(relevant[:, 0])
        histories = prepared.select(users)
        met = np.column_stack([users[histories.rows], histories.tracks])
        asked = HoldoutUsers(users, Sought(relevant, met))
        return cls(log, logs, windows.validation, tuned, train(prepared, tuned.parameters), asked, histories)

    def recalls(self, rankers: Mapping[str, Ranker]) -> dict[str, Values]:
        """By each ranker, the share of each listener's held-out tracks among the first 100."""
        lists = ranking.rank(
            self.asked, self.histories, self.trained, rankers, (Scope.NEW,), self.tuned.parameters, self.logs
        )
        return {name: metrics.recall(found.hits, found.relevant, PLACES) for (name, _), found in lists.items()}

    def best(self, block: Block, known: TrackFeatures, parameters: Parameters) -> Floats:
        """The ranker that knows how the log was drawn."""
        chances = [self.log.probability(self.logs.user_ids[user].as_py()) for user in block.users.tolist()]
        return np.array([[of[track] for track in self.logs.catalogue.ids] for of in chances], dtype=np.float32)


def _held_out(log: RealLikeLog, logs: Logs) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Pairs of a user's number and a track, sorted."""
    users = {user_id: number for number, user_id in enumerate(logs.user_ids.to_pylist())}
    tracks = {track_id: number for number, track_id in enumerate(logs.catalogue.ids.tolist())}
    pairs = sorted((users[user], tracks[track]) for user, found in log.held_out.items() for track in found)
    return np.array(pairs, dtype=np.int32)
