"""The jobs that sensors, schedules and people start."""

import dagster as dg

from spotify_graph.graph_model import FACTS

_COMBINED = dg.AssetSelection.assets("cleaned_tracks", "rejected_tracks", "interactions")
_GRAPH = _COMBINED | dg.AssetSelection.groups("nodes", "edges", "graph")

ingest_events = dg.define_asset_job(
    "ingest_events",
    dg.AssetSelection.assets("raw_user_events", "cleaned_events", "rejected_events"),
    description="Takes in one user-event file: its records, its good rows, and its rejected rows with their reasons.",
)
ingest_catalogue = dg.define_asset_job(
    "ingest_catalogue",
    dg.AssetSelection.assets("raw_tracks"),
    description="Takes in one catalogue file: its records.",
)
refresh_graph = dg.define_asset_job(
    "refresh_graph",
    _GRAPH,
    description="Combines the files that the gates let through, and publishes what that changes in the graph.",
)
reconcile = dg.define_asset_job(
    "reconcile",
    _GRAPH,
    config={"ops": {table.asset: {"config": {"verify": True}} for table in FACTS}},
    description="Refreshes the graph, and compares what the database holds with the lake even where nothing changed.",
)
retrain = dg.define_asset_job(
    "retrain",
    dg.AssetSelection.assets("interactions").downstream(),
    config={"ops": {"interactions": {"config": {"full": True}}}},
    description="Counts the interactions of all files from scratch, and computes everything that follows from them:"
    " the graph, the evaluation of the models, and what they recommend.",
)

JOBS = [ingest_events, ingest_catalogue, refresh_graph, reconcile, retrain]
"""Every job."""
