"""The page of the platform's health, as Dagster shows it. No run computes it."""

import dagster as dg

from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.automation import health

PLATFORM_HEALTH = dg.AssetSpec(
    health.ASSET,
    group_name="health",
    kinds={"markdown"},
    owners=OWNERS,
    description="Whether all is well, on one page: files that wait or are held back, the newest event, the last"
    " publication, the model and its quality. It is in the metadata of the latest materialization, which a sensor"
    " reports whenever it changes.",
    metadata=columns(
        ("state", "string", "ok, or what to look at."),
        ("files_waiting", "long", "How many landed files wait to be taken in."),
        ("files_held_back", "long", "How many landed files stay out of the graph."),
        ("newest_event", "timestamp", "When the newest event happened, UTC."),
        ("last_publication", "timestamp", "When something was written to the graph last, UTC."),
    ),
)
