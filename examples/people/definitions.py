"""People and companies in Neo4j: nodes from a DataFrame and from an Arrow table, and the relationships between them.

    NEO4J_URI=bolt://localhost:7687 NEO4J_PASSWORD=... dagster dev -f definitions.py

Materialize all, change a line of a file beside this one, and materialize all again: only that row is written.
"""

import os
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from spotify_graph.neo4j_dagster import Neo4jIOManager, Neo4jResource, table_metadata
from spotify_graph.neo4j_io.vocabulary import Endpoint, NodeType, Property, PropertyType, RelationshipType

FILES = Path(os.environ.get("PEOPLE_FILES") or Path(__file__).parent)

EMAIL, NAME = Property("email", PropertyType.STRING), Property("name", PropertyType.STRING)
BORN = Property("born", PropertyType.INTEGER, "The year.", optional=True)
SINCE = Property("since", PropertyType.ZONED_DATETIME)

PERSON = NodeType("people", "Person", key=EMAIL, properties=(NAME, BORN))
COMPANY = NodeType("companies", "Company", key=NAME, properties=(Property("city", PropertyType.STRING),))
WORKS_AT = RelationshipType(
    "employments", "WORKS_AT", Endpoint(PERSON, "person"), Endpoint(COMPANY, "company"), properties=(SINCE,)
)


class PeopleIOManager(Neo4jIOManager):
    """Knows which table each asset publishes."""

    tables = (PERSON, COMPANY, WORKS_AT)


@dg.asset(metadata=table_metadata(PERSON))
def people() -> pd.DataFrame:
    """Everybody; not everybody says when they were born."""
    return pd.read_csv(FILES / "people.csv")


@dg.asset(metadata=table_metadata(COMPANY))
def companies() -> pa.Table:
    """Where they work."""
    return csv.read_csv(FILES / "companies.csv")


@dg.asset(metadata=table_metadata(WORKS_AT), deps=[people, companies])
def employments() -> pd.DataFrame:
    """Who works where."""
    return pd.read_csv(FILES / "employments.csv", parse_dates=["since"])


neo4j = Neo4jResource(uri=dg.EnvVar("NEO4J_URI"), password=dg.EnvVar("NEO4J_PASSWORD"))
defs = dg.Definitions(
    assets=[people, companies, employments],
    resources={"io_manager": PeopleIOManager(neo4j=neo4j, root=str(FILES / "snapshots"))},
)
