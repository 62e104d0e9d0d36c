"""What is done to a bucket of users: their events are counted, all of them or only those that come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING

from spotify_graph import storage
from spotify_graph.checks import rules
from spotify_graph.lake import indexes
from spotify_graph.lake.indexes import Ends
from spotify_graph.lake.keyed import KeyedTable
from spotify_graph.neo4j_io.running import Runner
from spotify_graph.parts import Part, divided
from spotify_graph.transforms import interactions as counting
from spotify_graph.transforms import popularity
from spotify_graph.transforms.cleaning import EVENT_VALUES

if TYPE_CHECKING:
    import pyarrow as pa

INTERACTIONS, DEVICES, POPULARITY = "interactions", "devices", "popularity"
"""The tables that are counted together, of the same events."""
KEYS = {INTERACTIONS: counting.KEYS, DEVICES: counting.DEVICE_KEYS, POPULARITY: popularity.KEYS}
_OF_EVENTS = (INTERACTIONS, DEVICES)
"""Those that are counted of events; the third is made of the first."""


@dataclass(frozen=True)
class Counted:
    """A bucket whose events are counted.

    Attributes:
        events: how many there are.
        newest: when the newest one happened, in microseconds since 1970; None without any.
        broken: from `rules.broken`, of the interactions.
        others: the rows of the other tables; of the popularity, to be added up with those of other buckets.
    """

    events: int
    newest: int | None
    broken: Mapping[str, rules.Broken]
    others: Mapping[str, pa.Table]


def read(schema: pa.Schema, part: Part) -> pa.Table:
    """The events of a part of the cleaned ones."""
    return part.read(schema, EVENT_VALUES)


def count(schema: pa.Schema, events: Part) -> tuple[pa.Table, Counted]:
    """Counts all events of a bucket."""
    distinct = counting.distinct(read(schema, events))
    rows = counting.counted(distinct, counting.KEYS)
    others = {DEVICES: counting.counted(distinct, counting.DEVICE_KEYS), POPULARITY: popularity.sums(rows)}
    broken = rules.broken(rules.of_interactions(), rows)
    return rows, Counted(distinct.num_rows, _newest(rows["last_ts"]), broken, others)


@dataclass(frozen=True)
class Files:
    """A bucket's events, by what became of the files that they are in.

    Attributes:
        came: those of files that are new, or whose content is.
        went: those of files that left, or of the content that they had.
        stayed: the files of all others, whichever bucket their events are of.
    """

    came: Part
    went: Part
    stayed: Part


@dataclass(frozen=True)
class Drafted:
    """What changes in a bucket, as far as its own events say it.

    Attributes:
        events: how many more there are than before.
        newest: when the newest one happened that is new, in microseconds since 1970; None without any.
        gone: when the newest one happened that goes, likewise.
        drafts: from `interactions.draft`, by table.
    """

    events: int
    newest: int | None
    gone: int | None
    drafts: Mapping[str, pa.Table]


def draft(schema: pa.Schema, tables: Mapping[str, KeyedTable], files: Files) -> Drafted:
    """Counts the events of a bucket that come and go.

    Args:
        schema: the columns of cleaned events.
        tables: what was counted before.
        files: the events.
    """
    import pyarrow as pa

    came, went = (counting.distinct(read(schema, part)) for part in (files.came, files.went))
    others = found(schema, pa.concat_tables([came, went]), files.stayed)
    added = counting.without(came, pa.concat_tables([others, went]))
    removed = counting.without(went, pa.concat_tables([others, came]))
    drafts = {}
    for name in _OF_EVENTS:
        keys = KEYS[name]
        touched = counting.counted(pa.concat_tables([added, removed]), keys).select(keys)
        drafts[name] = counting.draft(keys, tables[name].find(touched), added, removed)
    return Drafted(
        events=added.num_rows - removed.num_rows,
        newest=_newest(added["event_ts"]),
        gone=_newest(removed["event_ts"]),
        drafts=drafts,
    )


def changes(
    schema: pa.Schema, tables: Mapping[str, KeyedTable], drafted: Sequence[Drafted], events: Part, run: Runner
) -> dict[str, pa.Table]:
    """What changes in each table, from what was drafted bucket by bucket.

    Args:
        schema: the columns of cleaned events.
        tables: what was counted before.
        drafted: the drafts of all buckets.
        events: all events that there are now. Where drafts leave something unsettled, it is looked up in their
            indexes; they are read, once, only where these can't tell for certain.
        run: runs that.
    """
    import pyarrow as pa

    drafts = {name: pa.concat_tables(it.drafts[name] for it in drafted) for name in _OF_EVENTS}
    unsettled = {name: it.filter(it[counting.UNSETTLED]).select([*KEYS[name], "count"]) for name, it in drafts.items()}
    ends = [_known_ends(unsettled, events.files, run)]
    doubtful = {
        name: it.select(KEYS[name]).join(ends[0][name], list(KEYS[name]), join_type="left anti")
        for name, it in unsettled.items()
    }
    if any(it.num_rows for it in doubtful.values()):
        ends += run(partial(_ends, schema, doubtful), divided(events))
    found = {
        name: counting.settled(KEYS[name], it, pa.concat_tables(each[name] for each in ends))
        for name, it in drafts.items()
    }
    return {**found, POPULARITY: popularity.change(tables[POPULARITY].find, found[INTERACTIONS])}


def _known_ends(wanted: Mapping[str, pa.Table], files: Sequence[str], run: Runner) -> dict[str, pa.Table]:
    """When the first and the last of all events of some keys happened, by table, as far as indexes can tell.

    Each event of a key is in some file. So where the files have as many of them as there are, they have no others, and
    none twice.

    Args:
        wanted: the keys, and how many events there are of each.
        files: the files of all events.
        run: looks them up.
    """
    import pyarrow as pa

    from spotify_graph.transforms.fields import TIME

    asked = {name: counting.in_events(it.select(KEYS[name])) for name, it in wanted.items()}
    looked_up = run(partial(_look_up, asked), files if any(it.num_rows for it in asked.values()) else ())
    found = {}
    for name, rows in wanted.items():
        ends = reduce(Ends.with_those_of, (it[name] for it in looked_up if name in it), Ends.of_none(rows.num_rows))
        is_certain = pa.array(ends.rows == rows["count"].to_numpy())
        times = (pa.array(it, pa.int64()).cast(TIME) for it in (ends.first, ends.last))
        named = dict(zip(("first_ts", "last_ts"), times, strict=True))
        found[name] = pa.table({**{key: rows[key] for key in KEYS[name]}, **named}).filter(is_certain)
    return found


def _look_up(wanted: Mapping[str, pa.Table], file: str) -> dict[str, Ends]:
    """What a file's indexes say of some keys, by table."""
    return {name: indexes.ends(file, keys, "event_ts") for name, keys in wanted.items() if keys.num_rows}


