"""What a version was made from: where that is the same again, there is nothing to compute."""

from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from pyspark.sql import DataFrame

from spotify_graph import graph_model, transforms

_PACKAGE = Path(graph_model.__file__).parent


def versions_of(inputs: Mapping[str, DataFrame]) -> dict[str, list[str]]:
    """The versions in the lake that DataFrames were read from, by the inputs' names."""
    return {name: sorted({Path(file).parent.name for file in rows.inputFiles()}) for name, rows in inputs.items()}


@cache
def code() -> str:
    """Names the code that computes the lake and the graph: what other code made is made anew."""
    folders: Iterable[Path] = (Path(transforms.__path__[0]), Path(__file__).parent)
    files = [_PACKAGE / "graph_model.py", *(file for folder in folders for file in sorted(folder.rglob("*.py")))]
    return sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
