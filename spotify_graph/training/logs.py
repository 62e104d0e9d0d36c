"""The cleaned logs as the models read them: numbered, counted by day, and divided by user."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spotify_graph.neo4j_io.running import Runner
from spotify_graph.parts import Part, save, shuffle
from spotify_graph.storage import Address
from spotify_graph.transforms.cleaning import EVENT_VALUES
from spotify_graph.transforms.recommendations import confidence, numbering
from spotify_graph.transforms.recommendations.arrays import Ints
from spotify_graph.transforms.recommendations.confidence import Activity
from spotify_graph.transforms.recommendations.numbering import Catalogue


@dataclass(frozen=True)
class Bucket:
    """Some of the users.

    Attributes:
        activity: what they did: the rows of `confidence.Activity`.
        users: their numbers, ascending.
    """

    activity: Part
    users: Ints

    def read(self) -> Activity:
        """What they did."""
        return Activity.of_table(self.activity.read())


@dataclass(frozen=True)
class Logs:
    """What users did, and the tracks that they may do it with.

    Attributes:
        catalogue: the tracks.
        user_ids: the users' ids, ascending; a user's number is its position here.
        buckets: the users, divided.
        pairs: how many pairs of a user and a track they have.
        first: the day of the first event, in days since 1970; 0 where there is none.
        until: the day after the last event; 0 where there is none.
        folder: where what is computed of them is kept; every task sees it.
        run: runs the tasks.
    """

    catalogue: Catalogue
    user_ids: pa.Array
    buckets: Sequence[Bucket]
    pairs: int
    first: int
    until: int
    folder: Address
    run: Runner

    @property
    def user_count(self) -> int:
        """How many users there are."""
        return len(self.user_ids)


def read(
    cleaned_events: Part,
    schema: pa.Schema,
    cleaned_tracks: pa.Table,
    folder: Address,
    *,
    run: Runner,
    buckets: int = 1,
) -> Logs:
    """Numbers and counts.

    Args:
        cleaned_events: `cleaning.clean_events` of any number of files.
        schema: their columns.
        cleaned_tracks: `cleaning.clean_tracks`.
        folder: where to keep what is computed of them.
        run: runs the tasks.
        buckets: in how many buckets to divide the users, a power of two.
    """
    events = shuffle(cleaned_events, partial(_values, schema), "user_id", buckets, folder, run)
    named = run(partial(_named, schema), events)
    user_ids = _sorted([users for users, _ in named])
    catalogue = numbering.catalogue(cleaned_tracks, _sorted([tracks for _, tracks in named]))
    track_ids = pa.array(catalogue.ids, pa.string())
    work = [(part, users, numbering.numbers(users, user_ids)) for part, (users, _) in zip(events, named, strict=True)]
    counted = run(partial(_counted, schema, track_ids, folder), work)
    pairs = sum(count for _, count, *_ in counted)
    days = [day for _, _, *found in counted for day in found if day is not None]
    first, until = (min(days), max(days) + 1) if days else (0, 0)
    found = [Bucket(Part((file,)), np.sort(numbers)) for (file, *_), (_, _, numbers) in zip(counted, work, strict=True)]
    return Logs(catalogue, user_ids, found, pairs, first, until, folder, run)


def start_of(day: int) -> datetime:
    """The first moment of a day in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


def _values(schema: pa.Schema, part: Part) -> pa.Table:
    return part.read(schema, EVENT_VALUES)


def _named(schema: pa.Schema, part: Part) -> tuple[pa.Array, pa.Array]:
    """The users and the tracks that events name."""
    rows = part.read(schema, ("user_id", "track_id"))
    users, tracks = (pc.unique(rows[name]) for name in rows.column_names)
    return users, tracks


def _sorted(ids: Sequence[pa.Array]) -> pa.Array:
    distinct = pc.unique(pa.concat_arrays([pa.array([], pa.string()), *ids]))
    return distinct.take(pc.sort_indices(distinct))


def _counted(
    schema: pa.Schema, track_ids: pa.Array, folder: Address, users: tuple[Part, pa.Array, Ints]
) -> tuple[str, int, int | None, int | None]:
    """What some users did: the file, how many pairs of a user and a track, and the first and last day."""
    part, ids, numbers = users
    found = confidence.activity(_values(schema, part), ids, numbers, track_ids)
    days = (int(found.day.min()), int(found.day.max())) if len(found.day) else (None, None)
    return save(found.table(), folder), len(found.starts), *days
