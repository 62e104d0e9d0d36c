"""How the graph looks, wherever it is drawn: what people call a node, its colour, and what makes a relationship strong.

All of it follows from the graph model but for the colours, which are those of charts.
"""

from collections.abc import Mapping
from typing import Any

from spotify_graph import charts
from spotify_graph.graph_model import ARTIST, GENRE, NODES, RECOMMENDATIONS, RELATIONSHIPS, TRACK, USER
from spotify_graph.neo4j_io.vocabulary import NodeType, PropertyType

COLOURS = dict(zip((USER.label, TRACK.label, ARTIST.label, GENRE.label), charts.COLOURS, strict=False))
"""The colour of each label."""

OTHER_COLOUR = "#8C8C8C"
"""The colour of what is not of the graph model."""

_CALLED = "title"
"""The property that people call a node by, where the node has it; else it's the key."""

_NUMBERS = {PropertyType.INTEGER, PropertyType.FLOAT}


def names(node: NodeType) -> tuple[str, ...]:
    """The properties that people call a node by, the best first; the last is its key, which every node has."""
    titles = [it.name for it in node.properties if it.name == _CALLED]
    return (*titles, node.key.name)


NAMES = {node.label: names(node) for node in NODES}
"""For each label, the properties that people call its nodes by."""

WEIGHTS = {
    it.type: next(column.name for column in it.properties if column.type in _NUMBERS)
    for it in (*RELATIONSHIPS, *RECOMMENDATIONS)
    if it.properties
}
"""For each type of relationship that can be weaker or stronger, the property that says so: its first number."""


def name_of(node: Mapping[str, Any]) -> str:
    """What people call a node.

    Args:
        node: its label and its properties, as `queries.run` returns it.
    """
    called = (node.get(name) for name in NAMES.get(node["label"], ()))
    return str(next((it for it in called if it is not None), node["label"]))


def weight_of(relationship: Mapping[str, Any]) -> float | None:
    """How strong a relationship is; None where its type says nothing about that.

    Args:
        relationship: its type and its properties, as `queries.run` returns it.
    """
    weight: float | None = relationship.get(WEIGHTS.get(relationship["type"], ""))
    return weight


def in_words(value: object) -> object:
    """A node or a relationship in a few words, for a table; anything else as it is."""
    if isinstance(value, Mapping) and "label" in value:
        return " ".join(dict.fromkeys((value["label"], name_of(value))))
    if isinstance(value, Mapping) and "type" in value:
        weight = weight_of(value)
        return value["type"] if weight is None else f"{value['type']} {weight:.4g}"
    return value
