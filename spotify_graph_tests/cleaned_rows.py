"""Cleaned events, and what is counted of them from scratch."""

import pyarrow as pa

from spotify_graph.lake.versions import arrow_schema
from spotify_graph.tasks import interactions as of
from spotify_graph.transforms import interactions as counting
from spotify_graph.transforms import popularity

SCHEMA = arrow_schema(
    "file string, user_id string, track_id string, event_type string, event_ts timestamp, session_id string,"
    " device string"
)


def counted(events: pa.Table) -> dict[str, pa.Table]:
    """Every table that is counted of cleaned events."""
    rows = counting.distinct(events)
    interactions = counting.counted(rows, counting.KEYS)
    return {
        of.INTERACTIONS: interactions,
        of.DEVICES: counting.counted(rows, counting.DEVICE_KEYS),
        of.POPULARITY: popularity.sums(interactions),
    }
