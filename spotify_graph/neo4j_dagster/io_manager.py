"""The IO manager that publishes an asset's rows to Neo4j."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

import dagster as dg
from pydantic import Field

from spotify_graph import storage
from spotify_graph.neo4j_dagster.metadata import publication_metadata
from spotify_graph.neo4j_dagster.resource import Connection, Neo4jServer, Pace
from spotify_graph.neo4j_dagster.retries import transient_errors_retried
from spotify_graph.neo4j_io import buckets, ledger, mending, publication, staging
from spotify_graph.neo4j_io.alignment import Found
from spotify_graph.neo4j_io.errors import EndsMissingError, PublicationError
from spotify_graph.neo4j_io.mending import Changes
from spotify_graph.neo4j_io.publication import PublicationResult
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SECONDS_BETWEEN_MESSAGES = 5


class Neo4jIOManager(dg.ConfigurableIOManager):
    """Publishes what assets return as the nodes and relationships of a Neo4j database.

    An asset returns all rows of its table, as a pandas DataFrame or an Arrow table with the table's columns. They are
    staged as a snapshot, in Parquet, and audited: keys present and unique, no value missing that must be there. Then
    only what differs from the last publication is written, what is gone is deleted, and the database is asked whether
    it equals the snapshot. Constraints are made where they are missing. A relationship's asset depends on those of the
    nodes at its ends.

    A subclass names its tables:

        class People(Neo4jIOManager):
            tables = (PERSON, COMPANY, WORKS_AT)
    """

    tables: ClassVar[Sequence[GraphTable]] = ()
    """The tables, each published by the asset of that key."""

    neo4j: dg.ResourceDependency[Neo4jServer]
    root: str = Field(
        description="The folder of the staged snapshots, which every process that runs steps can read and write, and"
        " which stays: what differs is found by comparison with the snapshot that was published last."
    )
    keep_foreign: bool = Field(
        default=True,
        description="Leave nodes and relationships in the database that others made under the tables' labels and types."
        " Otherwise they are removed where they are found.",
    )

    @property
    def connection(self) -> Connection:
        """The database."""
        return self.neo4j.connection

    @property
    def pace(self) -> Pace:
        """How much is written at once."""
        return self.neo4j.pace

    def table_of(self, key: dg.AssetKey) -> GraphTable:
        """The table that an asset publishes: the one whose `asset` is the key, such as `people` or `crm/people`.

        To be overridden where keys and tables go together in another way.

        Raises:
            DagsterInvalidDefinitionError: there is none.
        """
        known = {table.asset: table for table in self.tables}
        if (name := key.to_user_string()) in known:
            return known[name]
        there = f"there are {', '.join(known)}" if known else f"{type(self).__name__}.tables is empty"
        raise dg.DagsterInvalidDefinitionError(f"no table is published by the asset {name}: {there}")

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Stages rows, publishes them, and verifies what the database holds then.

        Args:
            context: of the output.
            obj: a pandas DataFrame; what hands out Arrow's columns, as Arrow, Polars and DuckDB do; or a snapshot that
                is staged already.

        Raises:
            StagingError: the rows don't fit the table, or break a rule.
            PublicationError: the asset is partitioned, an end of a relationship is missing, another publication took
                over, or the database does not hold in the end what was published.
        """
        started, table = monotonic(), self.table_of(context.asset_key)
        if context.has_asset_partitions:
            problem = "one of its partitions can't be published, because a publication is of a whole table"
            raise PublicationError(table.asset, problem, advice="return the rows of all from an asset without any")
        snapshot = obj if isinstance(obj, Snapshot) else self._staged(obj, table)
        with transient_errors_retried(context.step_context.previous_attempt_count, context.log):
            result, changes = self.publish(context, table, snapshot)
            changes += self._verified(table)
        for each in changes:
            context.log.warning(_described(each))
        context.add_output_metadata(publication_metadata(result, monotonic() - started))

    def publish(
        self, context: dg.OutputContext, table: GraphTable, snapshot: Snapshot
    ) -> tuple[PublicationResult, list[Changes]]:
        """Publishes a snapshot. Where somebody else deleted nodes that relationships need, those are mended first.

        Args:
            context: of the output; progress is logged there.
            table: the table.
            snapshot: what it should hold.

        Returns:
            What was done, and what somebody else was found to have changed.
        """
        driver, database = self.connection
        changes: list[Changes] = []

        def publish() -> PublicationResult:
            progress = Progress(context.log.info)
            return publication.publish(
                driver, database, table, snapshot, progress=progress, keep=self.keep_foreign, **self.pace
            )

        try:
            result = publish()
        except EndsMissingError:
            changes += self._mended_ends(table)
            if not changes:
                raise
            result = publish()
        if result.foreign.found.rows:
            changes.append(Changes(table, Found(), Found(), result.foreign))
        return result, changes

    def load_input(self, context: dg.InputContext) -> "pa.Table | pd.DataFrame":
        """The rows that were published last: a pandas DataFrame where the input is annotated so, else an Arrow table.

        Raises:
            FileNotFoundError: nothing was published, the last publication was not finished, or its snapshot is gone.
        """
        table = self.table_of(context.asset_key)
        published = ledger.entry(*self.connection, table.asset)
        if published is None or published.status in (ledger.Status.PUBLISHING, ledger.Status.LOADED):
            raise FileNotFoundError(f"no publication of {table.asset} is finished: materialize it first")
        rows = Snapshot.load(storage.at(self.root) / table.asset / published.version).read()
        return rows.to_pandas() if _is_pandas(context.dagster_type.typing_type) else rows

    def _staged(self, given: object, table: GraphTable) -> Snapshot:
        from spotify_graph.neo4j_dagster.frames import as_rows

        rows = as_rows(given, table)
        return staging.stage([lambda: rows], table, storage.at(self.root), buckets=buckets.count_for(rows.num_rows))

    def _mended_ends(self, table: GraphTable) -> list[Changes]:
        driver, database = self.connection
        try:
            root = storage.at(self.root)
            return mending.mend_ends(driver, database, table, root, keep=self.keep_foreign, **self.pace)
        except (PublicationError, FileNotFoundError):
            # Nodes that were never published are not there to be mended: that ends are missing says what to do.
            return []

    def _verified(self, table: GraphTable) -> Sequence[Changes]:
        """Makes sure that the database holds what was published; what somebody else had changed, which is mended.

        If that was verified since the publication, and the number of rows is still right, nothing is compared again.
        """
        driver, database = self.connection
        with driver.session(database=database) as session:
            entry = ledger.find(session, table.asset)
            if not mending.may_differ(session, table, entry, storage.at(self.root), keep=self.keep_foreign):
                return []
        root = storage.at(self.root)
        done = mending.mend(driver, database, table, root, keep=self.keep_foreign, **self.pace)
        if not done.verification.holds:
            problem = f"the database is not what was published: {'; '.join(done.verification.differences)}"
            raise PublicationError(table.asset, problem, advice="publish again")
        return done.changes


class Progress:
    """Reports every few seconds how far a long publication has got, and how fast."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._started = self._said = monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Reports, unless it just did."""
        now = monotonic()
        if now - self._said > _SECONDS_BETWEEN_MESSAGES:
            self._said = now
            self._say(f"{done:,} of {total:,} rows written, {done / (now - self._started):,.0f} a second")


def _described(changes: Changes) -> str:
    """What somebody else changed, for the log."""
    foreign = changes.foreign.found.rows
    kept = "kept" if changes.foreign.kept else "removed"
    counts = f"{changes.missing.rows:,} missing and {changes.changed.rows:,} changed rows are restored"
    return f"{changes.table.asset} was changed by somebody else: {counts}, {foreign:,} that were added are {kept}"


def _is_pandas(annotation: Any) -> bool:
    return getattr(annotation, "__module__", "").startswith("pandas.") and annotation.__name__ == "DataFrame"
