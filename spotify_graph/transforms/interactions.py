"""What a user did with a track, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.transforms.cleaning import EVENT_VALUES

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

KEYS = ("user_id", "track_id", "event_type")
VALUES = ("count", "first_ts", "last_ts")
OLD_VALUES = tuple(f"old_{name}" for name in VALUES)


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


def change(previous: pa.Table, added: pa.Table, removed: pa.Table, events: pa.Table) -> pa.Table:
    """What events that come and go change in the interactions.

    Counts add up, and times of what comes are compared with those that are known; where something goes, the events that
    stay are asked for the first and the last.

    Args:
        previous: the interactions before; those without events that come or go may be left out.
        added: the events that are there now and were not before, each once.
        removed: the events that were there before and are not now, each once.
        events: the events as they are now; those of keys that none is removed of may be left out.

    Returns:
        One row for each key that changes: KEYS, OLD_VALUES (null where it is new), VALUES (null where it is gone).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = list(KEYS)
    gone = removed.select(keys).group_by(keys).aggregate([])
    recounted = interactions(events.join(gone, keys, join_type="left semi"))
    grown = interactions(added).join(gone, keys, join_type="left anti")
    touched = pa.concat_tables([gone, grown.select(keys)])
    old = (
        previous.join(touched, keys, join_type="left semi")
        .select([*KEYS, *VALUES])
        .rename_columns([*KEYS, *OLD_VALUES])
    )
    both = grown.join(old, keys, join_type="left outer")
    summed = pa.table(
        {
            **{key: both[key] for key in KEYS},
            "count": pc.add(both["count"], pc.fill_null(both["old_count"], 0)),
            "first_ts": _where(pc.less(both["old_first_ts"], both["first_ts"]), both["old_first_ts"], both["first_ts"]),
            "last_ts": _where(pc.greater(both["old_last_ts"], both["last_ts"]), both["old_last_ts"], both["last_ts"]),
        }
    )
    new = pa.concat_tables([summed, recounted.select(summed.column_names)])
    found = touched.join(old, keys, join_type="left outer").join(new, keys, join_type="left outer")
    same = [pc.fill_null(pc.equal(found[name], found[f"old_{name}"]), False) for name in VALUES]
    return found.filter(pc.invert(pc.and_(pc.and_(*same[:2]), same[2]))).select([*KEYS, *OLD_VALUES, *VALUES])


def changed(previous: pa.Table, change: pa.Table) -> pa.Table:
    """The interactions after a change, from those before it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = previous.join(change.select(KEYS), list(KEYS), join_type="left anti")
    new = change.filter(pc.is_valid(change["count"])).select(kept.column_names)
    return pa.concat_tables([kept, new])


def without(events: pa.Table, others: pa.Table) -> pa.Table:
    """The distinct events that are not among others.

    Args:
        events: events, with EVENT_VALUES.
        others: likewise; those of other times may be left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    # Not a join: to that, two events without a device are not the same.
    sides = pa.concat_tables(
        rows.select(EVENT_VALUES).append_column("side", pa.repeat(side, rows.num_rows))
        for side, rows in enumerate((events, others))
    )
    last = sides.group_by(list(EVENT_VALUES)).aggregate([("side", "max")])
    return last.filter(pc.equal(last["side_max"], 0)).select(EVENT_VALUES)


def _where(condition: pa.ChunkedArray, values: pa.ChunkedArray, others: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.if_else(pc.fill_null(condition, False), values, others)
