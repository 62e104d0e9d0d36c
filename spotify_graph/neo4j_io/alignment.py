"""Makes a table in the database equal to a snapshot, under a claim: compares the two, and writes the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotify_graph import storage
from spotify_graph.neo4j_io import checksum, cypher, difference, ledger, transaction
from spotify_graph.neo4j_io.difference import Difference, Rows
from spotify_graph.neo4j_io.errors import EXAMPLES
from spotify_graph.neo4j_io.rows import read
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType

if TYPE_CHECKING:
    from neo4j import Driver, Session

Progress = Callable[[int, int], None]
"""Called after each batch with how many rows are written, and how many there are to write."""


@dataclass(frozen=True)
class Found:
    """Rows that a comparison found.

    Attributes:
        rows: how many.
        examples: the keys of a few; of nodes without a key, their properties.
    """

    rows: int = 0
    examples: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True)
class Foreign:
    """Rows under a table's label or type that no publication has written: somebody else made them.

    Attributes:
        found: the rows.
        relationships: the relationships that were deleted along with nodes, by type.
        kept: the checksum of the rows if they are kept, or None.
    """

    found: Found = Found()
    relationships: Counter[str] = field(default_factory=Counter)
    kept: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Alignment:
    """A table to make equal to a snapshot.

    Attributes:
        driver: a driver of the server.
        database: the database.
        session: a session of it.
        table: the table.
        snapshot: what it should hold.
        mine: the publication's claim.
        folder: an empty folder to work in.
        batch_rows: how many rows one transaction writes.
        sessions: how many sessions create rows side by side.
        progress: called after each batch, or None.
    """

    driver: Driver
    database: str
    session: Session
    table: GraphTable
    snapshot: Snapshot
    mine: ledger.Claim
    folder: Path
    batch_rows: int
    sessions: int
    progress: Progress | None = None

    def with_snapshot(self, published: Snapshot) -> Difference:
        """The difference from what the database is known to hold."""
        if not published.rows:
            return self._everything()
        if self.snapshot.base == published.version:
            return self.snapshot.difference
        return difference.from_snapshot(published, self.snapshot, self.table, self.folder / "difference")

    def with_database(self, ours: Sequence[Snapshot], *, keep: bool) -> tuple[Difference, Foreign]:
        """The difference from what the database itself holds, and which of that is foreign.

        Nodes without a key, which no row can name, are removed at once unless foreign rows are to be kept.

        Args:
            ours: further snapshots of the table, of which the database may hold rows.
            keep: leave foreign rows where they are, and out of the difference.
        """
        from spotify_graph.neo4j_io import contents

        keyless, relationships = Found(), Counter[str]()
        if isinstance(self.table, NodeType):
            # If nodes are not what they should be, relationships may have been deleted along with some.
            transaction.write(self.session, ledger.unverify_relationships)
            keyless = self._keyless(self.table, relationships, keep=keep)
        if contents.is_empty(self.session, self.table):
            return self._everything(), Foreign(keyless, relationships)
        # Keys of another type, from before the table's description changed, match no row.
        width = len(self.table.keys)
        ours = [it for it in ours if list(it.columns.values())[:width] == [str(key.type) for key in self.table.keys]]
        buckets = min(it.buckets for it in (self.snapshot, *ours))
        exported = contents.export(self.session, self.table, self.folder / "exported", buckets)
        todo, foreign_checksum = difference.from_export(
            exported, self.snapshot, ours, self.table, self.folder / "difference"
        )
        foreign = self.found(todo.foreign)
        found = Found(keyless.rows + foreign.rows, (*keyless.examples, *foreign.examples)[:EXAMPLES])
        if not keep:
            return todo, Foreign(found, relationships)
        nameless = self._keyless_checksum()
        kept = {name: number + nameless[name] for name, number in foreign_checksum.items()}
        found = replace(found, rows=kept["count"])
        return replace(todo, foreign=Rows()), Foreign(found, kept=kept if found.rows else None)

    def write(self, todo: Difference, relationships: Counter[str]) -> None:
        """Writes a difference; deletions first.

        Args:
            todo: the difference.
            relationships: what is deleted along with foreign nodes is added here, by type.
        """
        from spotify_graph.neo4j_io import loader

        all_ = (todo.foreign, todo.deleted, todo.duplicated, todo.inserted, todo.duplicated, todo.changed)
        total, done = sum(rows.count for rows in all_), 0
        target = (self.session, self.table, self.mine)
        pace = (self.batch_rows, self.sessions)
        created = loader.create(self.driver, self.database, self.table, self.mine, todo.inserted.files, *pace)
        with closing(created):
            for rows in chain(
                loader.delete(*target, todo.foreign.files, self.batch_rows, relationships),
                loader.delete(*target, todo.deleted.files, self.batch_rows),
                loader.delete(*target, todo.duplicated.files, self.batch_rows),
                created,
                loader.upsert(*target, todo.duplicated.files, self.batch_rows),
                loader.upsert(*target, todo.changed.files, self.batch_rows),
            ):
                done += rows
                if self.progress:
                    self.progress(done, total)

    def found(self, rows: Rows) -> Found:
        """How many rows, with the keys of a few."""
        if not rows.count:
            return Found()
        # The model version of a relationship says nothing to a reader.
        width = min(len(self.table.keys), 2)
        some = next(batch for batch in read(rows.files, width, EXAMPLES) if batch.num_rows).to_pylist()
        return Found(rows.count, tuple(tuple(row.values()) for row in some))

    def _keyless(self, node: NodeType, relationships: Counter[str], *, keep: bool) -> Found:
        """Nodes without a key, which are removed unless they are to be kept."""
        from spotify_graph.neo4j_io import loader

        statement = cypher.without_key(node)
        some = transaction.read(self.session, lambda tx: tx.run(statement, examples=EXAMPLES).values())
        if not some:
            return Found()
        rows = 0
        if not keep:
            rows = loader.delete_without_key(self.session, node, self.mine, self.batch_rows, relationships)
        return Found(rows, tuple(map(tuple, some)))

    def _keyless_checksum(self) -> dict[str, int]:
        """The checksum of what no row can name."""
        statement = cypher.checksum(self.table, keyless=True)
        aggregates = transaction.read(
            self.session, lambda tx: tx.run(statement, codes=checksum.CODES).single(strict=True).data()
        )
        return checksum.readable(self.table, aggregates)

    def _everything(self) -> Difference:
        """The difference from nothing."""
        return Difference(inserted=Rows(tuple(self.snapshot.paths()), self.snapshot.rows))


def left_over(snapshot: Snapshot, entry: ledger.Publication | None) -> list[Snapshot]:
    """The snapshots of which the database may hold rows, if they still exist."""
    found = []
    for version in [entry.version, *(entry.before or [])] if entry else []:
        with suppress(FileNotFoundError):
            found.append(Snapshot.load(snapshot.sibling(version)))
    return found


def work_folder(snapshot: Snapshot) -> AbstractContextManager[Path]:
    """An empty folder of this machine: below the snapshot's if that is there, where readers of Parquet pass over it."""
    return storage.work_folder(snapshot.path / "_publication")
