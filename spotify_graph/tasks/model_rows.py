"""What is done to a part of what a model says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_graph.parts import Part

if TYPE_CHECKING:
    import pyarrow as pa


def of_version(version: str, part: Part) -> pa.Table:
    """What a version of a model says."""
    import pyarrow as pa

    rows = part.read()
    return rows.append_column("model", pa.repeat(version, rows.num_rows))
