"""What a user did with a track, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.transforms.cleaning import EVENT_VALUES

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

KEYS = ("user_id", "track_id", "event_type")
_PAIR = KEYS[:2]


def interactions(events: pa.Table) -> pa.Table:
    """Counts the distinct events of each user, track and event type. An event that several files hold counts once.

    Args:
        events: `cleaning.clean_events` of any number of files; all events that there are of a user.

    Returns:
        user_id, track_id, event_type, count (int64), first_ts and last_ts (of the first and the last of them).
    """
    distinct = events.select(EVENT_VALUES).group_by(list(EVENT_VALUES)).aggregate([])
    counted = distinct.group_by(list(KEYS)).aggregate([([], "count_all"), ("event_ts", "min"), ("event_ts", "max")])
    return counted.select([*KEYS, "count_all", "event_ts_min", "event_ts_max"]).rename_columns(
        [*KEYS, "count", "first_ts", "last_ts"]
    )


def updated(previous: pa.Table, changed: pa.Table, events: pa.Table) -> pa.Table:
    """Brings interactions up to date by counting anew only the pairs of user and track that changed.

    Args:
        previous: the interactions before, from `interactions` or `updated`.
        changed: user_id and track_id of every event that was taken in or taken out since; others do no harm.
        events: `cleaning.clean_events` of all files as they are now; those of other pairs may be left out.

    Returns:
        Exactly what `interactions` gives for all files.
    """
    import pyarrow as pa

    pairs = changed.select(_PAIR).group_by(list(_PAIR)).aggregate([])
    unchanged = previous.join(pairs, list(_PAIR), join_type="left anti")
    anew = interactions(events.join(pairs, list(_PAIR), join_type="left semi"))
    return pa.concat_tables([unchanged.select(anew.column_names), anew])
