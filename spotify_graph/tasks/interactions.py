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


def read(schema: pa.Schema, users: pa.Array | None, part: Part) -> pa.Table:
    """The events of some users, or of all.

    Args:
        schema: the columns of cleaned events.
        users: whose events; None means everybody's.
        part: cleaned events.
    """
    import pyarrow.compute as pc

    wanted = None if users is None else pc.field("user_id").isin(users)
    return part.read(schema, EVENT_VALUES, wanted)


def count(schema: pa.Schema, events: Part) -> tuple[pa.Table, Counted]:
    """The interactions of a bucket, from all its events."""
    return _counted(counting.interactions(read(schema, None, events)))


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
    import pyarrow.compute as pc

    came, went = read(schema, None, files.came), read(schema, None, files.went)
    times = pc.unique(pa.concat_tables([came, went])["event_ts"])
    # The same event has the same time: few of the others have to be looked at.
    meanwhile = (pc.field("event_ts") >= pc.min(times)) & (pc.field("event_ts") <= pc.max(times))
    others = files.stayed.read(schema, EVENT_VALUES, meanwhile & pc.field("event_ts").isin(times))
    added = counting.without(came, pa.concat_tables([others, went]))
    removed = counting.without(went, pa.concat_tables([others, came]))
    # The first and the last of what stays are asked for only where something goes.
    users = pc.unique(removed["user_id"])
    now = [read(schema, users, part) for part in (files.stayed, files.came) if len(users)]
    previous = before.read(columns)
    changes = counting.change(previous, added, removed, pa.concat_tables(now) if now else removed)
    return _counted(counting.changed(previous, changes), changes)


def _counted(rows: pa.Table, changes: pa.Table | None = None) -> tuple[pa.Table, Counted]:
    import pyarrow as pa
    import pyarrow.compute as pc

    newest = pc.max(rows["last_ts"].cast(pa.int64())).as_py()
    broken = rules.broken(rules.of_interactions(), rows)
    return rows, Counted(pc.sum(rows["count"]).as_py() or 0, newest, broken, changes)
