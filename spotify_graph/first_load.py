"""The first load of a local database: built in one go from staged snapshots, and not written table by table.

It is a job, which `spotify-graph materialize` starts where it is due, and which anybody can start in the UI.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from spotify_graph.assets import interactions
from spotify_graph.assets.graph import GRAPH_ASSETS, GraphAsset, stage
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS, NODES, TABLES
from spotify_graph.lake.lake import Lake
from spotify_graph.neo4j_io import constraints, ledger, transaction, verification
from spotify_graph.neo4j_io.ledger import Publication
from spotify_graph.neo4j_io.running import Runner
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.parts import scratch_here
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.neo4j import connect
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings

if TYPE_CHECKING:
    from spotify_graph.local.neo4j import LocalNeo4j

# What only a load needs is imported where it is used: with the driver and PyArrow it takes long, and definitions are
# loaded often.

LARGE_BYTES = 10_000_000
"""From how many bytes of landed files on building a database takes less time than writing into one: about 100,000
events."""

_SIDE_BY_SIDE = 2
_NAMED = 4
"""How much of what others have added a line names."""


def is_due(settings: Settings, landed_bytes: int, say: Callable[[str], None]) -> bool:
    """Whether the database is a local one, with nothing in it, and much is to be loaded.

    Args:
        settings: the installation's settings.
        landed_bytes: how large the files are that the graph is made from.
        say: called when the server's jars are fetched, or when it is started because only it can tell.

    Raises:
        UserError: the server can't be reached, or its jars can't be fetched.
    """
    if settings.neo4j_uri is not None or landed_bytes < LARGE_BYTES:
        return False
    if not _local(settings).has_database():
        from spotify_graph.local import jars

        # Now, while Spark starts: the import needs them when all else is done.
        jars.fetch(jars.NEO4J, say)
    return _is_empty(settings, say)


class FirstLoadConfig(dg.Config):
    """Whether a database that holds something is built anew."""

    rebuild: bool = Field(
        False, description="Build the database also where it holds something; models are gone then, and made anew."
    )
    discard_additions: bool = Field(
        False, description="Do so also where others have added something, which is gone then, what is kept among it."
    )


@dg.op(name="build_database")
def _build_database(
    context: dg.OpExecutionContext, config: FirstLoadConfig, gates: Gates, spark: SparkResource
) -> None:
    settings = Settings.load()
    if settings.neo4j_uri is not None:
        raise UserError("only a local database is built in one go: unset NEO4J_URI")
    if not config.rebuild and not _is_empty(settings, context.log.info):
        raise UserError("the database is not empty: materialize the assets, or set `rebuild` to build it anew")
    if config.rebuild and not config.discard_additions:
        must_be_ours(settings, context.log.info)
    load(settings, spark.over, gates, context.log.info)


@dg.job(
    name="first_load",
    description="Builds an empty local database in one go from the cleaned tables, much faster than writing into it."
    " `refresh_graph` shows in the assets what it holds then.",
)
def first_load() -> None:
    """Builds an empty local database in one go."""
    _build_database()


def must_be_ours(settings: Settings, say: Callable[[str], None]) -> None:
    """Makes sure that nobody else has added anything to the local database, which would be gone after a rebuild.

    Raises:
        UserError: somebody has, or it can't be looked at.
    """
    from spotify_graph.neo4j_io import additions

    anyway = "--discard-additions (in the UI, `discard_additions: true`) builds it anew all the same"
    if not _local(settings).has_database():
        return
    try:
        with connect(settings, say) as driver:
            found = additions.find(driver, settings.neo4j_database, TABLES.values())
    except UserError as error:
        raise UserError(f"what others have added to the database is not known ({error}): {anyway}") from None
    if found:
        some = ", ".join(f"{it.count:,} {it.name}" for it in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise UserError(
            f"the database holds what others have added ({some}{more}), which a rebuild does not carry over:"
            f" `spotify-graph reconcile` mends the graph and keeps it, {anyway}"
        )


def load(settings: Settings, over: Callable[[int], Runner], gates: Gates, say: Callable[[str], None]) -> None:
    """Stages every table of the graph, builds the local database from them, and verifies it.

    The server is stopped meanwhile, if it runs. What else the database held is gone in the end, models among it.

    Args:
        settings: the installation's settings, of a local database.
        over: gives what runs the tasks that work on so many rows.
        gates: the thresholds of the gates, which must hold for every table.
        say: called with each step.

    Raises:
        UserError: gates of the tables, or of what they are computed from, did not hold, or the import failed; the
            database is as it was.
        FileNotFoundError: what the tables are computed from was never materialized.
        PublicationError: a row can't be imported.
    """
    from spotify_graph.neo4j_io import bulk

    lake = Lake(settings.lake)
    inputs, before = interactions.read(lake), _published(settings, say)

    def staged(asset: GraphAsset) -> Snapshot | None:
        of_asset = {name: inputs[name] for name in asset.inputs}
        snapshot, verdict = stage(asset, of_asset, before.get(asset.table.asset), gates, lake, over)
        return snapshot if verdict.holds else None

    # A task leaves a part of a machine idle.
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
        found = list(threads.map(staged, (GRAPH_ASSETS[table.asset] for table in FACTS)))
    tables = [(table, snapshot) for table, snapshot in zip(FACTS, found, strict=True) if snapshot]
    if len(tables) < len(found):
        refused = ", ".join(table.asset for table, snapshot in zip(FACTS, found, strict=True) if not snapshot)
        raise UserError(f"nothing is built, because gates refuse {refused}: their checks say why when materialized")
    say(f"Building the database from {sum(snapshot.rows for _, snapshot in tables):,} nodes and relationships")
    with scratch_here(settings.lake) as folder:
        _local(settings).import_database(bulk.write_input(tables, folder), say)
    say("Verifying what the database holds")
    with connect(settings, say) as driver:
        with driver.session(database=settings.neo4j_database) as session:
            # An import leaves them out.
            constraints.ensure(session, NODES[0], *NODES[1:], ledger.NODE)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
            # What differs is recorded, and mended when its asset is materialized.
            list(threads.map(lambda it: verification.verify(driver, settings.neo4j_database, *it), tables))


def _local(settings: Settings) -> "LocalNeo4j":
    from spotify_graph.local.neo4j import LocalNeo4j

    return LocalNeo4j(settings)


def _is_empty(settings: Settings, say: Callable[[str], None]) -> bool:
    """Whether the local database holds nothing, or does not exist yet."""
    if not _local(settings).has_database():
        return True
    with connect(settings, say) as driver, driver.session(database=settings.neo4j_database) as session:
        return transaction.read(session, lambda tx: tx.run("MATCH (n) RETURN 1 LIMIT 1").single()) is None


def _published(settings: Settings, say: Callable[[str], None]) -> dict[str, Publication]:
    """What the database's ledger says, for the gates to compare with; nothing where there is no sound database."""
    if not _local(settings).has_database():
        return {}
    try:
        with connect(settings, say) as driver:
            return ledger.read(driver, settings.neo4j_database)
    except UserError as error:
        say(f"warning: what was published before can't be compared with: {error}")
        return {}
