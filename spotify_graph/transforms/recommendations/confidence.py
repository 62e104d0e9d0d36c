"""From events to implicit feedback: how sure it is that a user likes a track.

The confidence of a user in a track is a sum over their events: the weight of the event's type, halved for every
half-life since the day it happened; then damped, sign(x) * log(1 + |x|). Skips weigh against the track, so that a
confidence can be negative. After Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets"
(2008), whose confidence is linear or logarithmic in how often something was watched.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spotify_graph.graph_model import EVENT_TYPES, LIKE, PLAY
from spotify_graph.transforms.cleaning import EVENT_VALUES
from spotify_graph.transforms.recommendations.arrays import Bools, Floats, Ints
from spotify_graph.transforms.recommendations.histories import NEVER, Histories
from spotify_graph.transforms.recommendations.numbering import numbers
from spotify_graph.transforms.recommendations.parameters import Parameters

_TYPES = [event.name for event in EVENT_TYPES]
_PLAY, _LIKE = _TYPES.index(PLAY.name), _TYPES.index(LIKE.name)


@dataclass(frozen=True)
class Activity:
    """How many events a block of users had with each track, by type and day, sorted by user and track.

    Attributes:
        user: the user's number; all arrays have shape (rows,).
        track: the track's.
        event_type: the type's position in EVENT_TYPES.
        day: days since 1970 in UTC.
        count: how many distinct events.
    """

    user: Ints
    track: Ints
    event_type: Ints
    day: Ints
    count: Ints

    def table(self) -> pa.Table:
        """As rows with these columns."""
        return pa.table(vars(self))

    @classmethod
    def of_table(cls, rows: pa.Table) -> "Activity":
        """From rows as `table` gives them."""
        return cls(**{name: rows[name].combine_chunks().to_numpy() for name in rows.column_names})

    def where(self, mask: Bools) -> "Activity":
        """Some of the rows."""
        return Activity(**{name: values[mask] for name, values in vars(self).items()})

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each pair of a user and a track starts."""
        if not len(self.user):
            return np.zeros(0, dtype=np.int64)
        other = (np.diff(self.user) != 0) | (np.diff(self.track) != 0)
        return np.append(0, np.flatnonzero(other) + 1)


def activity(events: pa.Table, user_ids: pa.Array, user_numbers: Ints, track_ids: pa.Array) -> Activity:
    """Counts the distinct events of each user, track, type and day. An event that several files hold counts once.

    Args:
        events: EVENT_VALUES, all events of some users.
        user_ids: those users' ids.
        user_numbers: and their numbers.
        track_ids: the ids of all tracks, in the order of their numbers.
    """
    distinct = events.group_by(list(EVENT_VALUES)).aggregate([])
    day = pc.floor(pc.divide(distinct["event_ts"].cast(pa.int64()).cast(pa.float64()), 86_400e6)).cast(pa.int32())
    keys = ["user", "track", "event_type", "day"]
    counted = (
        pa.table(
            {
                "user": user_numbers[numbers(distinct["user_id"], user_ids)],
                "track": numbers(distinct["track_id"], track_ids),
                "event_type": numbers(distinct["event_type"], pa.array(_TYPES)),
                "day": day,
            }
        )
        .group_by(keys)
        .aggregate([([], "count_all")])
    )
    columns = [counted[name].to_numpy().astype(np.int32) for name in (*keys, "count_all")]
    order = np.lexsort(columns[len(keys) - 1 :: -1])
    return Activity(*(column[order] for column in columns))


def histories(activity: Activity, until: int, parameters: Parameters) -> Histories:
    """What each user thinks of each track that they have met, as far as one knows on a morning.

    Args:
        activity: what they did.
        until: the day whose morning it is; its events and later ones play no part.
        parameters: weights, damping and half-lives.
    """
    known = activity.where(activity.day < until)
    starts, age = known.starts, until - 1 - known.day
    weights = np.array([parameters.weights[name] for name in _TYPES])[known.event_type] * known.count
    played = np.where(known.event_type == _PLAY, known.day, NEVER)

    def confidence(half_life: float | None) -> Floats:
        total = _sums(weights * decay(age, half_life), starts)
        damped = np.sign(total) * np.log1p(np.abs(total)) if parameters.damping else total
        return damped.astype(np.float32)

    return Histories.of_pairs(
        known.user[starts],
        known.track[starts],
        confidence(parameters.profile_half_life_days),
        confidence(parameters.cooccurrence_half_life_days),
        np.maximum.reduceat(played, starts).astype(np.int32) if len(starts) else np.zeros(0, dtype=np.int32),
    )


def decay(age: Ints, half_life: float | None) -> npt.NDArray[np.float64]:
    """How much what is so many days old still counts."""
    return np.ones(len(age)) if half_life is None else np.exp2(-age / half_life)


def liked(activity: Activity) -> Bools:
    """Which rows are of plays or likes."""
    found: Bools = (activity.event_type == _PLAY) | (activity.event_type == _LIKE)
    return found


def _sums(values: npt.NDArray[np.float64], starts: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)
