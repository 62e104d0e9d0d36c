"""Dagster's side of neo4j_io, for any project: assets whose rows are the nodes and relationships of a Neo4j database.

`examples/people` is a project that has nothing else. It knows neither this project's tables nor its
settings: what is particular to them is in `io_managers.neo4j` and `resources.neo4j`, which build on this.
"""

from spotify_graph.neo4j_dagster.io_manager import Neo4jIOManager
from spotify_graph.neo4j_dagster.metadata import table_metadata
from spotify_graph.neo4j_dagster.resource import Neo4jResource

__all__ = ["Neo4jIOManager", "Neo4jResource", "table_metadata"]
