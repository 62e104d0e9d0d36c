"""What a user did with a track, counted, and on which devices: sums over distinct events, kept by their keys.

Sums follow changes: of events that come and go, the changes of what is counted are found without counting the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spotify_graph.transforms.cleaning import EVENT_VALUES

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

KEYS = ("user_id", "track_id", "event_type")
"""What interactions are counted by."""
DEVICE_KEYS = ("user_id", "device")
"""What a user's devices are counted by; the device is empty where it is not known."""
VALUES = ("count", "first_ts", "last_ts")
OLD_VALUES = tuple(f"old_{name}" for name in VALUES)


def interactions(events: pa.Table) -> pa.Table:
    """Counts the distinct events of each user, track and event type. An event that several files hold counts once.

    Args:
        events: `cleaning.clean_events` of any number of files; all events that there are of a user.

    Returns:
        user_id, track_id, event_type, count (int64), first_ts and last_ts (of the first and the last of them).
    """
    return counted(distinct(events), KEYS)


def distinct(events: pa.Table) -> pa.Table:
    """The distinct events, with EVENT_VALUES."""
    return events.select(EVENT_VALUES).group_by(list(EVENT_VALUES)).aggregate([])


def counted(events: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Counts distinct events by some of their values.

    Args:
        events: the events, each once.
        keys: KEYS or DEVICE_KEYS.

    Returns:
        The keys, and VALUES.
    """
    counts = (
        _keyed(events, keys).group_by(keys).aggregate([([], "count_all"), ("event_ts", "min"), ("event_ts", "max")])
    )
    return counts.select([*keys, "count_all", "event_ts_min", "event_ts_max"]).rename_columns([*keys, *VALUES])


def change(
    keys: Sequence[str],
    find: Callable[[pa.Table], pa.Table],
    added: pa.Table,
    removed: pa.Table,
    read: Callable[[pa.Table], pa.Table],
) -> pa.Table:
    """What events that come and go change in what is counted.

    Counts add up, and times of what comes are compared with those that are known; where the first event goes, or the
    last, those that stay are asked.

    Args:
        keys: KEYS or DEVICE_KEYS.
        find: gives what was counted of keys.
        added: the events that are there now and were not before, each once.
        removed: the events that were there before and are not now, each once.
        read: gives the events that there are now of keys, and perhaps of others; any number of times each.

    Returns:
        One row for each key that changes: the keys, OLD_VALUES (null where it is new), VALUES (null where it is gone).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = list(keys)
    gain, loss = counted(added, keys), counted(removed, keys)
    touched = pa.concat_tables([gain.select(keys), loss.select(keys)]).group_by(keys).aggregate([])
    old = find(touched).select([*keys, *VALUES]).rename_columns([*keys, *OLD_VALUES])
    found = touched
    for values, names in ((old, OLD_VALUES), (gain, _named("gain")), (loss, _named("loss"))):
        found = found.join(values.rename_columns([*keys, *names]), keys, join_type="left outer")
    counts = [pc.fill_null(found[name], 0) for name in ("old_count", "gain_count", "loss_count")]
    count = pc.subtract(pc.add(*counts[:2]), counts[2])
    is_gone = pc.equal(count, 0)
    found = found.append_column("count", pc.if_else(is_gone, pa.scalar(None, pa.int64()), count))
    # Where the first or the last event goes and others stay, theirs are looked for.
    lost = pc.or_(
        pc.less_equal(found["loss_first_ts"], found["old_first_ts"]),
        pc.greater_equal(found["loss_last_ts"], found["old_last_ts"]),
    )
    lost = pc.and_(pc.fill_null(lost, False), pc.invert(is_gone))
    known = found.filter(pc.invert(lost))
    kept = _with_times(
        known,
        _of_both(pc.min_element_wise, known["old_first_ts"], known["gain_first_ts"]),
        _of_both(pc.max_element_wise, known["old_last_ts"], known["gain_last_ts"]),
        keys,
    )
    asked = found.filter(lost)
    if asked.num_rows:
        now = counted(read(asked.select(keys)), keys).drop_columns("count")
        asked = asked.join(now, keys, join_type="left outer")
        kept = pa.concat_tables([kept, _with_times(asked, asked["first_ts"], asked["last_ts"], keys)])
    same = [pc.fill_null(pc.equal(kept[name], kept[f"old_{name}"]), False) for name in VALUES]
    return kept.filter(pc.invert(pc.and_(pc.and_(*same[:2]), same[2])))


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


def of_keys(events: pa.Table, wanted: pa.Table) -> pa.Table:
    """The events of some keys.

    Args:
        events: user_id, track_id, event_type, event_ts and device.
        wanted: KEYS or DEVICE_KEYS.
    """
    keys = wanted.column_names
    return _keyed(events, keys).join(wanted, keys, join_type="left semi")


def _keyed(events: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The events' keys and times; a device that is not known is one like any other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {key: pc.fill_null(events[key], "") if key == "device" else events[key] for key in keys}
    return pa.table({**columns, "event_ts": events["event_ts"]})


def _named(prefix: str) -> list[str]:
    return [f"{prefix}_{name}" for name in VALUES]


def _of_both(choose: Callable[..., pa.ChunkedArray], one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """The earlier or the later of two times; where there is only one, that."""
    import pyarrow as pa

    # Arrow compares times, but does not choose between them.
    return choose(one.cast(pa.int64()), other.cast(pa.int64())).cast(one.type)


def _with_times(rows: pa.Table, first: pa.ChunkedArray, last: pa.ChunkedArray, keys: Sequence[str]) -> pa.Table:
    """Rows of changes, with these times where any event is left."""
    import pyarrow as pa
    import pyarrow.compute as pc

    nothing = pa.scalar(None, rows["old_first_ts"].type)
    is_left = pc.is_valid(rows["count"])
    times = [pc.if_else(is_left, times, nothing) for times in (first, last)]
    columns = [*(rows[name] for name in (*keys, *OLD_VALUES, "count")), *times]
    return pa.table(columns, names=[*keys, *OLD_VALUES, *VALUES])
