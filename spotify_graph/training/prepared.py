"""What users thought of tracks at a day: what every model is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa

from spotify_graph.parts import Part, by_bucket, save
from spotify_graph.storage import Address
from spotify_graph.training.logs import Bucket, Logs
from spotify_graph.transforms.evaluation.holdout import Pairs
from spotify_graph.transforms.recommendations import confidence
from spotify_graph.transforms.recommendations import histories as of_users
from spotify_graph.transforms.recommendations.arrays import Floats, Ints
from spotify_graph.transforms.recommendations.histories import Capped, Histories
from spotify_graph.transforms.recommendations.parameters import Parameters

Kind = Literal["profile", "cooccurrence"]
"""Which confidence."""


@dataclass(frozen=True)
class Prepared:
    """What users did up to a day, weighed.

    Attributes:
        logs: the logs.
        until: the day on whose morning it is.
        histories: the rows of `histories.Histories`, for each bucket of the logs' users.
    """

    logs: Logs
    until: int
    histories: Sequence[Part]
    _capped: dict[tuple[Kind, int], Capped] = field(default_factory=dict)
    _by_track: list[Part] = field(default_factory=list)

    @classmethod
    def of(cls, logs: Logs, until: int, parameters: Parameters, without: Pairs | None = None) -> "Prepared":
        """Weighs the events before a day.

        Args:
            logs: the logs.
            until: the day.
            parameters: weights, damping and half-lives.
            without: pairs of a user and a track that are as if they never met.
        """
        weigh = partial(_weighed, until, parameters, without, logs.folder)
        return cls(logs, until, logs.run(weigh, logs.buckets))

    def capped(self, kind: Kind, size: int) -> Capped:
        """The strongest tracks of all users.

        Args:
            kind: by which confidence.
            size: how many of a user.
        """
        if (kind, size) not in self._capped:
            tracks = len(self.logs.catalogue)
            blocks = self.logs.run(partial(_capped, kind, tracks, size), self.histories)
            self._capped[kind, size] = of_users.together(blocks, self.logs.user_count, tracks, size)
        return self._capped[kind, size]

    @property
    def by_track(self) -> Sequence[Part]:
        """user, track and profile (not 0), divided by track and sorted by it."""
        if not self._by_track:
            count, folder, run = len(self.histories), self.logs.folder, self.logs.run
            divided = by_bucket(run(partial(_divided_by_track, count, folder), self.histories), count)
            self._by_track.extend(run(partial(_sorted_by_track, folder), divided))
        return self._by_track

    def select(self, users: Ints) -> Histories:
        """The histories of some users, ascending numbers."""
        found = self.logs.run(partial(_selected, users), self.histories)
        return Histories.of_pairs(
            np.concatenate([some.users[some.rows] for some in found]).astype(np.int32),
            *(
                np.concatenate([getattr(some, name) for some in found])
                for name in ("tracks", "profile", "cooccurrence", "last_play")
            ),
        ).select(users)


def read(part: Part) -> Histories:
    """The histories of a bucket."""
    return Histories.of_table(part.read())


def _weighed(until: int, parameters: Parameters, without: Pairs | None, folder: Address, bucket: Bucket) -> Part:
    activity = bucket.read()
    if without:
        activity = activity.where(~without.held(activity))
    return Part((save(confidence.histories(activity, until, parameters).table(), folder),))


def _capped(kind: Kind, tracks: int, size: int, part: Part) -> tuple[Ints, Capped]:
    found = read(part)
    weights: Floats = getattr(found, kind)
    return found.users, of_users.cap(found, tracks, size, weights)


_FEEDBACK = pa.schema([("user", pa.int32()), ("track", pa.int32()), ("profile", pa.float32())])


def _divided_by_track(count: int, folder: Address, part: Part) -> dict[int, str]:
    rows = part.read(columns=_FEEDBACK.names)
    bucket = rows["track"].to_numpy() % count
    return {number: save(rows.filter(bucket == number), folder) for number in np.unique(bucket).tolist()}


def _sorted_by_track(folder: Address, part: Part) -> Part:
    rows = part.read(_FEEDBACK)
    rows = rows.filter(rows["profile"].to_numpy() != 0)
    return Part((save(rows.sort_by([("track", "ascending"), ("user", "ascending")]), folder),))


def _selected(users: Ints, part: Part) -> Histories:
    found = read(part)
    return found.select(np.intersect1d(found.users, users))