def _ends(schema: pa.Schema, wanted: Mapping[str, pa.Table], part: Part) -> dict[str, pa.Table]:
    """When the first and the last of a part's events of some keys happened, by table."""
    import pyarrow.compute as pc

    users, tracks = pc.field("user_id"), pc.field("track_id")
    of_pairs, of_devices = wanted[INTERACTIONS], wanted[DEVICES]
    where = users.isin(pc.unique(of_pairs["user_id"])) & tracks.isin(pc.unique(of_pairs["track_id"]))
    if of_devices.num_rows:
        where |= users.isin(pc.unique(of_devices["user_id"]))
    columns = dict.fromkeys((*counting.KEYS, *counting.DEVICE_KEYS, "event_ts"))
    rows = part.read(schema, list(columns), where)
    return {name: counting.ends(KEYS[name], counting.of_keys(rows, it)) for name, it in wanted.items()}


def found(schema: pa.Schema, events: pa.Table, part: Part) -> pa.Table:
    """Those of some events that are among others, perhaps with others of the same times.

    Args:
        schema: the columns of cleaned events.
        events: the events that are looked for, with EVENT_VALUES.
        part: the others, in files that are sorted by time.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    micros = events["event_ts"].cast(pa.int64()).to_numpy()
    there = [schema.empty_table().select(EVENT_VALUES)]
    for file in part.files if events.num_rows else ():
        span = span_of(file)
        if span is None:
            continue
        meanwhile = events.take(pa.array(np.flatnonzero((micros >= span[0]) & (micros <= span[1]))))
        if not meanwhile.num_rows:
            continue
        known = meanwhile.filter(pa.array(indexes.may_hold(file, meanwhile)))
        if known.num_rows:
            times = pc.unique(known["event_ts"])
            # Row groups of other times are not read.
            between = (pc.field("event_ts") >= pc.min(times)) & (pc.field("event_ts") <= pc.max(times))
            there.append(Part((file,)).read(schema, EVENT_VALUES, between & pc.field("event_ts").isin(times)))
    return pa.concat_tables(there)


def span_of(file: str) -> tuple[int, int] | None:
    """When the first and the last event of a file happened, in microseconds since 1970; None where it has none."""
    import pyarrow as pa

    known = storage.metadata(file)
    at = known.schema.names.index("event_ts")
    groups = [known.row_group(group).column(at).statistics for group in range(known.num_row_groups)]
    times = [
        pa.scalar(it, pa.timestamp("us", "UTC")).value
        for each in groups
        if each and each.has_min_max
        for it in (each.min, each.max)
    ]
    return (min(times), max(times)) if times else None


def _newest(times: pa.ChunkedArray) -> int | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    newest: int | None = pc.max(times.cast(pa.int64())).as_py()
    return newest
