"""What is done to a bucket of users: their events are counted, all of them or only those that come and go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_graph.checks import rules
from spotify_graph.parts import Part
from spotify_graph.transforms import interactions as counting
from spotify_graph.transforms.cleaning import EVENT_VALUES

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Counted:
    """A bucket whose events are counted.

    Attributes:
        events: how many there are.
        newest: when the newest one happened, in microseconds since 1970; None where there is none.
        broken: from `rules.broken`.
        changes: from `interactions.change`; None where all events were counted.
    """

    events: int
    newest: int | None
    broken: Mapping[str, rules.Broken]
    changes: pa.Table | None = None


def read(schema: pa.Schema, part: Part) -> pa.Table:
    """The events of a part of the cleaned ones."""
    return part.read(schema, EVENT_VALUES)


@dataclass(frozen=True)
class Touched:
    """Of which events others matter where some come and some go.

    Attributes:
        times: when they happened: only an event of the same time can be the same.
        users: who has events that go: of these, what stays may be the first now, or the last.
    """

    times: pa.Array
    users: pa.Array


def touched(schema: pa.Schema, came: Part, went: Part) -> Touched:
    """What is touched by the events of files that came and went."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times = pa.concat_tables(part.read(schema, ["event_ts"]) for part in (came, went))
    return Touched(pc.unique(times["event_ts"]), pc.unique(went.read(schema, ["user_id"])["user_id"]))


def read_touched(schema: pa.Schema, touched: Touched, part: Part) -> pa.Table:
    """The events of a part of the cleaned ones that matter for others."""
    import pyarrow.compute as pc

    # Row groups of other times are not read: files are sorted by time.
    meanwhile = (pc.field("event_ts") >= pc.min(touched.times)) & (pc.field("event_ts") <= pc.max(touched.times))
    wanted = meanwhile & pc.field("event_ts").isin(touched.times)
    if len(touched.users):
        wanted |= pc.field("user_id").isin(touched.users)
    return part.read(schema, EVENT_VALUES, wanted)


def count(schema: pa.Schema, events: Part) -> tuple[pa.Table, Counted]:
    """The interactions of a bucket, from all its events."""
    return _counted(counting.interactions(read(schema, events)))


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


def change(schema: pa.Schema, columns: pa.Schema, before: Part, files: Files) -> tuple[pa.Table, Counted]:
    """The interactions of a bucket, from what they were and what came and went.

    Args:
        schema: the columns of cleaned events.
        columns: the columns of interactions.
        before: the bucket's interactions before.
        files: the bucket's events.
    """
    import pyarrow as pa

    came, went = read(schema, files.came), read(schema, files.went)
    others = read_touched(schema, touched(schema, files.came, files.went), files.stayed)
    added = counting.without(came, pa.concat_tables([others, went]))
    removed = counting.without(went, pa.concat_tables([others, came]))
    previous = before.read(columns)
    changes = counting.change(previous, added, removed, pa.concat_tables([others, came]))
    return _counted(counting.changed(previous, changes), changes)


def _counted(rows: pa.Table, changes: pa.Table | None = None) -> tuple[pa.Table, Counted]:
    import pyarrow as pa
    import pyarrow.compute as pc

    newest = pc.max(rows["last_ts"].cast(pa.int64())).as_py()
    broken = rules.broken(rules.of_interactions(), rows)
    return rows, Counted(pc.sum(rows["count"]).as_py() or 0, newest, broken, changes)
