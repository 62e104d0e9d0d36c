"""The IO manager that publishes an asset's staged snapshot to the graph of this installation."""

from dataclasses import dataclass, field
from time import monotonic

import dagster as dg

from spotify_graph import storage
from spotify_graph.graph_model import RECOMMENDER, TABLES
from spotify_graph.io_managers.degrees import degrees
from spotify_graph.io_managers.pages import Pages
from spotify_graph.neo4j_dagster.io_manager import Neo4jIOManager, Progress
from spotify_graph.neo4j_dagster.metadata import publication_metadata
from spotify_graph.neo4j_dagster.retries import transient_errors_retried
from spotify_graph.neo4j_io import models
from spotify_graph.neo4j_io.mending import Changes
from spotify_graph.neo4j_io.publication import PublicationResult
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, RelationshipType


@dataclass(frozen=True)
class GraphSnapshot:
    """A staged table, to be published.

    Attributes:
        snapshot: the table.
        staging_seconds: how long it took to stage it.
        model: the model's version, which every row of the table names, or None where no model made it.
        changes: what is found to be changed by someone else, while it is published, is added here.
    """

    snapshot: Snapshot
    staging_seconds: float
    model: str | None = None
    changes: list[Changes] = field(default_factory=list)


class PlatformIOManager(Neo4jIOManager):
    """Publishes staged snapshots, which the assets verify, and keeps with each version what its page says.

    A table of a model is written beside the published one, for whoever wrote all tables of the model to switch to
    (`neo4j_io.models`).
    """

    tables = tuple(TABLES.values())

    pages: dg.ResourceDependency[Pages]

    def handle_output(self, context: dg.OutputContext, obj: GraphSnapshot) -> None:
        """Publishes."""
        started, table = monotonic(), self.table_of(context.asset_key)
        with transient_errors_retried(context.step_context.previous_attempt_count, context.log):
            if obj.model is None:
                result, changes = self.publish(context, table, obj.snapshot)
                obj.changes.extend(changes)
            else:
                result = self._load(context, table, obj.snapshot, obj.model)
        shown = publication_metadata(result, obj.staging_seconds + monotonic() - started)
        context.add_output_metadata({**shown, "staging_seconds": round(obj.staging_seconds, 2)})
        # Where its content is published already, the version that has it stays.
        version = storage.at(self.root) / table.asset / result.version
        if isinstance(table, RelationshipType) and (drawn := degrees(table, version)):
            context.add_output_metadata({"degrees": dg.MetadataValue.md(drawn)})
        self.pages.finish(context, version)

    def _load(self, context: dg.OutputContext, table: GraphTable, snapshot: Snapshot, model: str) -> PublicationResult:
        assert isinstance(table, RelationshipType)  # noqa: S101 a model has no nodes
        progress = Progress(context.log.info)
        return models.load(*self.connection, table, snapshot, RECOMMENDER, model, progress=progress, **self.pace)
