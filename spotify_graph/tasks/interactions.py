"""What is done to a bucket of users: their events are counted, all of them or only what changed."""

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
    """

    events: int
    newest: int | None
    broken: Mapping[str, rules.Broken]


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


def recount(
    schema: pa.Schema, columns: pa.Schema, before: Part, changed: pa.Table, events: Part
) -> tuple[pa.Table, Counted]:
    """The interactions of a bucket, from what they were and the events of those users who have others now.

    Args:
        schema: the columns of cleaned events.
        columns: the columns of interactions.
        before: the bucket's interactions before.
        changed: the pairs of user and track of what came or went, in this bucket or in others; each once.
        events: the bucket's events; those of other users may be left out.
    """
    import pyarrow.compute as pc

    of_users = read(schema, pc.unique(changed["user_id"]), events)
    return _counted(counting.updated(before.read(columns), changed, of_users))


def _counted(rows: pa.Table) -> tuple[pa.Table, Counted]:
    import pyarrow as pa
    import pyarrow.compute as pc

    newest = pc.max(rows["last_ts"].cast(pa.int64())).as_py()
    return rows, Counted(pc.sum(rows["count"]).as_py() or 0, newest, rules.broken(rules.of_interactions(), rows))
