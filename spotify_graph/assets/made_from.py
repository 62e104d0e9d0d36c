"""What a version was made from: where that is the same again, there is nothing to compute."""

from collections.abc import Mapping

from spotify_graph.io_managers.lake import LakeTable


def versions_of(inputs: Mapping[str, LakeTable]) -> dict[str, list[str]]:
    """The versions in the lake that inputs are, by their names."""
    return {name: table.names for name, table in inputs.items()}
