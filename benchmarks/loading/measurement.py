"""What is measured of a contestant."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spotify_graph.graph_model import FACTS, NODES, RELATIONSHIPS
from spotify_graph.neo4j_io.vocabulary import GraphTable

Contents = Mapping[str, Mapping[str, int]]
"""What a graph holds: for each asset counts and sums, by what they are of."""


@dataclass(frozen=True)
class Measurement:
    """How a contestant did.

    Attributes:
        whole_s: seconds from the start of its process to its end; None where it begins with prepared rows.
        write_s: seconds of the part that writes to the database, by asset, or of all that is written at once.
        peak_mb: the largest resident memory of each kind of process, and of all together at one moment.
        contents: what the graph holds now.
        notes: what else is worth knowing.
        parts: seconds of each part of the whole, by what is done in it, in order.
        counted_s: seconds from the start of its process until all interactions are counted; None where this is no step.
    """

    whole_s: float | None
    write_s: Mapping[str, float]
    peak_mb: Mapping[str, int]
    contents: Contents = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, float] = field(default_factory=dict)
    counted_s: float | None = None

    @property
    def all_write_s(self) -> float:
        """Seconds of the whole write part."""
        return sum(self.write_s.values())

    @property
    def nodes_per_s(self) -> float | None:
        """Nodes written in a second of writing nodes; None where these seconds are not known."""
        return self._rate(NODES)

    @property
    def relationships_per_s(self) -> float | None:
        """Relationships written in a second of writing relationships; None where these seconds are not known."""
        return self._rate(RELATIONSHIPS)

    @property
    def rows_per_s(self) -> float | None:
        """Nodes and relationships written in a second of the write part; None where nothing is written."""
        return self._rows(FACTS) / self.all_write_s if self.write_s else None

    @property
    def nodes(self) -> int:
        """How many nodes there are now."""
        return self._rows(NODES)

    @property
    def relationships(self) -> int:
        """How many relationships there are now."""
        return self._rows(RELATIONSHIPS)

    def as_record(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "whole_s": self.whole_s and round(self.whole_s, 1),
            "counted_s": self.counted_s and round(self.counted_s, 1),
            "write_s": round(self.all_write_s, 1),
            "write_s_by_asset": {name: round(seconds, 2) for name, seconds in self.write_s.items()},
            "nodes": self.nodes,
            "relationships": self.relationships,
            "nodes_per_s": self.nodes_per_s and round(self.nodes_per_s),
            "relationships_per_s": self.relationships_per_s and round(self.relationships_per_s),
            "rows_per_s": self.rows_per_s and round(self.rows_per_s),
            "parts_s": {name: round(seconds, 1) for name, seconds in self.parts.items()},
            "peak_mb": dict(self.peak_mb),
            "counts": {name: found["count"] for name, found in self.contents.items()},
            **self.notes,
        }

    def _rate(self, tables: tuple[GraphTable, ...]) -> float | None:
        if any(table.asset not in self.write_s for table in tables):
            return None
        return self._rows(tables) / sum(self.write_s[table.asset] for table in tables)

    def _rows(self, tables: tuple[GraphTable, ...]) -> int:
        return sum(self.contents[table.asset]["count"] for table in tables if table.asset in self.contents)


def say(line: str) -> None:
    """Reports progress."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
