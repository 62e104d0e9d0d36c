"""The IO manager that publishes an asset's staged snapshot to Neo4j."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import dagster as dg
from pydantic import Field
from pyspark.sql import DataFrame

from spotify_graph.graph_model import RECOMMENDER, TABLES, GraphTable, RelationshipType
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.retries import transient_errors_retried
from spotify_graph.neo4j_io import ledger, publication, versions
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.resources.neo4j import Neo4jResource
from spotify_graph.resources.spark import SparkResource

_SECONDS_BETWEEN_MESSAGES = 5


@dataclass(frozen=True)
class ModelSnapshot:
    """A staged table of a model.

    Attributes:
        snapshot: the table.
        version: the model's version, which every row of the table names.
    """

    snapshot: Snapshot
    version: str


class Neo4jIOManager(dg.ConfigurableIOManager):
    """Publishes a staged snapshot: writes what differs from the last publication.

    The asset's key says which table of the graph model it is. A table of a model is written beside the published one,
    for whoever wrote all tables of the model to switch to (`neo4j_io.versions`).
    """

    spark: dg.ResourceDependency[SparkResource]
    neo4j: dg.ResourceDependency[Neo4jResource]
    root: str = Field(description="The folder of the staged snapshots.")

    def handle_output(self, context: dg.OutputContext, obj: Snapshot | ModelSnapshot) -> None:
        """Publishes."""
        started = monotonic()
        driver, database, table = self.neo4j.driver, self.neo4j.database, _table(context)
        told = _Progress(context.log.info)
        with transient_errors_retried(context.step_context.previous_attempt_count, context.log):
            if isinstance(obj, Snapshot):
                result = publication.publish(driver, database, table, obj, self.spark.spark_session, progress=told)
            else:
                assert isinstance(table, RelationshipType)  # noqa: S101 a model has no nodes
                result = versions.load(driver, database, table, obj.snapshot, RECOMMENDER, obj.version, progress=told)
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

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """The snapshot that was published last.

        Raises:
            FileNotFoundError: nothing was published, or the last publication was not finished.
        """
        table = _table(context)
        published = ledger.read(self.neo4j.driver, self.neo4j.database).get(table.asset)
        if published is None or published.status in (ledger.Status.PUBLISHING, ledger.Status.LOADED):
            raise FileNotFoundError(f"no publication of {table.asset} is finished: materialize it first")
        path = Path(self.root) / table.asset / published.version
        return self.spark.spark_session.read.parquet(str(path))


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
