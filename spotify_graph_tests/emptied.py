"""The suite's graph, emptied between tests."""

from neo4j import Driver

DATABASE = "neo4j"


def empty(driver: Driver) -> None:
    """Deletes every node and relationship.

    In parts, as the graph of a whole run is larger than the server's memory for one transaction.
    """
    with driver.session(database=DATABASE) as session:
        for part in ("MATCH ()-[r]->() CALL (r) { DELETE r }", "MATCH (n) CALL (n) { DELETE n }"):
            session.run(f"{part} IN TRANSACTIONS OF 20000 ROWS").consume()
