"""The uniqueness constraints, which make keys unique and looking nodes up fast, and the other indexes of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.neo4j_io import cypher, transaction
from spotify_graph.neo4j_io.errors import EXAMPLES, PublicationError
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType

if TYPE_CHECKING:
    from neo4j import ManagedTransaction, Session
    from neo4j.exceptions import Neo4jError

_AWAIT_S = 300


def ensure(session: Session, table: GraphTable, *others: NodeType) -> None:
    """Creates the constraints that writing a table needs, and the indexes of those labels, where they are missing.

    Waits until they hold and serve.

    Args:
        session: a session of the database.
        table: its own label, or the labels of both ends.
        others: further labels.

    Raises:
        PublicationError: the database holds nodes that share a key, or an index that stands in the way.
    """
    from neo4j.exceptions import Neo4jError

    nodes = (table,) if isinstance(table, NodeType) else (table.start.node, table.end.node)
    served = transaction.read(session, lambda tx: {tuple(found) for found in tx.run(cypher.served()).values()})
    missing = [node for node in dict.fromkeys((*nodes, *others)) if not _wanted(node) <= served]
    if not missing:
        return
    for node in missing:
        try:
            transaction.write(session, _run, cypher.constraint(node))
        except Neo4jError as error:
            conflict = _conflict(session, table, node, error)
            if conflict is None:
                raise
            raise conflict from error
        for index in cypher.indexes(node):
            transaction.write(session, _run, index)
    transaction.read(session, _run, f"CALL db.awaitIndexes({_AWAIT_S})")


def _wanted(node: NodeType) -> set[tuple[str, str, bool]]:
    """What a label's indexes are, as `cypher.served` has them."""
    indexed = {(node.label, column.name, False) for column in node.properties if column.indexed}
    return {(node.label, node.key.name, True), *indexed}


def _run(tx: ManagedTransaction, statement: str) -> None:
    tx.run(statement).consume()


def _conflict(session: Session, table: GraphTable, node: NodeType, error: Neo4jError) -> PublicationError | None:
    what = f"{node.label}.{node.key.name}"
    match (error.code or "").rsplit(".", 1)[-1]:
        case "ConstraintCreationFailed":
            keys = transaction.read(session, lambda tx: tx.run(cypher.duplicate_keys(node), examples=EXAMPLES).values())
            problem = f"the database holds {node.label} nodes that share their {node.key.name}"
            return PublicationError(table.asset, problem, keys, "merge or delete them, then publish again")
        case "IndexAlreadyExists" | "ConstraintAlreadyExists" | "ConstraintWithNameAlreadyExists":
            advice = "drop it, then publish again"
            problem = f"an index or constraint in the database stands in the way of {what} being unique"
            return PublicationError(table.asset, problem, advice=advice)
        case _:
            return None
