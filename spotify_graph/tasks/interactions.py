"""What is done to a bucket of users: their events are counted, all of them or only those that come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from spotify_graph.checks import rules
from spotify_graph.lake.keyed import KeyedTable
from spotify_graph.parts import Part, divided
from spotify_graph.transforms import interactions as counting
from spotify_graph.transforms import popularity
from spotify_graph.transforms.cleaning import EVENT_VALUES

if TYPE_CHECKING:
    import pyarrow as pa

INTERACTIONS, DEVICES, POPULARITY = "interactions", "devices", "popularity"
"""The tables that are counted together, of the same events."""
KEYS = {INTERACTIONS: counting.KEYS, DEVICES: counting.DEVICE_KEYS, POPULARITY: popularity.KEYS}


@dataclass(frozen=True)
class Counted:
    """A bucket whose events are counted, or of which what changes is.

    Attributes:
        events: how many there are, or how many more than before.
        newest: when the newest one happened that is there or is new, in microseconds since 1970; None without any.
        broken: from `rules.broken`, of the interactions, or of those that change.
        tables: the rows of the other tables, or what changes in each.
        gone: when the newest one happened that goes, likewise.
    """

    events: int
    newest: int | None
    broken: Mapping[str, rules.Broken]
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    gone: int | None = None


def read(schema: pa.Schema, part: Part) -> pa.Table:
    """The events of a part of the cleaned ones."""
    return part.read(schema, EVENT_VALUES)


def count(schema: pa.Schema, events: Part) -> tuple[pa.Table, Counted]:
    """Counts all events of a bucket."""
    import pyarrow.compute as pc

    distinct = counting.distinct(read(schema, events))
    rows = counting.counted(distinct, counting.KEYS)
    tables = {DEVICES: counting.counted(distinct, counting.DEVICE_KEYS), POPULARITY: popularity.sums(rows)}
    broken = rules.broken(rules.of_interactions(), rows)
    return rows, Counted(pc.sum(rows["count"]).as_py() or 0, _newest(rows["last_ts"]), broken, tables)


@dataclass(frozen=True)
class Files:
    """A bucket's events, by what became of the files that they are in.

    Attributes:
        came: those of files that are new, or whose content is.
        went: those of files that left, or of the content that they had.
        stayed: those of all other files.
    """

    came: Part
    went: Part
    stayed: Part


def change(schema: pa.Schema, tables: Mapping[str, KeyedTable], files: Files) -> Counted:
    """Counts what changes in a bucket.

    Args:
        schema: the columns of cleaned events.
        tables: what was counted before.
        files: the events; of `stayed`, also others than the bucket's.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    came, went = (counting.distinct(read(schema, part)) for part in (files.came, files.went))
    others = found(schema, pa.concat_tables([came, went]), files.stayed)
    added = counting.without(came, pa.concat_tables([others, went]))
    removed = counting.without(went, pa.concat_tables([others, came]))

    def events_of(wanted: pa.Table) -> pa.Table:
        stayed = (_of_keys(schema, wanted, part) for part in divided(files.stayed))
        return pa.concat_tables([counting.of_keys(came, wanted), *stayed])

    changes = {
        name: counting.change(KEYS[name], tables[name].find, added, removed, events_of)
        for name in (INTERACTIONS, DEVICES)
    }
    changes[POPULARITY] = popularity.change(tables[POPULARITY].find, changes[INTERACTIONS])
    new = changes[INTERACTIONS].filter(pc.is_valid(changes[INTERACTIONS]["count"]))
    broken = rules.broken(rules.of_interactions(), new.drop_columns(list(counting.OLD_VALUES)))
    return Counted(
        events=added.num_rows - removed.num_rows,
        newest=_newest(added["event_ts"]),
        broken=broken,
        tables=changes,
        gone=_newest(removed["event_ts"]),
    )


def found(schema: pa.Schema, events: pa.Table, part: Part) -> pa.Table:
    """Those of some events that are among others, perhaps with others of the same times.

    Beside each file of the others lies what its events' hashes are, made when it is first asked for.

    Args:
        schema: the columns of cleaned events.
        events: the events that are looked for.
        part: the others, in files that are sorted by time.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    hashes = _hashes(events)
    micros = events["event_ts"].cast(pa.int64()).to_numpy()
    there = [schema.empty_table().select(EVENT_VALUES)]
    for file in part.files if len(hashes) else ():
        span = ends(file)
        if span is None or not (meanwhile := (micros >= span[0]) & (micros <= span[1])).any():
            continue
        known, wanted = _known_hashes(Path(file), schema), hashes[meanwhile]
        places = np.searchsorted(known, wanted)
        is_known = known[np.minimum(places, len(known) - 1)] == wanted
        if is_known.any():
            times = pc.unique(events["event_ts"].filter(pa.array(meanwhile)).filter(pa.array(is_known)))
            # Row groups of other times are not read.
            between = (pc.field("event_ts") >= pc.min(times)) & (pc.field("event_ts") <= pc.max(times))
            there.append(Part((file,)).read(schema, EVENT_VALUES, between & pc.field("event_ts").isin(times)))
    return pa.concat_tables(there)


def _of_keys(schema: pa.Schema, wanted: pa.Table, part: Part) -> pa.Table:
    import pyarrow.compute as pc

    columns = [*dict.fromkeys((*counting.KEYS, *counting.DEVICE_KEYS, "event_ts"))]
    some = pc.field("user_id").isin(pc.unique(wanted["user_id"]))
    if "track_id" in wanted.column_names:
        some &= pc.field("track_id").isin(pc.unique(wanted["track_id"]))
    return counting.of_keys(part.read(schema, columns, some), wanted)


def ends(file: str) -> tuple[int, int] | None:
    """When the first and the last event of a file happened, in microseconds since 1970; None where it has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    known = pq.read_metadata(file)
    at = known.schema.names.index("event_ts")
    groups = [known.row_group(group).column(at).statistics for group in range(known.num_row_groups)]
    times = [
        pa.scalar(it, pa.timestamp("us", "UTC")).value
        for each in groups
        if each and each.has_min_max
        for it in (each.min, each.max)
    ]
    return (min(times), max(times)) if times else None


def _known_hashes(file: Path, schema: pa.Schema) -> Any:
    """The hashes of a file's events, in their order, mapped into memory."""
    import numpy as np

    index = file.with_suffix(".events.npy")
    if not index.exists():
        new = index.with_name(f".{uuid4().hex}")
        with new.open("wb") as written:
            np.save(written, np.sort(_hashes(Part((str(file),)).read(schema, EVENT_VALUES))))
        new.replace(index)
    return np.load(index, mmap_mode="r")


def _hashes(events: pa.Table) -> Any:
    import numpy as np

    from spotify_graph.neo4j_io import hashing

    batches = events.select(EVENT_VALUES).to_batches(max_chunksize=16_384)
    return np.concatenate([np.zeros(0, np.uint64), *(hashing.of_rows(batch.columns) for batch in batches)])


def _newest(times: pa.ChunkedArray) -> int | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    newest: int | None = pc.max(times.cast(pa.int64())).as_py()
    return newest
