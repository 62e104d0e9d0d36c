"""The first load of a local database: built in one go from staged snapshots, and not written table by table."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from spotify_graph.assets import cleaned
from spotify_graph.assets.graph import GRAPH_ASSETS, GraphAsset, stage
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS, NODES
from spotify_graph.lake.lake import Lake
from spotify_graph.local import jars
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import bulk, constraints, ledger, transaction, verification
from spotify_graph.neo4j_io.ledger import Publication
from spotify_graph.neo4j_io.running import Runner
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.parts import scratch
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings

LARGE_BYTES = 10_000_000
"""From how many bytes of landed files on building a database takes less time than writing into one: about 100,000
events."""

_SIDE_BY_SIDE = 2


def is_due(settings: Settings, landed_bytes: int, say: Callable[[str], None]) -> bool:
    """Whether the database is a local one, with nothing in it, and much is to be loaded.

    Args:
        settings: the installation's settings.
        landed_bytes: how large the files are that the graph is made from.
        say: is told how the server's jars are fetched, or of its start, where only the server can tell.

    Raises:
        UserError: the server can't be reached, or its jars can't be fetched.
    """
    if settings.neo4j_uri is not None or landed_bytes < LARGE_BYTES:
        return False
    if not LocalNeo4j(settings).has_database():
        # Now, while Spark starts: the import needs them when all else is done.
        jars.fetch(jars.NEO4J, say)
        return True
    with connect(settings, say) as driver, driver.session(database=settings.neo4j_database) as session:
        return transaction.read(session, lambda tx: tx.run("MATCH (n) RETURN 1 LIMIT 1").single()) is None


def load(
    settings: Settings,
    over: Callable[[int], Runner],
    gates: Gates,
    say: Callable[[str], None],
    working: Callable[[str], None],
) -> None:
    """Stages every table of the graph, builds the local database from them, and verifies it.

    The server is stopped meanwhile, if it runs. What else the database held is gone in the end, models among it. Where
    a gate stands against a table, nothing is done: to materialize the assets tells which one.

    Args:
        settings: the installation's settings, of a local database.
        over: gives what runs the tasks that work on so many rows.
        gates: the thresholds of the gates, which must hold for every table.
        say: told of progress.
        working: is told what is being worked on now.

    Raises:
        UserError: gates of what the tables are computed from did not hold, or the import failed.
        FileNotFoundError: what the tables are computed from was never materialized.
        PublicationError: a row can't be imported.
    """
    inputs, before = cleaned.read(Lake(settings.lake)), _published(settings, say)
    working("staging")

    def staged(asset: GraphAsset) -> Snapshot | None:
        of_asset = {name: inputs[name] for name in asset.inputs}
        snapshot, verdict = stage(asset, of_asset, before.get(asset.table.asset), gates, Lake(settings.lake), over)
        return snapshot if verdict.holds else None

    # A task leaves a part of a machine idle.
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
        found = list(threads.map(staged, (GRAPH_ASSETS[table.asset] for table in FACTS)))
    tables = [(table, snapshot) for table, snapshot in zip(FACTS, found, strict=True) if snapshot]
    if len(tables) < len(found):
        return
    say(f"Building the database from {sum(snapshot.rows for _, snapshot in tables):,} nodes and relationships")
    working("neo4j-admin database import")
    with scratch(settings.lake) as folder:
        LocalNeo4j(settings).import_database(bulk.write_input(tables, folder), say)
    working("verifying")
    with connect(settings, say) as driver:
        with driver.session(database=settings.neo4j_database) as session:
            # An import leaves them out.
            constraints.ensure(session, NODES[0], *NODES[1:], ledger.NODE)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as threads:
            # What differs is recorded, and mended when its asset is materialized.
            list(threads.map(lambda it: verification.verify(driver, settings.neo4j_database, *it), tables))


def _published(settings: Settings, say: Callable[[str], None]) -> dict[str, Publication]:
    """What the database's ledger says, for the gates to compare with; nothing where there is no sound database."""
    if not LocalNeo4j(settings).has_database():
        return {}
    try:
        with connect(settings, say) as driver:
            return ledger.read(driver, settings.neo4j_database)
    except UserError as error:
        say(f"warning: what was published before can't be compared with: {error}")
        return {}
