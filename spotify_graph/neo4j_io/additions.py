"""What others have added to a database: everything that is neither in tables' descriptions nor the ledger's own.

Labels, relationship types and published rows are counted by the server's own statistics, which takes no time. Where
there are names of properties that are nobody's here, it takes a look at every node and relationship to count them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from spotify_graph.neo4j_io import ledger, models, transaction
from spotify_graph.neo4j_io.cypher import quoted
from spotify_graph.neo4j_io.ledger import Publication
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType

if TYPE_CHECKING:
    from neo4j import Driver, ManagedTransaction

_OURS = (ledger.NODE.label, models.NODE.label)
"""The labels of the nodes that this library keeps for itself."""
_PER_BATCH = "last_batch_"
_OF_ENTRIES = {field.name for field in fields(Publication)} | {"token", "relationship_type"}
"""What an entry of the ledger has at one time or another: the server forgets no name."""


class Kind(StrEnum):
    """What was added."""

    LABEL = "label"
    RELATIONSHIP_TYPE = "relationship type"
    PROPERTY = "property"
    ROWS = "rows"
    """Nodes or relationships under a table's own label or type that no publication has written, and that are kept."""


@dataclass(frozen=True)
class Addition:
    """What others have added under one name.

    Attributes:
        kind: what it is.
        name: the label, such as `(:Vip)`, the relationship type, such as `[:KNOWS]`, or where the property is and what
            it is called, such as `(:Track).note`. Of several labels of a node, one stands for all.
        count: how many nodes or relationships have it.
    """

    kind: Kind
    name: str
    count: int


def find(driver: Driver, database: str, tables: Collection[GraphTable]) -> list[Addition]:
    """Finds what others have added.

    Args:
        driver: a driver of the server.
        database: the database.
        tables: every table that is published there.
    """
    with driver.session(database=database) as session:
        entries = ledger.read(driver, database)
        return transaction.read(session, lambda tx: list(_found(tx, tables, entries)))


def _found(
    tx: ManagedTransaction, tables: Collection[GraphTable], entries: Mapping[str, Publication]
) -> Iterator[Addition]:
    labels = {table.label for table in tables if isinstance(table, NodeType)}
    types = {table.type for table in tables if not isinstance(table, NodeType)}
    for label in _names(tx, "CALL db.labels() YIELD label AS name", {*labels, *_OURS}):
        if count := _count(tx, f"MATCH (n:{quoted(label)}) RETURN count(n) AS count"):
            yield Addition(Kind.LABEL, f"(:{label})", count)
    for type_ in _names(tx, "CALL db.relationshipTypes() YIELD relationshipType AS name", types):
        if count := _count(tx, f"MATCH ()-[r:{quoted(type_)}]->() RETURN count(r) AS count"):
            yield Addition(Kind.RELATIONSHIP_TYPE, f"[:{type_}]", count)
    if count := _count(tx, "MATCH (n) WHERE size(labels(n)) = 0 RETURN count(n) AS count"):
        yield Addition(Kind.LABEL, "() without a label", count)
    yield from _properties(tx, tables)
    for table in tables:
        entry = entries.get(table.asset)
        if entry and entry.kept_rows:
            name = f"(:{table.label})" if isinstance(table, NodeType) else f"[:{table.type}]"
            yield Addition(Kind.ROWS, name, entry.kept_rows)


def _properties(tx: ManagedTransaction, tables: Collection[GraphTable]) -> Iterator[Addition]:
    known = {column.name for table in tables for column in table.columns} | _OF_ENTRIES
    of_ours = "MATCH (n) WHERE any(label IN labels(n) WHERE label IN $ours) UNWIND keys(n) AS name RETURN DISTINCT name"
    known |= {record["name"] for record in tx.run(of_ours, ours=list(_OURS))}
    theirs = [
        name
        for name in _names(tx, "CALL db.propertyKeys() YIELD propertyKey AS name", known)
        if not name.startswith(_PER_BATCH)
    ]
    if not theirs:
        return
    labels = [table.label for table in tables if isinstance(table, NodeType)]
    # Of a node that has one of the tables' labels, that one is told.
    where = "coalesce(head([label IN $labels WHERE label IN labels(n)]), head(labels(n)), '')"
    of_nodes = f"MATCH (n) WITH n AS it, '(:' + {where} + ')' AS place"
    of_relationships = "MATCH ()-[r]->() WITH r AS it, '[:' + type(r) + ']' AS place"
    counted = "UNWIND [key IN keys(it) WHERE key IN $names] AS name RETURN place, name, count(*) AS count"
    for rows in (of_nodes, of_relationships):
        statement = f"{rows} {counted} ORDER BY place, name"
        for record in tx.run(statement, names=theirs, labels=labels):
            yield Addition(Kind.PROPERTY, f"{record['place']}.{record['name']}", record["count"])


def _names(tx: ManagedTransaction, statement: str, known: Collection[str]) -> Sequence[str]:
    """The names of a kind in the database but for those that are known, in order."""
    return sorted({record["name"] for record in tx.run(statement)} - set(known))


def _count(tx: ManagedTransaction, statement: str) -> int:
    count: int = tx.run(statement).single(strict=True)["count"]
    return count
