"""Neo4j Browser, as assets are given it: addresses that open it with a query in its editor."""

from pathlib import Path
from typing import Self
from urllib.parse import quote

import dagster as dg
from pydantic import Field

from spotify_graph.graph_model import EVENT_TYPES, RELATIONSHIPS, TABLES
from spotify_graph.lake import documents
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType
from spotify_graph.settings import Settings

_SHOWN = 50
"""How much of the graph a query draws: what a person can look at."""
_EVENTS = "|".join(event.relationship.type for event in EVENT_TYPES)
_CATALOGUE = "|".join(it.type for it in RELATIONSHIPS if it not in [event.relationship for event in EVENT_TYPES])
_OTHERS = {
    "cleaned_events": f"MATCH path = (:User)-[:{_EVENTS}]->(:Track) RETURN path LIMIT {_SHOWN}",
    "interactions": f"MATCH path = (:User)-[:{_EVENTS}]->(:Track) RETURN path LIMIT {_SHOWN}",
    "cleaned_tracks": f"MATCH path = (:Track)-[:{_CATALOGUE}]->() RETURN path LIMIT {_SHOWN}",
    "published_graph": (
        f"MATCH (user:User) WITH user LIMIT 1 MATCH path = (user)-[:{_EVENTS}]->(track:Track)"
        f" WITH path, track LIMIT 20 MATCH about = (track)-[:{_CATALOGUE}]->() RETURN path, about"
    ),
}


def query_of(asset: str) -> str | None:
    """The query that draws what an asset is in the graph, or becomes there; None of what never gets there."""
    table = TABLES.get(asset)
    return _of_table(table) if table else _OTHERS.get(asset)


def _of_table(table: GraphTable) -> str:
    if isinstance(table, NodeType):
        return f"MATCH (node:{table.label}) RETURN node LIMIT {_SHOWN}"
    ends = table.start.node.label, table.end.node.label
    return f"MATCH path = (:{ends[0]})-[:{table.type}]->(:{ends[1]}) RETURN path LIMIT {_SHOWN}"


class Neo4jBrowser(dg.ConfigurableResource[None]):
    """Neo4j Browser, which the pages of assets lead to."""

    address: str | None = Field(None, description="Its address, where it's not the local server's.")
    local_server: str | None = Field(
        None, description="The folder of the local server, which says in a file where its Browser is while it runs."
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The Browser of an installation."""
        local = str(settings.home / "neo4j") if settings.neo4j_uri is None else None
        return cls(address=settings.neo4j_browser, local_server=local)

    def link_of(self, asset: str) -> str | None:
        """The address at which it has an asset's query; None without a query, or where no Browser is known."""
        query, browser = query_of(asset), self.address or self._local()
        return f"{browser}?cmd=edit&arg={quote(query)}" if query and browser else None

    def _local(self) -> str | None:
        # Not from `local.neo4j`, whose driver takes long to import: a file is taken in without it.
        ports = documents.read(Path(self.local_server) / "ports.json") if self.local_server else None
        return f"http://127.0.0.1:{ports['http']}/browser/" if ports else None
