"""How popular tracks are, as sums of integers: what comes and goes is added and taken away exactly.

A listener counts 2^(d / half-life) in a track's popularity, where d is how many days after `POPULARITY_SINCE` they last
played it. That is a whole number of half-lives, a track's sums are kept by it, and a rest between 1 and 2, which is
added up in units of 2^-32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.graph_model import PLAY, POPULARITY_HALF_LIFE_DAYS, POPULARITY_SINCE
from spotify_graph.transforms.interactions import OLD_VALUES, VALUES, differing

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

KEYS = ("track_id", "period")
SUMS = ("events", "listeners")
OLD_SUMS = tuple(f"old_{name}" for name in SUMS)

_UNIT_BITS = 32
_DIGITS = 6


def sums(interactions: pa.Table) -> pa.Table:
    """What interactions add to what is known of tracks. Of several parts, the rows are to be added up.

    Args:
        interactions: `interactions.interactions`, or a part of them.

    Returns:
        track_id, period (int64: half-lives from `POPULARITY_SINCE` to the user's last event of the type), events (how
        many), listeners (who played it, in units of 2^-32).
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    micros = interactions["last_ts"].cast(pa.int64()).to_numpy()
    half_lives = (micros / 1e6 - POPULARITY_SINCE.timestamp()) / 86_400 / POPULARITY_HALF_LIFE_DAYS
    period = np.floor(half_lives)
    weight = np.rint(np.exp2(half_lives - period + _UNIT_BITS)).astype(np.int64)
    is_play = pc.equal(interactions["event_type"], PLAY.name)
    return added(
        pa.table(
            {
                "track_id": interactions["track_id"],
                "period": period.astype(np.int64),
                "events": interactions["count"],
                "listeners": pc.if_else(is_play, pa.array(weight), 0),
            }
        )
    )


def added(rows: pa.Table) -> pa.Table:
    """One row for each track and period, with the sums of several."""
    summed = rows.group_by(list(KEYS)).aggregate([(name, "sum") for name in SUMS])
    return summed.select([*KEYS, *(f"{name}_sum" for name in SUMS)]).rename_columns([*KEYS, *SUMS])


def change(find: Callable[[pa.Table], pa.Table], changes: pa.Table) -> pa.Table:
    """What changed interactions change in the sums.

    Args:
        find: gives the sums that there were of tracks and periods.
        changes: `interactions.change` by `interactions.KEYS`.

    Returns:
        One row for each track and period that changes: KEYS, OLD_SUMS (null where it is new), SUMS (null where nothing
        is left).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    were = changes.filter(pc.is_valid(changes["old_count"])).drop_columns(list(VALUES))
    are = changes.filter(pc.is_valid(changes["count"])).drop_columns(list(OLD_VALUES))
    loss = sums(were.rename_columns(are.column_names))
    for name in SUMS:
        loss = loss.set_column(loss.column_names.index(name), name, pc.negate(loss[name]))
    gain = added(pa.concat_tables([sums(are), loss]))
    old = find(gain.select(KEYS)).select([*KEYS, *SUMS]).rename_columns([*KEYS, *OLD_SUMS])
    both = gain.join(old, list(KEYS), join_type="left outer")
    now = {name: pc.add(both[name], pc.fill_null(both[f"old_{name}"], 0)) for name in SUMS}
    is_left = pc.greater(now["events"], 0)
    found = pa.table(
        {
            **{name: both[name] for name in (*KEYS, *OLD_SUMS)},
            **{name: pc.if_else(is_left, values, pa.scalar(None, pa.int64())) for name, values in now.items()},
        }
    )
    return differing(found, SUMS)


def popularity(sums: pa.Table) -> pa.Table:
    """How popular tracks are.

    Args:
        sums: all sums of the tracks.

    Returns:
        track_id, events (how many there are), popularity (the binary logarithm of its listeners; null without any).
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    latest = sums.filter(pc.greater(sums["listeners"], 0)).group_by("track_id").aggregate([("period", "max")])
    events = sums.group_by("track_id").aggregate([("events", "sum")])
    # In the order of the periods, so that the sum of floats is always the same.
    played = sums.join(latest, "track_id", join_type="inner").sort_by(
        [("track_id", "ascending"), ("period", "ascending")]
    )
    age = pc.subtract(played["period"], played["period_max"]).to_numpy()
    listeners = np.ldexp(played["listeners"].to_numpy().astype(np.float64), age.astype(np.int32) - _UNIT_BITS)
    of_track = pa.table(
        {"track_id": played["track_id"], "listeners": listeners, "period": played["period_max"]}
    ).group_by("track_id", use_threads=False)
    summed = of_track.aggregate([("listeners", "sum"), ("period", "max")])
    logarithm = pc.round(pc.add(pc.log2(summed["listeners_sum"]), pc.cast(summed["period_max"], pa.float64())), _DIGITS)
    known = pa.table({"track_id": summed["track_id"], "popularity": logarithm})
    return events.rename_columns(["track_id", "events"]).join(known, "track_id", join_type="left outer")
