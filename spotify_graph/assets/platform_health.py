"""The page of the platform's health, as Dagster shows it. No run computes it."""

import dagster as dg

from spotify_graph.assets.schema import OWNERS
from spotify_graph.automation import health

PLATFORM_HEALTH = dg.AssetSpec(
    health.ASSET,
    group_name="health",
    kinds={"markdown"},
    owners=OWNERS,
    description="Whether all is well, on one page: files that wait or are held back, the newest event, the last"
    " publication, the model and its quality. It is in the metadata of the latest materialization, which a sensor"
    " reports whenever it changes.",
)
