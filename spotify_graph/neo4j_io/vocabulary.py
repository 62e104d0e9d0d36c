"""The words in which a graph is described: node types, relationship types, and their properties with types.

Constraints, Cypher, staged columns and checks are derived from such a description.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class PropertyType(StrEnum):
    """A property's type in Neo4j."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    FLOAT = "FLOAT"
    BOOLEAN = "BOOLEAN"
    ZONED_DATETIME = "ZONED DATETIME"
    STRING_LIST = "LIST<STRING>"


@dataclass(frozen=True)
class Property:
    """A property of a node or a relationship.

    Attributes:
        name: its name in the graph, and of its column in the staged snapshot.
        type: its type in the graph.
        description: what it says, with its unit.
        optional: whether it may be absent.
        indexed: whether nodes are looked up or ordered by it: a range index holds it.
    """

    name: str
    type: PropertyType
    description: str = ""
    optional: bool = False
    indexed: bool = False


@dataclass(frozen=True)
class NodeType:
    """The nodes of one label, which one asset publishes.

    Attributes:
        asset: the name under which they are published: of their folder of snapshots, and of their ledger entry.
        label: the label.
        key: the property that identifies a node; a uniqueness constraint holds it.
        properties: the other properties.
        description: what a node stands for.

    Raises:
        ValueError: two columns have the same name.
    """

    asset: str
    label: str
    key: Property
    properties: tuple[Property, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        _differ(self.asset, self.columns)

    @property
    def keys(self) -> tuple[Property, ...]:
        """The columns that identify a row of the snapshot."""
        return (self.key,)

    @property
    def columns(self) -> tuple[Property, ...]:
        """The snapshot's columns, in order: the key, then the properties."""
        return (self.key, *self.properties)


@dataclass(frozen=True)
class Endpoint:
    """One end of a relationship.

    Attributes:
        node: the type of node that it is.
        column: the snapshot's column that holds that node's key.
    """

    node: NodeType
    column: str

    @property
    def as_column(self) -> Property:
        """The endpoint as a column of the snapshot."""
        return Property(self.column, self.node.key.type, f"{self.node.key.name} of the {self.node.label}")


@dataclass(frozen=True)
class RelationshipType:
    """The relationships of one type, which one asset publishes: at most one from a start node to an end node.

    Relationships that a model predicts carry the model version that they come from, in a property of their own. While a
    new model version is loaded, its relationships lie beside the active ones; `neo4j_io.models` switches between them.

    Attributes:
        asset: the name under which they are published: of their folder of snapshots, and of their ledger entry.
        type: the relationship type.
        start: where it starts.
        end: where it ends.
        properties: its properties, except for the model version.
        description: what a relationship says.
        model_version: the property that names the model version, or None if no model makes the relationships.

    Raises:
        ValueError: two columns have the same name.
    """

    asset: str
    type: str
    start: Endpoint
    end: Endpoint
    properties: tuple[Property, ...] = ()
    description: str = ""
    model_version: Property | None = None

    def __post_init__(self) -> None:
        _differ(self.asset, self.columns)

    @property
    def keys(self) -> tuple[Property, ...]:
        """The columns that identify a row of the snapshot."""
        ends = (self.start.as_column, self.end.as_column)
        return (*ends, self.model_version) if self.model_version else ends

    @property
    def columns(self) -> tuple[Property, ...]:
        """The snapshot's columns, in order: both ends' keys, the model version if there is one, then the properties."""
        return (*self.keys, *self.properties)


GraphTable = NodeType | RelationshipType
"""What one asset publishes."""


def _differ(asset: str, columns: Iterable[Property]) -> None:
    """Makes sure that no two columns have the same name."""
    again = [name for name, times in Counter(column.name for column in columns).items() if times > 1]
    if again:
        raise ValueError(f"{asset}: more than one column is called {', '.join(again)}")
