"""The doctor's look at the graph: whether Neo4j answers, and whether its ledger and the lake agree."""

import re
from collections.abc import Iterator

from neo4j import Driver, Session

from spotify_graph.care import lake
from spotify_graph.care.diagnosis import Diagnosis, ok, problem, reason, warning
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS, TABLES
from spotify_graph.lake.manifest import Manifest
from spotify_graph.local import locks
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger, transaction, verification
from spotify_graph.neo4j_io.ledger import Publication, Status
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph.storage import Address

_OLDEST = (5, 23)
"""The first version that has all of Cypher that the queries use."""
_RECONCILE, _MATERIALIZE = "spotify-graph reconcile", "spotify-graph materialize"


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Asks Neo4j, where it runs; it is not started for this."""
    if settings.neo4j_uri is None:
        server = LocalNeo4j(settings)
        if server.has_database() and not server.password_file.exists():
            found = f"{server.password_file} is missing, and the database gives its password to nobody"
            yield problem("Neo4j", found, "put the file back, or rm -r the folder that it was in and restore a backup")
            return
        try:
            running = server.status().running
        except UserError as error:
            yield problem("Neo4j", str(error), "put the password back that the database was first started with")
            return
        if not running:
            is_there = server.has_database()
            found = "it does not run, so that the graph is not examined" if is_there else "there is no database yet"
            yield warning("Neo4j", found, "spotify-graph neo4j start" if is_there else _MATERIALIZE)
            return
    try:
        with connect(settings) as driver:
            yield _version(settings, driver)
            yield from _tables(settings, driver)
    except UserError as error:
        yield problem(
            "Neo4j", reason(error), "spotify-graph neo4j start" if settings.neo4j_uri is None else "see there"
        )


def _version(settings: Settings, driver: Driver) -> Diagnosis:
    asked = "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0] AS version"
    with driver.session(database=settings.neo4j_database) as session:
        version = str(transaction.read(session, lambda tx: tx.run(asked).single(strict=True)["version"]))
    where = settings.neo4j_uri or LocalNeo4j(settings).status().uri
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        return problem("Neo4j", f"version {version} answers at {where}", f"a server of version {needed} or newer")
    return ok("Neo4j", f"version {version} answers at {where}")


def _tables(settings: Settings, driver: Driver) -> Iterator[Diagnosis]:
    entries = ledger.read(driver, settings.neo4j_database)
    now, at_work = lake.read(settings), locks.running_run(settings)
    wanted = [table.asset for table in FACTS]
    sound = 0
    with driver.session(database=settings.neo4j_database) as session:
        for asset, table in TABLES.items():
            entry = entries.get(asset)
            if entry is None:
                if asset in wanted:
                    yield warning(asset, "nothing of it is published", _MATERIALIZE)
                continue
            found = list(_table(session, table, entry, settings.lake / "graph", now))
            if at_work and found:
                yield ok(asset, f"{found[0].found}: {at_work} is at work")
                continue
            sound += not found
            yield from found
    verified = [entry.verified_at for entry in entries.values() if entry.verified_at]
    since = f", each verified since {min(verified):%Y-%m-%d %H:%M:%S}Z" if verified and sound == len(entries) else ""
    yield ok("graph", f"{sound} of {len(entries)} published tables agree with the lake{since}")


def _table(
    session: Session, table: GraphTable, entry: Publication, root: Address, now: Manifest | None
) -> Iterator[Diagnosis]:
    """What is wrong with what the ledger says of a table, if anything."""
    asset, folder = table.asset, root / table.asset / entry.version
    match entry.status:
        case Status.PUBLISHING:
            yield warning(
                asset, f"a publication of {entry.started_at:%Y-%m-%d %H:%M:%S}Z was interrupted", _MATERIALIZE
            )
            return
        case Status.LOADED:
            yield warning(asset, "a new version is loaded and was never switched to", _MATERIALIZE)
            return
        case Status.OUT_OF_SYNC:
            yield problem(asset, "the graph is known to differ from what was published", _RECONCILE)
            return
    try:
        snapshot = Snapshot.load(folder)
    except Exception as error:  # noqa: BLE001 whatever files hold
        yield problem(asset, f"what is published can't be read in the lake: {reason(error)}", _RECONCILE)
        return
    if snapshot.rows != entry.rows or snapshot.fingerprint != entry.fingerprint:
        yield problem(asset, f"the ledger says other rows of {entry.version} than the lake", _RECONCILE)
        return
    named = now.entries.get(f"graph/{asset}") if now else None
    if named and named.active and named.active != entry.version:
        yield warning(asset, f"{entry.version} is published, and the lake has {named.active}", _MATERIALIZE)
    if entry.verified_at is None:
        yield warning(asset, "it was not verified since it was published", _RECONCILE)
    there = verification.quick_count(session, table)
    if there != entry.rows + entry.kept_rows:
        kept = f" and {entry.kept_rows:,} kept of others" if entry.kept_rows else ""
        yield problem(asset, f"the graph has {there:,} rows, and {entry.rows:,} are published{kept}", _RECONCILE)
