"""What Neo4j Browser imports: the style of the graph, and the sample queries as saved scripts."""

import zipfile
from pathlib import Path

from spotify_graph import queries, stylesheet
from spotify_graph.errors import UserError
from spotify_graph.queries import IntegerParameter, Query

STYLE_FILE = "spotify_graph.grass"
SCRIPTS_FILE = "spotify_graph_queries.zip"
_FOLDER = "spotify_graph"
"""The folder that the scripts have among the saved ones."""


def write(folder: Path) -> tuple[Path, Path]:
    """Writes the style and the saved scripts, each as a file that is dropped onto Neo4j Browser.

    Raises:
        UserError: the folder can't be written to.
    """
    style, scripts = folder / STYLE_FILE, folder / SCRIPTS_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        style.write_text(stylesheet.text(), encoding="utf-8")
        with zipfile.ZipFile(scripts, "w", zipfile.ZIP_DEFLATED) as archive:
            for query in queries.load().values():
                archive.writestr(f"{_FOLDER}/{query.name}.cypher", script(query))
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): give --out another folder") from None
    return style, scripts


def script(query: Query) -> str:
    """A query as a saved script: its first line is its name there, and its numbers are those that it has by default."""
    text = query.text
    for parameter in query.parameters:
        if isinstance(parameter, IntegerParameter):
            text = text.replace(f"${parameter.name}", str(parameter.default))
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("// param "))
