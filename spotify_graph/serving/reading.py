"""How the graph is asked: in few round trips, by plans that are made ahead, and for one version of the model, whole."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

from neo4j import Driver, ManagedTransaction, Session
from neo4j.exceptions import DriverError, Neo4jError

from spotify_graph import queries
from spotify_graph.errors import UserError
from spotify_graph.graph_model import RECOMMENDER

T = TypeVar("T")


class NotReadyError(UserError):
    """The graph has nothing to answer from: it is empty, or no model is published."""


class NoModelError(NotReadyError):
    """No version of the model is active."""


_texts = cache(queries.serving)
_COMPILED_AFTER = 12
"""The server compiles the expressions of a query that it was asked ten times, which takes up to a second."""
_prefixes: "WeakKeyDictionary[Driver, str]" = WeakKeyDictionary()
"""What stands before the queries over drivers that they are prepared for."""
NO_MODEL = "no recommendations are published yet: `spotify-graph materialize` makes them"
"""What is said where no version of the model is active."""
_ACTIVE = "OPTIONAL MATCH (model:_Model {name: $name}) RETURN model.version AS version"


def prepare(driver: Driver, database: str) -> None:
    """Has the server plan and compile the queries anew, so that no request over this driver waits for that again.

    That takes seconds, in which requests go by the plans from before. From then on they go by the new ones, however
    much the graph changes: to be repeated when it has.

    Args:
        driver: a connection to the server.
        database: the database to ask.

    Raises:
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    asked = {"user_id": "", "track_id": "", "k": 1, "per_artist": 1, "heard": False, "disliked": False}
    asked |= dict.fromkeys(("genre", "artist", "candidates", "as_of"))

    def work(transaction: ManagedTransaction, text: str) -> None:
        transaction.run(text, asked=asked).consume()

    # The server compiles each text for itself, and goes by the newest plan of what is the same but for comments.
    prefix = f"CYPHER replan=skip // {uuid4().hex}\n"
    with queries.session(driver, database) as session:
        for text in _texts().values():
            session.execute_read(work, f"CYPHER replan=force {text}")
            for _ in range(_COMPILED_AFTER):
                session.execute_read(work, prefix + text)
    _prefixes[driver] = prefix


def require_model(driver: Driver, database: str) -> str:
    """The active version of the model.

    Raises:
        NoModelError: none is.
        neo4j.exceptions.DriverError: the server can't be reached or turned the driver away.
        neo4j.exceptions.Neo4jError: the server refused the query.
    """
    version = _read(driver, database, _active_version)
    if version is None:
        raise NoModelError(NO_MODEL)
    return version


def _active_version(asking: Session | ManagedTransaction) -> str | None:
    version: str | None = asking.run(_ACTIVE, name=RECOMMENDER).single(strict=True)["version"]
    return version


def ask(driver: Driver, database: str, query: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Asks one of the serving queries, which gives one row.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        query: the query's name.
        parameters: what is asked for.
    """
    text = _text(driver, query)
    return _read(driver, database, lambda asking: _row(asking, text, parameters))


def ask_whole(driver: Driver, database: str, query: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Asks for what the model says, and again where another version became active meanwhile.

    The former one's relationships are removed from then on, while a query that follows them may still run.

    Args:
        driver: a connection to the server.
        database: the database to ask.
        query: the query's name; its row has the version.
        parameters: what is asked for.
    """

    def work(asking: Session | ManagedTransaction) -> Mapping[str, Any]:
        row = _row(asking, text, parameters)
        while row["version"] != _active_version(asking):
            row = _row(asking, text, parameters)
        return row

    text = _text(driver, query)
    return _read(driver, database, work)


def _read(driver: Driver, database: str, work: Callable[[Session | ManagedTransaction], T]) -> T:
    """Reads in one round trip for each query; where that fails, in a transaction that is retried, which takes more."""
    with queries.session(driver, database) as session:
        try:
            return work(session)
        except (DriverError, Neo4jError) as error:
            if not error.is_retryable():
                raise
        return session.execute_read(work)


def _text(driver: Driver, query: str) -> str:
    return _prefixes.get(driver, "") + _texts()[query]


def _row(asking: Session | ManagedTransaction, text: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(asking.run(text, asked=dict(parameters)).single(strict=True))
