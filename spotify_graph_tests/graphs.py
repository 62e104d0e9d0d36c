"""A graph that is published from a lake, and what came of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neo4j import Driver

from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.publication import PublicationResult, publish
from spotify_graph.neo4j_io.staging import Snapshot, stage
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.people import PERSON, SCHEMAS, Row, as_parts, as_table


@dataclass(frozen=True)
class Graph:
    """A database, and the lake that it is published from."""

    driver: Driver
    root: Path

    def stage(self, table: GraphTable, *rows: Row) -> Snapshot:
        return stage(as_parts(as_table(rows, SCHEMAS[table])), table, self.root)

    def publish(self, table: GraphTable, *rows: Row, **options: Any) -> PublicationResult:
        return self.publish_snapshot(table, self.stage(table, *rows), **options)

    def publish_snapshot(self, table: GraphTable, snapshot: Snapshot, **options: Any) -> PublicationResult:
        return publish(self.driver, DATABASE, table, snapshot, **options)

    def ask(self, query: str, **parameters: Any) -> list[list[Any]]:
        records = self.driver.execute_query(query, parameters_=parameters, database_=DATABASE).records
        return [[_native(value) for value in record.values()] for record in records]

    def people(self) -> list[dict[str, Any]]:
        return [row[0] for row in self.ask("MATCH (p:Person) RETURN properties(p) ORDER BY p.name")]

    def homes(self) -> list[list[Any]]:
        query = "MATCH (p)-[r:LIVES_IN]->(c) RETURN p.name, c.title, properties(r) ORDER BY p.name, c.title"
        return self.ask(query)

    def entry(self, table: GraphTable) -> ledger.Publication:
        return ledger.read(self.driver, DATABASE)[table.asset]

    def last_commit(self) -> Any:
        """Names the database's last committed transaction, whoever made it."""
        with self.driver.session(database=DATABASE) as session:
            session.run("RETURN 1").consume()
            return session.last_bookmarks().raw_values


class InterruptedPublicationError(Exception):
    """Stands for whatever ends a publication half way."""


def stop_after_first_batch(_done: int, _total: int) -> None:
    raise InterruptedPublicationError


def as_properties(*people: Row) -> list[dict[str, Any]]:
    """People as the graph should hold them: without the properties that have no value."""
    names = [column.name for column in PERSON.columns]
    return [{k: v for k, v in zip(names, row, strict=True) if v is not None} for row in people]


def _native(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _native(inner) for name, inner in value.items()}
    return value.to_native() if hasattr(value, "to_native") else value


def written(result: PublicationResult) -> tuple[int, int, int]:
    return result.inserted, result.changed, result.deleted
