"""What `demo` shows of a graph: sample queries and recommendations, for somebody and something that it knows well."""

from collections.abc import Iterator
from shlex import quote

from neo4j import Driver

from spotify_graph import queries, serving
from spotify_graph.queries import KeyParameter, Query, Rows
from spotify_graph.serving import Recommendations, SimilarTracks

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
    """Arguments for the command, and the rows that it answers: each sample query, then what is recommended.

    What is about a kind of node that the graph lacks is left out, and so is what needs a model before there is one.
    """
    found = driver.execute_query(_EXAMPLE, database_=database).records
    example: dict[str, str | None] = found[0].data() if found else {}
    for query in queries.load().values():
        given = _parameters(query, example)
        if given is not None:
            options = "".join(f" -p {name}={quote(value)}" for name, value in given.items())
            yield f"query {query.name}{options}", queries.run(driver, database, query, query.bind(given))
    try:
        if user := example.get("User"):
            yield f"recommend {quote(user)}", _served(serving.recommend(driver, database, user))
        if track := example.get("Track"):
            yield f"similar {quote(track)}", _served(serving.similar(driver, database, track))
    except serving.NoModelError:
        return


def _served(answer: Recommendations | SimilarTracks) -> Rows:
    rows = [tuple(getattr(track, column) for column in serving.COLUMNS) for track in answer.tracks]
    return Rows(serving.COLUMNS, rows)


def _parameters(query: Query, example: dict[str, str | None]) -> dict[str, str] | None:
    given = {}
    for parameter in query.parameters:
        if isinstance(parameter, KeyParameter):
            value = example.get(parameter.node.label)
            if value is None:
                return None
            given[parameter.name] = value
    return given
