"""The graph as it is, held against the one that the oracle says is promised."""

from typing import Any

from neo4j import Driver

from spotify_graph_tests import oracle
from spotify_graph_tests.emptied import DATABASE

Contents = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""The nodes and the relationships of a graph."""


def contents(driver: Driver) -> Contents:
    """Every node and every relationship with all their properties, but for what a model says."""
    nodes = _rows(
        driver,
        "MATCH (n) WHERE NOT (n:_Publication OR n:_Model) RETURN labels(n) AS labels, properties(n) AS properties"
        " ORDER BY labels, coalesce(n.user_id, n.track_id, n.name)",
    )
    relationships = _rows(
        driver,
        "MATCH (a)-[r]->(b) WHERE r.model IS NULL RETURN coalesce(a.user_id, a.track_id) AS start, type(r) AS type,"
        " coalesce(b.track_id, b.name) AS end, properties(r) AS properties ORDER BY start, type, end",
    )
    return nodes, relationships


def _rows(driver: Driver, query: str) -> list[dict[str, Any]]:
    return [record.data() for record in driver.execute_query(query, database_=DATABASE).records]


def is_promised(found: Contents, promised: oracle.Expected) -> None:
    """Makes sure that a graph is the promised one, but for how popular its tracks are."""
    nodes, relationships = found
    by_label: dict[str, list[dict[str, Any]]] = {label: [] for label in ("User", "Track", "Artist", "Genre")}
    for node in nodes:
        [label] = node["labels"]
        values = {name: _native(value) for name, value in node["properties"].items() if name != "popularity"}
        by_label[label].append(values)
    assert {user["user_id"]: user for user in by_label["User"]} == promised.users
    assert {track["track_id"]: track for track in by_label["Track"]} == promised.tracks
    assert {artist["name"] for artist in by_label["Artist"]} == promised.artists
    assert {genre["name"] for genre in by_label["Genre"]} == promised.genres
    edges = {
        (it["start"], it["type"], it["end"]): {name: _native(value) for name, value in it["properties"].items()}
        for it in relationships
    }
    of_catalogue = {"BY": promised.by, "IN_GENRE": promised.in_genre}
    named: dict[oracle.Edge, dict[str, Any]] = {
        (track, type_, name): {} for type_, pairs in of_catalogue.items() for track, name in pairs
    }
    assert edges == promised.events | named
    assert len(edges) == len(relationships)


def _native(value: Any) -> Any:
    return value.to_native() if hasattr(value, "to_native") else value
