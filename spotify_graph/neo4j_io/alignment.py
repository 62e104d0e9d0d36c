"""Makes a table in the database equal to a snapshot, under a claim: compares the two, and writes what differs."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotify_graph.neo4j_io import checksum, cypher, difference, ledger, transaction
from spotify_graph.neo4j_io.difference import Difference, Rows
from spotify_graph.neo4j_io.errors import EXAMPLES
from spotify_graph.neo4j_io.rows import read
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType

if TYPE_CHECKING:
    from neo4j import Driver, Session

Progress = Callable[[int, int], None]
"""Is told after each batch how many rows are written, and how many there are to write."""


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
    """What was in a table's place and is nobody's who published: somebody else made it.

    Attributes:
        found: the rows.
        relationships: the relationships that went with nodes, by type.
        kept: the checksum of the rows where there are some and they are kept, or None.
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
        progress: is told how it goes on, or None.
    """

    driver: Driver
    database: str
    session: Session
    table: GraphTable
    snapshot: Snapshot
    mine: ledger.Claim
    folder: Path
    batch_rows: int
    progress: Progress | None = None

    def with_snapshot(self, published: Snapshot) -> Difference:
        """The difference from what the database surely holds."""
        if not published.rows:
            return self._everything()
        if self.snapshot.base == published.version:
            return self.snapshot.difference
        return difference.from_snapshot(published, self.snapshot, self.table, self.folder / "difference")

    def with_database(self, ours: Sequence[Snapshot], *, keep: bool) -> tuple[Difference, Foreign]:
        """The difference from what the database itself holds, and what of that nobody published.

        Nodes without a key, which no row can name, are removed at once unless foreign rows are to be kept.

        Args:
            ours: further snapshots of the table, of which the database may hold rows.
            keep: leave foreign rows where they are, and out of the difference.
        """
        from spotify_graph.neo4j_io import contents

        keyless, relationships = Found(), Counter[str]()
        if isinstance(self.table, NodeType):
            # Where nodes are not what they should be, relationships may have gone with some.
            transaction.write(self.session, ledger.doubt_relationships)
            keyless = self._keyless(self.table, relationships, keep=keep)
        if contents.is_empty(self.session, self.table):
            return self._everything(), Foreign(keyless, relationships)
        # A key of another type, which the model had before, is no row's now.
        width = len(self.table.keys)
        ours = [it for it in ours if list(it.columns.values())[:width] == [str(key.type) for key in self.table.keys]]
        buckets = min(it.buckets for it in (self.snapshot, *ours))
        exported = contents.export(self.session, self.table, self.folder / "exported", buckets)
        todo, strangers = difference.from_export(exported, self.snapshot, ours, self.table, self.folder / "difference")
        foreign = self.found(todo.foreign)
        found = Found(keyless.rows + foreign.rows, (*keyless.examples, *foreign.examples)[:EXAMPLES])
        if not keep:
            return todo, Foreign(found, relationships)
        nameless = self._keyless_checksum()
        kept = {name: number + nameless[name] for name, number in strangers.items()}
        found = replace(found, rows=kept["count"])
        return replace(todo, foreign=Rows()), Foreign(found, kept=kept if found.rows else None)

    def write(self, todo: Difference, relationships: Counter[str]) -> None:
        """Writes a difference; deletions first.

        Args:
            todo: the difference.
            relationships: what goes with foreign nodes is added here, by type.
        """
        from spotify_graph.neo4j_io import loader

        all_ = (todo.foreign, todo.deleted, todo.doubled, todo.inserted, todo.doubled, todo.changed)
        total, done = sum(rows.count for rows in all_), 0
        target = (self.session, self.table, self.mine)
        created = loader.create(self.driver, self.database, self.table, self.mine, todo.inserted.files, self.batch_rows)
        with closing(created):
            for rows in chain(
                loader.delete(*target, todo.foreign.files, self.batch_rows, relationships),
                loader.delete(*target, todo.deleted.files, self.batch_rows),
                loader.delete(*target, todo.doubled.files, self.batch_rows),
                created,
                loader.upsert(*target, todo.doubled.files, self.batch_rows),
                loader.upsert(*target, todo.changed.files, self.batch_rows),
            ):
                done += rows
                if self.progress:
                    self.progress(done, total)

    def found(self, rows: Rows) -> Found:
        """Rows with the keys of a few."""
        if not rows.count:
            return Found()
        # Which version of a model a relationship is of says nothing to a reader.
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
    """The snapshots of which the database may hold rows, as far as the lake has them."""
    found = []
    for version in [entry.version, *(entry.before or [])] if entry else []:
        with suppress(FileNotFoundError):
            found.append(Snapshot.load(snapshot.sibling(version)))
    return found


@contextmanager
def work_folder(snapshot: Snapshot) -> Iterator[Path]:
    """An empty folder below the snapshot's, which readers of Parquet pass over, and which goes in the end."""
    folder = snapshot.path / "_publication"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
