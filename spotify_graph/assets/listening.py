"""The logs that models and their evaluation read. A module of its own, so that the definitions load without NumPy."""

from spotify_graph.lake.versions import LakeTable
from spotify_graph.resources.spark import SparkResource
from spotify_graph.storage import Address
from spotify_graph.training import logs
from spotify_graph.training.logs import Logs


def read(cleaned_events: LakeTable, cleaned_tracks: LakeTable, spark: SparkResource, folder: Address) -> Logs:
    """The logs as the models read them, in buckets where they are large.

    Args:
        cleaned_events: what users did.
        cleaned_tracks: the catalogue.
        spark: runs the tasks where the logs are large.
        folder: where to keep what is computed of them.
    """
    rows = cleaned_events.rows
    return logs.read(
        cleaned_events.part,
        cleaned_events.schema,
        cleaned_tracks.read(),
        folder,
        run=spark.over(rows),
        buckets=spark.buckets(rows),
    )
