"""The group cleaned: good rows with their types, bad rows with their reasons, and the interactions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame, Observation

from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.interactions import interactions as count_interactions

_COMMON: dict[str, Any] = {"group_name": "cleaned", "kinds": {"parquet", "spark"}, "owners": OWNERS}

_ID = ("user_id", "string", "The user's id, trimmed."), ("track_id", "string", "The track's id, trimmed.")
_REJECTED = columns(
    ("file", "string", "The landed file's name."),
    ("line", "long", "The row's first line in the file; the header is line 1."),
    ("raw", "string", "The row's text."),
    ("reasons", "array<string>", "Every reason that applies."),
)


@dg.multi_asset(
    outs={
        "cleaned_events": dg.AssetOut(
            **_COMMON,
            description="Every good event, once for each file.",
            metadata=columns(
                ("file", "string", "The landed file's name."),
                *_ID,
                ("event_type", "string", "play, skip, like, pause or seek."),
                ("event_ts", "timestamp", "When it happened, UTC, microseconds."),
                ("session_id", "string", "The session, where known."),
                ("device", "string", "The device, where known."),
            ),
        ),
        "rejected_events": dg.AssetOut(
            **_COMMON, description="Every row of the event files that was refused, and why.", metadata=_REJECTED
        ),
    }
)
def clean_events(raw_user_events: DataFrame) -> Iterator[dg.Output[DataFrame]]:
    """Judges the landed events."""
    judged = cleaning.judge_events(raw_user_events, datetime.now(UTC))
    found = Observation()
    counted = judged.observe(found, *cleaning.counts(cleaning.EVENT_REASONS))
    yield dg.Output(cleaning.clean_events(counted), "cleaned_events")
    yield _rejected(judged, found, "rejected_events")


@dg.multi_asset(
    outs={
        "cleaned_tracks": dg.AssetOut(
            **_COMMON,
            description="The catalogue: the newest good row of each track.",
            metadata=columns(
                _ID[1],
                ("title", "string", "The title, where the catalogue has one."),
                ("artist", "string", "The artist's name, where the catalogue has one."),
                ("album", "string", "The album, where the catalogue has one."),
                ("duration_ms", "long", "The length in milliseconds, where known."),
                ("genre", "string", "The genre's name, where the catalogue has one."),
                ("file", "string", "The file of the newest row."),
                ("line", "long", "The line of the newest row."),
            ),
        ),
        "rejected_tracks": dg.AssetOut(
            **_COMMON, description="Every row of the catalogue files that was refused, and why.", metadata=_REJECTED
        ),
    }
)
def clean_tracks(raw_tracks: DataFrame) -> Iterator[dg.Output[DataFrame]]:
    """Judges the landed catalogue."""
    judged = cleaning.judge_tracks(raw_tracks)
    found = Observation()
    counted = judged.observe(found, *cleaning.counts(cleaning.TRACK_REASONS))
    yield dg.Output(cleaning.clean_tracks(counted), "cleaned_tracks")
    yield _rejected(judged, found, "rejected_tracks")


@dg.asset(
    group_name="cleaned",
    kinds={"parquet", "spark"},
    owners=OWNERS,
    metadata=columns(
        *_ID,
        ("event_type", "string", "play, skip, like, pause or seek."),
        ("count", "long", "How many such events the user has on the track."),
        ("first_ts", "timestamp", "When the first one happened, UTC."),
        ("last_ts", "timestamp", "When the last one happened, UTC."),
    ),
)
def interactions(cleaned_events: DataFrame) -> DataFrame:
    """One row for each user, track and event type."""
    return count_interactions(cleaned_events)


def _rejected(judged: DataFrame, found: Observation, name: str) -> dg.Output[DataFrame]:
    """The rejected rows, with the counts by reason that were observed while the good rows were written."""
    rows, counts = cleaning.rejected(judged), found.get
    # Good files need no second pass to find nothing.
    return dg.Output(rows if counts["rejected"] else rows.limit(0), name, metadata=counts)
