"""The IO manager that publishes an asset's staged snapshot to Neo4j."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from spotify_graph.graph_model import RECOMMENDER, TABLES
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.retries import transient_errors_retried
from spotify_graph.neo4j_io import ledger, mending, publication, versions
from spotify_graph.neo4j_io.alignment import Found, Progress
from spotify_graph.neo4j_io.errors import EndsMissingError
from spotify_graph.neo4j_io.mending import Changes
from spotify_graph.neo4j_io.publication import PublicationResult
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, RelationshipType
from spotify_graph.resources.neo4j import Neo4jResource

if TYPE_CHECKING:
    import pyarrow as pa

_SECONDS_BETWEEN_MESSAGES = 5


@dataclass(frozen=True)
class GraphSnapshot:
    """A staged table, to be published.

    Attributes:
        snapshot: the table.
        model: the model's version, which every row of the table names, or None where no model made it.
        changes: what is found to be changed by someone else, while it is published, is added here.
    """

    snapshot: Snapshot
    model: str | None = None
    changes: list[Changes] = field(default_factory=list)


class Neo4jIOManager(dg.ConfigurableIOManager):
    """Publishes a staged snapshot: writes what differs from the last publication.

    The asset's key says which table of the graph model it is. A table of a model is written beside the published one,
    for whoever wrote all tables of the model to switch to (`neo4j_io.versions`).
    """

    neo4j: dg.ResourceDependency[Neo4jResource]
    root: str = Field(description="The folder of the staged snapshots.")

    def handle_output(self, context: dg.OutputContext, obj: GraphSnapshot) -> None:
        """Publishes. Where somebody else deleted nodes that relationships need, those are mended first."""
        started = monotonic()
        table, told = _table(context), _Progress(context.log.info)
        with transient_errors_retried(context.step_context.previous_attempt_count, context.log):
            try:
                result = self._publish(table, obj, told)
            except EndsMissingError:
                changes = mending.mend_ends(
                    self.neo4j.driver,
                    self.neo4j.database,
                    table,
                    Path(self.root),
                    keep=self.neo4j.keep,
                )
                if not changes:
                    raise
                obj.changes.extend(changes)
                result = self._publish(table, obj, told)
        if result.foreign.found.rows:
            obj.changes.append(Changes(table, Found(), Found(), result.foreign))
        context.add_output_metadata(
            {
                "dagster/row_count": result.rows,
                "inserted": result.inserted,
                "changed": result.changed,
                "deleted": result.deleted,
                "version": result.version,
                "seconds": round(monotonic() - started + context.output_metadata["staging_seconds"].value, 2),
            }
        )
        pages.finish(context, Path(self.root) / table.asset / result.version)

    def _publish(self, table: GraphTable, obj: GraphSnapshot, told: Progress) -> PublicationResult:
        driver, database, keep = self.neo4j.driver, self.neo4j.database, self.neo4j.keep
        if obj.model is None:
            return publication.publish(driver, database, table, obj.snapshot, progress=told, keep=keep)
        assert isinstance(table, RelationshipType)  # noqa: S101 a model has no nodes
        return versions.load(driver, database, table, obj.snapshot, RECOMMENDER, obj.model, progress=told)

    def load_input(self, context: dg.InputContext) -> "pa.Table":
        """The snapshot that was published last.

        Raises:
            FileNotFoundError: nothing was published, or the last publication was not finished.
        """
        table = _table(context)
        published = ledger.entry(self.neo4j.driver, self.neo4j.database, table.asset)
        if published is None or published.status in (ledger.Status.PUBLISHING, ledger.Status.LOADED):
            raise FileNotFoundError(f"no publication of {table.asset} is finished: materialize it first")
        return Snapshot.load(Path(self.root) / table.asset / published.version).read()


class _Progress:
    """Tells every few seconds how far a long publication is, and how fast."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._started = self._said = monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._said > _SECONDS_BETWEEN_MESSAGES:
            self._said = now
            self._say(f"{done:,} of {total:,} rows written, {done / (now - self._started):,.0f} a second")


def _table(context: dg.OutputContext | dg.InputContext) -> GraphTable:
    return TABLES[context.asset_key.path[-1]]
