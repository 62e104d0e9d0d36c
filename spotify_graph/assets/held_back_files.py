"""The list of the landed files that stay out of the graph, as Dagster shows it. No run computes it."""

import dagster as dg

from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.automation import held_back

HELD_BACK_FILES = dg.AssetSpec(
    held_back.ASSET,
    group_name="raw",
    kinds={"csv"},
    owners=OWNERS,
    description="Every landed file that is held back, why, and how it gets in: the list is in the metadata of the"
    " latest materialization, which is reported whenever a file is refused, let in or forgotten.",
    metadata=columns(
        ("file", "string", "The landed file's name."),
        ("state", "string", "refused (by a gate, or unreadable), failed (and tried again), or invalid name."),
        ("why", "string", "The reason, and the command that lets it in."),
    ),
)
