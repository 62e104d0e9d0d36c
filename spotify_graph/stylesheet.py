"""The style of the graph in Neo4j Browser, as a graph stylesheet (GraSS), derived from the graph model.

Nodes have the names that people call them by; what keeps the ledger is shown as dots without one.
"""

import json

from spotify_graph.appearance import COLOURS, NAMES, OTHER_COLOUR, WEIGHTS
from spotify_graph.graph_model import EVENT_TYPES

_WHITE, _BLACK = "#FFFFFF", "#000000"
_ON_DARK = {"User"}
"""The labels whose colour is too dark for black letters."""
LEDGER = ("_Publication", "_Model")
"""The labels of the ledger's own nodes."""

Style = dict[str, dict[str, str]]


def style() -> Style:
    """The style: for each selector of a graph stylesheet (GraSS) its properties."""
    rules: Style = {
        "node": {
            "diameter": "50px",
            "color": OTHER_COLOUR,
            "border-color": OTHER_COLOUR,
            "border-width": "2px",
            "text-color-internal": _BLACK,
            "font-size": "10px",
            "caption": "<id>",
        },
        "relationship": {
            "color": "#A5ABB6",
            "shaft-width": "1px",
            "font-size": "8px",
            "padding": "3px",
            "text-color-external": _BLACK,
            "text-color-internal": _WHITE,
            "caption": "<type>",
        },
    }
    for label, colour in COLOURS.items():
        rules[f"node.{label}"] = {
            "color": colour,
            "border-color": colour,
            "text-color-internal": _WHITE if label in _ON_DARK else _BLACK,
            "caption": f"{{{NAMES[label][0]}}}",
            "defaultCaption": "<id>",
        }
    for event in EVENT_TYPES:
        name = event.relationship.type
        rules[f"relationship.{name}"] = {"shaft-width": "2px", "caption": f"{name} {{{WEIGHTS[name]}}}"}
    for label in LEDGER:
        rules[f"node.{label}"] = {"diameter": "10px", "color": "#E6E6E6", "border-color": "#E6E6E6", "caption": " "}
    return rules


def command() -> str:
    """The command of Neo4j Browser's that sets the style.

    It has no semicolon: in the server's setting `browser.post_connect_cmd`, that would end it.
    """
    return f"style {json.dumps(style(), separators=(',', ':'))}"


def text() -> str:
    """The stylesheet, as a file has it."""
    return "".join(
        f"{selector} {{\n" + "".join(f"  {name}: {_quoted(name, value)};\n" for name, value in rule.items()) + "}\n"
        for selector, rule in style().items()
    )


def _quoted(name: str, value: str) -> str:
    return f'"{value}"' if name in {"caption", "defaultCaption"} else value
