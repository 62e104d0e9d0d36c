"""What `demo` shows of a graph: each sample query, asked about somebody and something that the graph knows well."""

from collections.abc import Iterator
from shlex import quote

from neo4j import Driver

from spotify_graph import queries
from spotify_graph.queries import KeyParameter, Query, Rows

ROWS = 5
"""How many rows of each answer to show."""

# The keys of well connected nodes: a keen listener, what they like best, and its artist and genre.
_EXAMPLE = """
MATCH (user:User)
WITH user ORDER BY COUNT { (user)-[:LIKED]->() } DESC, user.user_id LIMIT 1
OPTIONAL MATCH (user)-[liked:LIKED]->(track:Track)-[:BY]->(artist:Artist)
WITH user, track, artist ORDER BY liked.count DESC, track.track_id LIMIT 1
OPTIONAL MATCH (track)-[:IN_GENRE]->(genre:Genre)
RETURN user.user_id AS User, track.track_id AS Track, artist.name AS Artist, genre.name AS Genre LIMIT 1
"""

NEXT_COMMANDS = (
    ("up", "the Dagster UI, its daemon and Neo4j, until Ctrl-C"),
    ("query --list", "the sample queries and their parameters"),
    ("status", "what is landed, cleaned, rejected and published"),
    ("materialize --select '+played_edges'", "one asset and what it depends on"),
    ("neo4j stop", "stop the local server"),
)
"""Arguments for the command, and what they are for."""


def sample_answers(driver: Driver, database: str) -> Iterator[tuple[str, Rows]]:
    """Each sample query's arguments for the command, and its first rows.

    A query about a kind of node that the graph lacks is left out.
    """
    found = driver.execute_query(_EXAMPLE, database_=database).records
    example: dict[str, str | None] = found[0].data() if found else {}
    for query in queries.load().values():
        given = _parameters(query, example)
        if given is not None:
            options = "".join(f" -p {name}={quote(value)}" for name, value in given.items())
            yield f"query {query.name}{options}", queries.run(driver, database, query, query.bind(given))


def _parameters(query: Query, example: dict[str, str | None]) -> dict[str, str] | None:
    given = {}
    for parameter in query.parameters:
        if isinstance(parameter, KeyParameter):
            value = example.get(parameter.node.label)
            if value is None:
                return None
            given[parameter.name] = value
    return given
