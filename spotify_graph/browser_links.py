"""Addresses that a browser opens from an asset's page: its query in Neo4j Browser, and a drawn neighbourhood."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from spotify_graph.graph_model import EVENT_TYPES, RECOMMENDED, RELATIONSHIPS, TABLES
from spotify_graph.lake import documents
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType
from spotify_graph.settings import SERVE_PORT, Settings

_SHOWN = 50
"""How much of the graph a query draws: what a person can look at."""
_EVENTS = "|".join(event.relationship.type for event in EVENT_TYPES)
_CATALOGUE = "|".join(it.type for it in RELATIONSHIPS if it not in [event.relationship for event in EVENT_TYPES])
_SERVICE = "http_service.json"
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


def drawing_of(asset: str, settings: Settings) -> str | None:
    """The address at which the HTTP service draws what an asset of the graph is about, around somebody well known.

    It names no node: Dagster keeps it, and would remember a person who is forgotten.

    Args:
        asset: the asset's name.
        settings: the installation's settings.

    Returns:
        The address; None of an asset that is no table of the graph, or where the service asks for a token.
    """
    table = TABLES.get(asset)
    if table is None or settings.serve_token_file:
        return None
    node = table if isinstance(table, NodeType) else (table.start if table is RECOMMENDED else table.end).node
    return f"{_service(settings)}/draw?kind={node.label.lower()}"


def remember_service(url: str, settings: Settings) -> None:
    """Keeps the address of an HTTP service that has started, for the links that lead there."""
    with suppress(OSError):  # a service that reads alone needs no home that it can write to
        documents.write(settings.home / _SERVICE, {"url": url})


def _service(settings: Settings) -> str:
    """The address of the HTTP service: where it was last, or else where it is unless told otherwise."""
    known = documents.read(settings.home / _SERVICE)
    return known["url"] if known else f"http://127.0.0.1:{settings.serve_port or SERVE_PORT}"


def _local(settings: Settings) -> str | None:
    """The address that the local server's Browser has while it runs."""
    # Not from `local.neo4j`, whose driver takes long to import: a file is taken in without it.
    ports = documents.read(Path(settings.home) / "neo4j" / "ports.json") if settings.neo4j_uri is None else None
    return f"http://127.0.0.1:{ports['http']}/browser/" if ports else None
