"""What a user did with a track, counted, and on which devices: sums over distinct events, kept by their keys.

Sums follow changes: of events that come and go, the changes of what is counted are found without counting the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
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
UNSETTLED = "unsettled"
"""Whether only the events that stay can say when the first and the last of a key is."""


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


def draft(keys: Sequence[str], old: pa.Table, added: pa.Table, removed: pa.Table) -> pa.Table:
    """What events that come and go change in what is counted, but for what only the events that stay can say.

    Counts add up, and times of what comes are compared with those that are known. Where the first event of a key goes,
    or the last, and others stay, it is unsettled when the first and the last is now.

    Args:
        keys: KEYS or DEVICE_KEYS.
        old: what was counted before of the keys of these events, and perhaps of others.
        added: the events that are there now and were not before, each once.
        removed: the events that were there before and are not now, each once.

    Returns:
        One row for each key of these events: the keys, OLD_VALUES (null where it is new), VALUES (null where it is
        gone), and UNSETTLED.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = list(keys)
    gain, loss = counted(added, keys), counted(removed, keys)
    found = pa.concat_tables([gain.select(keys), loss.select(keys)]).group_by(keys).aggregate([])
    for values, prefix in ((old.select([*keys, *VALUES]), "old"), (gain, "gain"), (loss, "loss")):
        named = values.rename_columns([*keys, *(f"{prefix}_{name}" for name in VALUES)])
        found = found.join(named, keys, join_type="left outer")
    counts = [pc.fill_null(found[name], 0) for name in ("old_count", "gain_count", "loss_count")]
    count = pc.subtract(pc.add(*counts[:2]), counts[2])
    is_left = pc.greater(count, 0)
    ends_go = pc.or_(
        pc.less_equal(found["loss_first_ts"], found["old_first_ts"]),
        pc.greater_equal(found["loss_last_ts"], found["old_last_ts"]),
    )
    values = {
        "count": count,
        "first_ts": _of_both(pc.min_element_wise, found["old_first_ts"], found["gain_first_ts"]),
        "last_ts": _of_both(pc.max_element_wise, found["old_last_ts"], found["gain_last_ts"]),
    }
    return pa.table(
        {
            **{name: found[name] for name in (*keys, *OLD_VALUES)},
            **{name: pc.if_else(is_left, it, pa.scalar(None, it.type)) for name, it in values.items()},
            UNSETTLED: pc.and_(pc.fill_null(ends_go, False), is_left),
        }
    )


def ends(keys: Sequence[str], events: pa.Table) -> pa.Table:
    """When the first and the last of some events happened, by their keys.

    Args:
        keys: KEYS or DEVICE_KEYS.
        events: events, any number of times each.

    Returns:
        The keys, first_ts and last_ts.
    """
    return counted(events, keys).drop_columns("count")


def settled(keys: Sequence[str], drafted: pa.Table, ends: pa.Table) -> pa.Table:
    """The changes that were drafted, of which nothing is unsettled any more.

    Args:
        keys: KEYS or DEVICE_KEYS.
        drafted: `draft`.
        ends: `ends` of the unsettled keys, of all events that there are now; of several parts, in any number of rows.

    Returns:
        One row for each key that changes: the keys, OLD_VALUES (null where it is new), VALUES (null where it is gone).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = list(keys)
    columns = [*keys, *OLD_VALUES, *VALUES]
    unsettled = drafted.filter(drafted[UNSETTLED]).select([*keys, *OLD_VALUES, "count"])
    now = ends.group_by(keys).aggregate([("first_ts", "min"), ("last_ts", "max")])
    now = now.select([*keys, "first_ts_min", "last_ts_max"]).rename_columns([*keys, "first_ts", "last_ts"])
    asked = unsettled.join(now, keys, join_type="left outer").select(columns)
    is_settled = pc.invert(drafted[UNSETTLED])
    return differing(pa.concat_tables([drafted.filter(is_settled).select(columns), asked]), VALUES)


def differing(changes: pa.Table, values: Sequence[str]) -> pa.Table:
    """The rows of changes whose values are not the old ones, named `old_...`."""
    import pyarrow.compute as pc

    same = [pc.fill_null(pc.equal(changes[name], changes[f"old_{name}"]), False) for name in values]
    return changes.filter(pc.invert(reduce(pc.and_, same)))


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


def in_events(keys: pa.Table) -> pa.Table:
    """Keys as events have them: a device that is not known is null there.

    Args:
        keys: some of KEYS or DEVICE_KEYS.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {
        name: pc.if_else(pc.equal(it, ""), pa.scalar(None, it.type), it) if name == "device" else it
        for name, it in zip(keys.column_names, keys.columns, strict=True)
    }
    return pa.table(columns)


def _keyed(events: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The events' keys and times; a device that is not known is one like any other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {key: pc.fill_null(events[key], "") if key == "device" else events[key] for key in keys}
    return pa.table({**columns, "event_ts": events["event_ts"]})


def _of_both(choose: Callable[..., pa.ChunkedArray], one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """The earlier or the later of two times; where there is only one, that."""
    import pyarrow as pa

    # Arrow compares times, but does not choose between them.
    return choose(one.cast(pa.int64()), other.cast(pa.int64())).cast(one.type)
