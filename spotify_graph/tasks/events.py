"""What is done to a file of user events: its rows are judged, part by part; then the good ones cleaned, by bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from spotify_graph.checks import gates, rules
from spotify_graph.parts import Divided, Part, divide, save
from spotify_graph.storage import Address
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.landed_files import USER_EVENTS
from spotify_graph.transforms.landing import raw_schema

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Judged:
    """A part whose rows are judged.

    Attributes:
        counts: from `cleaning.counts`.
        good: the good rows, by bucket of their users.
        bad: the file of the rejected rows.
        with_placeholders: a few rows that held some.
        examples: for each reason that applies, a value that was rejected for it.
    """

    counts: Mapping[str, int]
    good: Divided
    bad: str
    with_placeholders: Sequence[object]
    examples: Mapping[str, str]


def judge(now: datetime, placeholders: Sequence[str], buckets: int, folder: Address, part: Part) -> Judged:
    """Judges the raw rows of a part.

    Args:
        now: the present, as of which all parts are judged.
        placeholders: what stands for a missing value.
        buckets: into how many buckets the good rows are divided.
        folder: where the files go.
        part: raw rows.
    """
    raw = part.read(raw_schema(USER_EVENTS))
    judged = cleaning.judge_events(raw, now, placeholders)
    counts = cleaning.counts(judged, cleaning.EVENT_REASONS)
    return Judged(
        counts=counts,
        good=divide(cleaning.good_events(judged), "user_id", buckets, folder),
        bad=save(cleaning.rejected(judged), folder),
        with_placeholders=cleaning.with_placeholders(judged).slice(0, gates.SAMPLE).to_pylist(),
        examples={reason: cleaning.example(raw, judged, reason) for reason in cleaning.EVENT_REASONS if counts[reason]},
    )


@dataclass(frozen=True)
class Cleaned:
    """A bucket whose events are cleaned.

    Attributes:
        counts: from `cleaning.kept_counts`.
        broken: from `rules.broken`.
        days: from `cleaning.days`.
    """

    counts: Mapping[str, int]
    broken: Mapping[str, rules.Broken]
    days: Mapping[str, Mapping[str, int]]


def clean(now: datetime, schema: pa.Schema, part: Part) -> tuple[pa.Table, Cleaned]:
    """Leaves one of each of the good rows of a bucket.

    Args:
        now: as of when they were judged.
        schema: the columns of cleaned events.
        part: the good rows.
    """
    rows = cleaning.clean_events(part.read(schema))
    counts = cleaning.kept_counts(rows)
    cleaned = rows.drop_columns([cleaning.COPIES])
    return cleaned, Cleaned(counts, rules.broken(rules.of_events(now), cleaned), cleaning.days(cleaned))


def as_it_is(schema: pa.Schema, file: str) -> tuple[pa.Table, None]:
    """The rows of a file."""
    return Part((file,)).read(schema), None
