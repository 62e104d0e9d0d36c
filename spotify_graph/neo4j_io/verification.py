"""Whether the database holds what was published: its own count and checksum of a table, compared to the snapshot's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spotify_graph.neo4j_io import checksum, cypher, ledger, transaction
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.rows import read, schema
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.storage import Address

if TYPE_CHECKING:
    from neo4j import Driver, ManagedTransaction, Session


_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
        asset: the asset.
        version: the snapshot's version.
        expected: the snapshot's checksum, by what its numbers describe.
        found: the database's, likewise, without the foreign rows that it keeps.
    """

    asset: str
    version: str
    expected: dict[str, int]
    found: dict[str, int]

    @property
    def holds(self) -> bool:
        """Whether the database equals the snapshot."""
        return self.expected == self.found

    @property
    def differences(self) -> list[str]:
        """What differs, such as `count: 12 in the snapshot, 11 in the graph`."""
        return [
            f"{name}: {expected:,} in the snapshot, {self.found[name]:,} in the graph"
            for name, expected in self.expected.items()
            if expected != self.found[name]
        ]


def verify(driver: Driver, database: str, table: GraphTable, snapshot: Snapshot) -> Verification:
    """Compares the database's own count and checksum of a table with a snapshot's, and records what it finds.

    If the ledger says that the snapshot's content is published, its entry gets the time of the verification; or if the
    graph differs, the entry is out of sync, so that the next publication compares every row and repairs the graph.

    Args:
        driver: a driver of the server.
        database: the database.
        table: what to verify.
        snapshot: what the database should hold.

    Raises:
        PublicationError: the snapshot belongs to another table, or another publication began meanwhile.
    """
    with driver.session(database=database) as session:
        return _verify(session, table, snapshot, ledger.find(session, table.asset))


def verify_published(driver: Driver, database: str, table: GraphTable, root: Address) -> Verification:
    """Verifies what the ledger says is published, like `verify`.

    If only the difference from a verified version was written, the rows that differ are verified, and the total number
    of rows, which the server always knows.

    Args:
        driver: a driver of the server.
        database: the database.
        table: what to verify.
        root: the folder of all snapshots.

    Raises:
        PublicationError: no publication is finished, the table's description has changed since, or another publication
            began meanwhile.
        FileNotFoundError: the published snapshot is lost.
    """
    with driver.session(database=database) as session:
        entry = ledger.find(session, table.asset)
        if entry is None or entry.status is not ledger.Status.PUBLISHED:
            state = "never published" if entry is None else f"its last publication is {entry.status}"
            raise PublicationError(table.asset, f"nothing to verify: {state}", advice="publish it first")
        snapshot = Snapshot.load(root / table.asset / entry.version)
        if entry.revises and entry.revises == snapshot.base and entry.verified_at is None:
            return _verify_revision(session, table, snapshot, entry)
        return _verify(session, table, snapshot, entry)


def quick_count(session: Session, table: GraphTable) -> int:
    """How many rows of a table there are at most, from counts that the server always knows: takes no time."""

    def counts(tx: ManagedTransaction) -> list[int]:
        return [tx.run(statement).single(strict=True)["count"] for statement in cypher.quick_counts(table)]

    return min(transaction.read(session, counts))


def _verify(session: Session, table: GraphTable, snapshot: Snapshot, entry: ledger.Publication | None) -> Verification:
    snapshot.check(table)
    aggregates = transaction.read(
        session, lambda tx: tx.run(cypher.checksum(table), codes=checksum.CODES).single(strict=True).data()
    )
    published = entry if entry is not None and entry.holds(snapshot) else None
    # Foreign rows that are kept don't count.
    kept = (published.kept if published else None) or {}
    found = {name: number - kept.get(name, 0) for name, number in checksum.readable(table, aggregates).items()}
    verification = Verification(
        asset=table.asset,
        version=published.version if published else snapshot.version,
        expected=snapshot.checksum,
        found=found,
    )
    if published:
        _record(session, published, verification)
    return verification


def _verify_revision(
    session: Session, table: GraphTable, snapshot: Snapshot, entry: ledger.Publication
) -> Verification:
    import pyarrow as pa

    from spotify_graph.neo4j_io import contents

    snapshot.check(table)
    differs, width = snapshot.difference, len(table.keys)
    nothing = checksum.of_rows(table, schema(table).empty_table())
    expected, found = Counter(nothing), Counter(nothing)
    for batch in read((*differs.inserted.files, *differs.changed.files), len(table.columns), _BATCH_ROWS):
        expected.update(checksum.of_rows(table, pa.Table.from_batches([batch])))
        rows = contents.find(session, table, batch.select(range(width)))
        found.update(checksum.of_rows(table, rows.drop_columns("intact")))
    left = sum(
        contents.find(session, table, batch).num_rows for batch in read(differs.deleted.files, width, _BATCH_ROWS)
    )
    verification = Verification(
        asset=table.asset,
        version=entry.version,
        expected={**expected, "count": snapshot.rows, "rows that should be deleted": 0},
        found={**found, "count": quick_count(session, table) - entry.kept_rows, "rows that should be deleted": left},
    )
    _record(session, entry, verification)
    return verification


def _record(session: Session, entry: ledger.Publication, verification: Verification) -> None:
    if not ledger.verify(session, entry, equal=verification.holds):
        problem = "another publication began during the verification"
        raise PublicationError(entry.asset, problem, advice="verify when it has ended")
