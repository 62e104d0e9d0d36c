"""Addresses that open Neo4j Browser with a query in its editor."""

from pathlib import Path
from urllib.parse import quote

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


def link_of(asset: str, settings: Settings) -> str | None:
    """The address at which Neo4j Browser has an asset's query; None without a query, or where no Browser is known.

    Args:
        asset: the asset's name.
        settings: the installation's settings, which name the Browser of a server of one's own.
    """
    query, browser = query_of(asset), settings.neo4j_browser or _local(settings)
    return f"{browser}?cmd=edit&arg={quote(query)}" if query and browser else None


def _local(settings: Settings) -> str | None:
    """The address that the local server's Browser has while it runs."""
    # Not from `local.neo4j`, whose driver takes long to import: a file is taken in without it.
    ports = documents.read(Path(settings.home) / "neo4j" / "ports.json") if settings.neo4j_uri is None else None
    return f"http://127.0.0.1:{ports['http']}/browser/" if ports else None
