"""Pictures of the graph: a neighbourhood as a page that opens without a network."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neo4j import Driver, RoutingControl

from spotify_graph import queries
from spotify_graph.appearance import COLOURS, OTHER_COLOUR, name_of, weight_of
from spotify_graph.errors import NotFoundError, UserError
from spotify_graph.graph_model import NODES
from spotify_graph.queries import KeyParameter, Rows

Kind = Literal["user", "artist", "track", "genre"]
"""What a picture can be of."""

_KEYS = {node.label: node.key.name for node in NODES}
_THINNEST, _THICKEST = 1.0, 6.0
_MIDDLE, _OTHERS = 55, 40
"""The radius of the node that the picture is about, and of the others, in pixels."""
_BEST_KNOWN = {
    "user": "MATCH (user:User) WITH user.user_id AS key, COUNT { (user)-[:PLAYED]->() } AS plays",
    "track": "MATCH (track:Track) WITH track.track_id AS key, COUNT { (track)<-[:PLAYED]-() } AS plays",
    "artist": "MATCH (track:Track)-[:BY]->(of) WITH of.name AS key, COUNT { (track)<-[:PLAYED]-() } AS plays",
    "genre": "MATCH (track:Track)-[:IN_GENRE]->(of) WITH of.name AS key, COUNT { (track)<-[:PLAYED]-() } AS plays",
}
_TITLE = "<title>neo4j-viz</title>"


@dataclass(frozen=True)
class Picture:
    """A part of the graph, ready to be drawn.

    Attributes:
        title: what it is of.
        middle: the key in `nodes` of what it is about.
        nodes: the nodes by label and key; each with its label and properties.
        relationships: the relationships with the keys of their ends in `nodes`; each with its type and properties.
    """

    title: str
    middle: tuple[str, str]
    nodes: Mapping[tuple[str, str], Mapping[str, Any]]
    relationships: tuple[tuple[tuple[str, str], Mapping[str, Any], tuple[str, str]], ...]

    def write(self, file: Path) -> None:
        """Writes the page.

        Raises:
            UserError: the file can't be written.
        """
        try:
            file.write_text(self.page(), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{file} cannot be written ({error.strerror}): give --out another file") from None

    def page(self) -> str:
        """The page as HTML, with all that it needs in it.

        What comes from the graph stands in it as JSON in which no markup can begin, and in its title, escaped.
        """
        # It takes a second to import.
        from neo4j_viz import Node, Relationship, VisualizationGraph
        from neo4j_viz.options import Renderer

        numbers = {key: number for number, key in enumerate(self.nodes)}
        nodes = [
            Node(
                id=numbers[key],
                caption=name_of(node),
                caption_size=1,
                size=_MIDDLE if key == self.middle else _OTHERS,
                color=COLOURS.get(node["label"], OTHER_COLOUR),
                properties=dict(node),
            )
            for key, node in self.nodes.items()
        ]
        most = self._most()
        edges = [
            Relationship(
                id=f"edge {number}",
                source=numbers[start],
                target=numbers[end],
                caption=edge["type"],
                width=_width(weight_of(edge), most.get(edge["type"])),
                properties=dict(edge),
            )
            for number, (start, edge, end) in enumerate(self.relationships)
        ]
        graph = VisualizationGraph(nodes=nodes, relationships=edges)
        labels = {node["label"] for node in self.nodes.values()}
        graph.set_legend(nodes=[(label, colour) for label, colour in COLOURS.items() if label in labels])
        # The other renderer, for graphs of many thousand nodes, draws no text.
        page = str(graph.render(width="100%", height="100vh", renderer=Renderer.CANVAS, theme="light").data)
        return page.replace(_TITLE, f"<title>{html.escape(self.title)}</title>", 1)

    def _most(self) -> dict[str, float]:
        """The greatest weight of each type."""
        weights = [(edge["type"], weight_of(edge)) for _, edge, _ in self.relationships]
        return {
            name: max(weight for other, weight in weights if other == name and weight is not None)
            for name, weight in weights
            if weight is not None
        }


def best_known(driver: Driver, database: str, kind: Kind) -> str:
    """The id or name of the node of a kind that has most to show: who plays most tracks, what most people play.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        kind: user, artist, track or genre.

    Raises:
        NotFoundError: the graph has none.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    found = driver.execute_query(
        f"{_BEST_KNOWN[kind]} RETURN key ORDER BY plays DESC, key LIMIT 1",
        database_=database,
        routing_=RoutingControl.READ,
    ).records
    if not found:
        raise NotFoundError(f"the graph has no {kind} yet")
    return str(found[0]["key"])


def draw(driver: Driver, database: str, kind: Kind, key: str, limit: int) -> Picture:
    """Makes a picture of the neighbourhood of a node, such as the sample query of that name finds it.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        kind: user, artist, track or genre.
        key: the node's id or name.
        limit: how many tracks or users at most.

    Raises:
        NotFoundError: the graph has no such node, or nothing is joined to it.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    query = queries.get(f"{kind}_neighbourhood")
    (parameter,) = (it for it in query.parameters if isinstance(it, KeyParameter))
    rows = queries.run(driver, database, query, query.bind({parameter.name: key, "limit": str(limit)}))
    return picture(rows, parameter.node.label, key)


def picture(rows: Rows, label: str, key: str) -> Picture:
    """Makes a picture of what a sample query for drawing answers: source, relationship and target in each row.

    Args:
        rows: the answer.
        label: the label of what the picture is about.
        key: its id or name, whatever its case.

    Raises:
        NotFoundError: there is nothing to draw.
    """
    nodes: dict[tuple[str, str], Mapping[str, Any]] = {}
    relationships = []
    for row in rows.rows:
        start, edge, end = (dict(it) for it in row if isinstance(it, Mapping))
        nodes |= {_identity(it): it for it in (start, end)}
        relationships.append((_identity(start), edge, _identity(end)))
    middle = min(
        (it for it in nodes if it[0] == label and it[1].lower() == key.lower()),
        key=lambda it: it[1] != key,
        default=None,
    )
    if middle is None:
        raise NotFoundError(f"the {label} {key!r} has no relationships that could be drawn")
    return Picture(f"{label} {name_of(nodes[middle])}", middle, nodes, tuple(relationships))


def _identity(node: Mapping[str, Any]) -> tuple[str, str]:
    """What tells a node from others; one that is not of the graph model has no key but all that it holds."""
    label = node["label"]
    return label, str(node[_KEYS[label]] if label in _KEYS else sorted(node.items()))


def _width(weight: float | None, most: float | None) -> float:
    """How thick a line is: as the weight is to the greatest one of its type."""
    if weight is None or not most:
        return _THINNEST
    return _THINNEST + (_THICKEST - _THINNEST) * max(weight, 0) / most
