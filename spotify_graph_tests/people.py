"""A small graph of people and their homes, with every type of property and names that have to be quoted."""

from datetime import UTC, datetime
from typing import Any

from spotify_graph.graph_model import Endpoint, GraphTable, NodeType, Property, PropertyType, RelationshipType

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

SCHEMAS: dict[GraphTable, str] = {
    PERSON: "name string, born timestamp, tags array<string>, visits int, score double, active boolean",
    CITY: "title string",
    LIVES_IN: "person string, city string, count long, since timestamp",
    ODD: "`the ``key`` of. it` string, `va``lue.x` string",
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
