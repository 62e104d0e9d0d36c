"""A small graph of people and their homes, with every type of property and names that have to be quoted."""

from collections.abc import Callable, Iterable
from copy import copy
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa

from spotify_graph.neo4j_io.vocabulary import Endpoint, GraphTable, NodeType, Property, PropertyType, RelationshipType

PERSON = NodeType(
    asset="people",
    label="Person",
    key=Property("name", PropertyType.STRING, ""),
    properties=(
        Property("born", PropertyType.ZONED_DATETIME, "", optional=True),
        Property("tags", PropertyType.STRING_LIST, ""),
        Property("visits", PropertyType.INTEGER, "", optional=True),
        Property("score", PropertyType.FLOAT, ""),
        Property("active", PropertyType.BOOLEAN, ""),
    ),
    description="",
)
CITY = NodeType("cities", "City", Property("title", PropertyType.STRING, ""), (), "")
LIVES_IN = RelationshipType(
    asset="homes",
    type="LIVES_IN",
    start=Endpoint(PERSON, "person"),
    end=Endpoint(CITY, "city"),
    properties=(
        Property("count", PropertyType.INTEGER, ""),
        Property("since", PropertyType.ZONED_DATETIME, "", optional=True),
    ),
    description="",
)
ODD = NodeType(
    asset="odd",
    label="Od`d la.bel",
    key=Property("the `key` of. it", PropertyType.STRING, ""),
    properties=(Property("va`lue.x", PropertyType.STRING, "", optional=True),),
    description="",
)

_TIME = pa.timestamp("us", tz="UTC")

SCHEMAS: dict[GraphTable, pa.Schema] = {
    PERSON: pa.schema(
        {
            "name": pa.string(),
            "born": _TIME,
            "tags": pa.list_(pa.string()),
            "visits": pa.int32(),
            "score": pa.float64(),
            "active": pa.bool_(),
        }
    ),
    CITY: pa.schema({"title": pa.string()}),
    LIVES_IN: pa.schema({"person": pa.string(), "city": pa.string(), "count": pa.int64(), "since": _TIME}),
    ODD: pa.schema({"the `key` of. it": pa.string(), "va`lue.x": pa.string()}),
}

SOON = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
EARLY = datetime(1969, 12, 31, 23, 59, 58, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

Row = tuple[Any, ...]


def person(
    name: str,
    born: datetime | None = SOON,
    tags: tuple[str, ...] = (),
    visits: int | None = 1,
    score: float = 0.1,
    active: bool = True,
) -> Row:
    return (name, born, list(tags), visits, score, active)


ANN, BOB, CID = person("Ann", EARLY, ("x", "y")), person("Bob", None, (), None, -1e300), person("Cid", LAST)


def as_table(rows: Iterable[Row], schema: pa.Schema) -> pa.Table:
    """Rows as columns."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def as_parts(*parts: pa.Table) -> list[Callable[[], pa.Table]]:
    """Tables as the parts of one that is staged."""
    return [partial(copy, part) for part in parts]
