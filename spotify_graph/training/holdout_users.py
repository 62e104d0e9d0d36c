"""The users whom an evaluation asks, and what is to be found for them."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from spotify_graph.training.logs import Bucket, Logs
from spotify_graph.transforms.evaluation.holdout import Holdout, Sought, sought
from spotify_graph.transforms.recommendations.arrays import Ints, together


@dataclass(frozen=True)
class Evidence:
    """How much a holdout has to say of never-heard tracks.

    Attributes:
        users: how many users have such tracks to be found.
        pairs: how many such pairs of a user and a track there are.
    """

    users: int
    pairs: int


@dataclass(frozen=True)
class HoldoutUsers:
    """Some users, and what is to be found for them.

    Attributes:
        users: their numbers, ascending.
        sought: what is to be found, and what they had met.
    """

    users: Ints
    sought: Sought


@dataclass(frozen=True)
class Counted:
    """Everybody of whom something is held out.

    Attributes:
        holdout: what is held out.
        users: their numbers.
        new: for each, how many tracks to be found that they had never met.
    """

    holdout: Holdout
    users: Ints
    new: Ints

    @property
    def evidence(self) -> Evidence:
        """How much the holdout has to say of never-heard tracks."""
        return Evidence(int((self.new > 0).sum()), int(self.new.sum()))


def count(logs: Logs, holdout: Holdout) -> Counted:
    """Looks for everybody of whom something is held out."""
    found = logs.run(partial(_counted, holdout), logs.buckets)
    users, new = (np.concatenate(each) for each in zip(*found, strict=True))
    return Counted(holdout, users, new)


def holdout_users(logs: Logs, counted: Counted, most: int, seed: int, *, never_heard: bool = False) -> HoldoutUsers:
    """Draws users who have something to be found.

    Args:
        logs: what they did.
        counted: of whom something is held out.
        most: how many users at the most; if there are more, the same ones are drawn each time.
        seed: makes the draw repeatable.
        never_heard: draw only users who have tracks to be found that they had never met.
    """
    users = np.sort(counted.users[counted.new > 0] if never_heard else counted.users)
    drawn = np.sort(np.random.default_rng(seed).permutation(users)[:most])
    return HoldoutUsers(drawn, together(logs.run(partial(_sought, counted.holdout, drawn), logs.buckets)))


def _counted(holdout: Holdout, bucket: Bucket) -> tuple[Ints, Ints]:
    """The users with something to be found, and for each how many tracks that they had never met."""
    found = sought(bucket.read(), holdout)
    users = np.unique(found.relevant[:, 0])
    size = int(users.max(initial=-1)) + 1
    again = np.isin(_key(found.relevant), _key(found.met))
    return users, np.bincount(found.relevant[~again, 0], minlength=size)[users].astype(np.int32)


def _key(pairs: Ints) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return (pairs[:, 0].astype(np.int64) << 32) | pairs[:, 1]


def _sought(holdout: Holdout, users: Ints, bucket: Bucket) -> Sought:
    activity = bucket.read()
    return sought(activity.where(np.isin(activity.user, users)), holdout)
