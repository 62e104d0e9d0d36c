"""The gates around a publication: what must hold before an asset of the graph is published, and after."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from spotify_graph.checks import gates as gate
from spotify_graph.errors import UserError
from spotify_graph.graph_model import RECOMMENDATIONS
from spotify_graph.lake import people
from spotify_graph.lake.intake import KINDS, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.verdicts import Finding
from spotify_graph.neo4j_io import ledger, mending
from spotify_graph.neo4j_io.ledger import Publication
from spotify_graph.neo4j_io.mending import Changes
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.storage import Address


def entries_of(neo4j: PlatformNeo4j, table: GraphTable) -> dict[str, Publication]:
    """Reads the ledger's entries of a table and of the nodes that it needs, by asset."""
    return ledger.read(neo4j.driver, neo4j.database, [it.asset for it in (table, *_ends(table))])


def ends_must_hold(table: GraphTable, entries: Mapping[str, Publication]) -> None:
    """Makes sure that relationships are published on nodes whose own publication was verified, whoever asks.

    Raises:
        UserError: it was not.
    """
    for end in _ends(table):
        entry = entries.get(end.asset)
        if entry is None or entry.status is not ledger.Status.PUBLISHED or entry.verified_at is None:
            raise UserError(
                f"{table.asset} needs {end.asset}, whose check {gate.EQUALS_SNAPSHOT.name} has not passed for what is"
                f" published: see the checks of {end.asset} in the Dagster UI, and materialize {end.asset} first"
            )


def no_drop(table: NodeType, snapshot: Snapshot, before: Publication | None, lake: Lake, gates: Gates) -> Finding:
    """Whether there are suddenly far fewer nodes, with nothing that explains it.

    Args:
        table: the nodes.
        snapshot: what is to be published.
        before: the last publication, or None.
        lake: the lake.
        gates: the threshold.
    """
    what = f"{table.label} nodes"
    if before is None or before.finished_at is None:
        return gate.no_drop(what, snapshot.rows, None, gates)
    forgotten = _last_forgotten(lake)
    is_explained = forgotten is not None and forgotten > before.finished_at
    excuse = "a file or a person was forgotten on purpose since" if is_explained else None
    finding = gate.no_drop(what, snapshot.rows, before.rows, gates, excuse)
    return gate.with_advice(finding, snapshot.version) if finding.refuses else finding


def mended(
    neo4j: PlatformNeo4j,
    table: GraphTable,
    root: Address,
    entries: Mapping[str, Publication],
    *,
    thorough: bool = False,
) -> list[Changes]:
    """Mends what somebody else changed since a table, and the nodes that it needs, were published.

    With nodes that were deleted went what models say of them: it is restored here, because models are made at night.

    Args:
        neo4j: the database.
        table: the table.
        root: the folder of all snapshots.
        entries: the ledger's entries of the table and of the nodes.
        thorough: look at all rows of the table, and not only for what shows at once, such as another number of them; of
            nodes, also at what models say that starts there.

    Returns:
        What was changed.
    """

    def mend(it: GraphTable, entries: Mapping[str, Publication], *, thorough: bool = False) -> Sequence[Changes]:
        with neo4j.driver.session(database=neo4j.database) as session:
            if not mending.may_differ(session, it, entries.get(it.asset), root, keep=neo4j.keep, thorough=thorough):
                return []
        return mending.mend(neo4j.driver, neo4j.database, it, root, keep=neo4j.keep, **neo4j.pace).changes

    found = [changes for node in _ends(table) for changes in mend(node, entries)]
    if found:  # what was mended in nodes may have taken relationships away
        entries = entries_of(neo4j, table)
    found += mend(table, entries, thorough=thorough)
    if isinstance(table, NodeType) and (thorough or any(changes.missing.rows for changes in found)):
        # Where nodes were mended, nothing is known any more of what models say, whichever nodes it starts at.
        entries = ledger.read(neo4j.driver, neo4j.database, [it.asset for it in RECOMMENDATIONS])
        for it in RECOMMENDATIONS:
            found += mend(it, entries, thorough=thorough and it.start.node is table)
    return found


def equals_snapshot(
    neo4j: PlatformNeo4j, table: GraphTable, root: Address, entry: Publication
) -> tuple[Finding, Sequence[Changes]]:
    """Whether the database holds what was published; not asked again where nothing was written since it did.

    Args:
        neo4j: the database.
        table: what was published.
        root: the folder of all snapshots.
        entry: its entry in the ledger.

    Returns:
        How it is in the end, and what somebody else had changed, which was mended.
    """
    if entry.verified_at:
        found = f"{entry.rows:,} in the database, as published; verified at {entry.verified_at:%Y-%m-%d %H:%M:%S}Z"
        return Finding(gate.EQUALS_SNAPSHOT.name, True, True, found), []
    done = mending.mend(neo4j.driver, neo4j.database, table, root, keep=neo4j.keep, **neo4j.pace)
    return gate.equals_snapshot(done.verification), done.changes


def untouched(table: GraphTable, changes: Sequence[Changes], entry: Publication | None) -> Finding:
    """Whether nobody else changed the graph since it was published.

    Args:
        table: the table.
        changes: what was found to be changed, and mended, in this table and in others that it needs.
        entry: its entry in the ledger, or None.
    """
    return gate.untouched(table, changes, entry.kept_rows if entry else 0)


def _ends(table: GraphTable) -> tuple[NodeType, ...]:
    """The nodes that a table needs: none, or those at the ends of its relationships."""
    return () if isinstance(table, NodeType) else tuple(dict.fromkeys((table.start.node, table.end.node)))


def _last_forgotten(lake: Lake) -> datetime | None:
    times = [*(Intake(lake, table).last_forgotten() for table in KINDS), people.read(lake.root).last()]
    return max((time for time in times if time), default=None)
