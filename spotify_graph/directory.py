"""Who and what is in the graph: a way to find the ids that other commands take."""

from dataclasses import dataclass

from neo4j import Driver

from spotify_graph import queries
from spotify_graph.graph_model import ARTIST, BY, GENRE, IN_GENRE, LIKE, PLAY, TRACK, USER
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.queries import Rows

_PLAYED = PLAY.relationship.type
_BY = f"(node)-[:{BY.type}]->(artist:{ARTIST.label})"


def _contains(text: str) -> str:
    """That the text contains what is looked for, in Cypher, however either is written."""
    return f"toLower(normalize({text})) CONTAINS toLower(normalize($like))"


@dataclass(frozen=True)
class Kind:
    """A kind of node that is listed.

    Attributes:
        node: the nodes.
        count: what they are ordered by, the greatest first, as Cypher: how much of the graph hangs on a node.
        columns: what is said of each, as Cypher by the column's name; the first is the key, and `count` may be used.
        searched: besides the key, where the text that is looked for may be, as conditions in Cypher on `$like`.
    """

    node: NodeType
    count: str
    columns: dict[str, str]
    searched: tuple[str, ...] = ()

    @property
    def cypher(self) -> str:
        """The query: it takes `like`, which may be null, and `limit`."""
        key = f"node.{self.node.key.name}"
        anywhere = " OR ".join(("$like IS NULL", _contains(key), *self.searched))
        returned = ", ".join(f"{value} AS {name}" for name, value in self.columns.items())
        return (
            f"MATCH (node:{self.node.label}) WHERE {anywhere}\n"
            f"WITH node, {self.count} AS count ORDER BY count DESC, {key} LIMIT $limit\n"
            f"RETURN {returned} ORDER BY count DESC, {key}"
        )


KINDS = {
    "users": Kind(
        USER,
        f"COUNT {{ (node)-[:{_PLAYED}]->() }}",
        {
            "user_id": f"node.{USER.key.name}",
            "played": "count",
            "liked": f"COUNT {{ (node)-[:{LIKE.relationship.type}]->() }}",
            "last_seen": "node.last_seen",
        },
    ),
    "tracks": Kind(
        TRACK,
        f"COUNT {{ (node)<-[:{_PLAYED}]-() }}",
        {
            "track_id": f"node.{TRACK.key.name}",
            "title": "node.title",
            "artist": f"head(COLLECT {{ MATCH {_BY} RETURN artist.name ORDER BY artist.name }})",
            "listeners": "count",
        },
        (
            _contains("node.title"),
            f"EXISTS {{ {_BY} WHERE {_contains('artist.name')} }}",
        ),
    ),
    "artists": Kind(
        ARTIST,
        f"COUNT {{ (node)<-[:{BY.type}]-() }}",
        {
            "artist": f"node.{ARTIST.key.name}",
            "tracks": "count",
            "genres": f"COLLECT {{ MATCH (node)<-[:{BY.type}]-()-[:{IN_GENRE.type}]->(genre)"
            " RETURN DISTINCT genre.name ORDER BY genre.name }",
        },
    ),
    "genres": Kind(
        GENRE,
        f"COUNT {{ (node)<-[:{IN_GENRE.type}]-() }}",
        {
            "genre": f"node.{GENRE.key.name}",
            "tracks": "count",
            "artists": f"COUNT {{ MATCH (node)<-[:{IN_GENRE.type}]-()-[:{BY.type}]->(artist) RETURN DISTINCT artist }}",
        },
    ),
}
"""What is listed, by the name that the command has for it."""


def listed(driver: Driver, database: str, kind: Kind, like: str | None, limit: int) -> tuple[Rows, bool]:
    """Lists nodes of a kind, those on which most hangs first.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        kind: which nodes.
        like: what their id or name contains, whatever its case, or None for all; of a track, also its title or artist.
        limit: how many at most.

    Returns:
        The rows, and whether there are more.

    Raises:
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    query = queries.Query("list", "", (), kind.cypher)
    rows = queries.run(driver, database, query, {"like": like, "limit": limit + 1})
    return Rows(rows.columns, rows.rows[:limit]), len(rows.rows) > limit
