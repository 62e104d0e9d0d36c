"""What a version was made from: where that is the same again, there is nothing to compute."""

from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import DataFrame


def versions_of(inputs: Mapping[str, DataFrame]) -> dict[str, list[str]]:
    """The versions in the lake that DataFrames were read from, by the inputs' names."""
    return {name: sorted({Path(file).parent.name for file in rows.inputFiles()}) for name, rows in inputs.items()}
