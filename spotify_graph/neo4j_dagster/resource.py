"""The connection to a Neo4j database, as long as a run needs it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import dagster as dg
from pydantic import Field

from spotify_graph.neo4j_io import connection, publication

if TYPE_CHECKING:
    from neo4j import Driver


class Pace(TypedDict):
    """How much is written at once, as the functions of `neo4j_io` that write are told it."""

    batch_rows: int
    sessions: int


class Connection(NamedTuple):
    """Where to read and write.

    Attributes:
        driver: a driver of the server, which has answered.
        database: the database's name.
    """

    driver: "Driver"
    database: str


class Neo4jServer(dg.ConfigurableResource["Neo4jServer"], ABC):
    """A Neo4j database, connected while a run uses it; a subclass says how."""

    batch_rows: int = Field(
        default=publication.BATCH_ROWS,
        ge=1,
        description="How many rows a transaction writes: fewer where a server that others use is short of memory.",
    )
    sessions: int = Field(
        default=publication.SESSIONS,
        ge=1,
        description="How many sessions create rows side by side: one, where others use the server at the same time.",
    )

    @property
    def pace(self) -> Pace:
        """How much is written at once."""
        return Pace(batch_rows=self.batch_rows, sessions=self.sessions)

    @abstractmethod
    def connect(self, say: Callable[[str], None] | None) -> AbstractContextManager[Connection]:
        """Connects to the database.

        Args:
            say: called with what takes long, or None.
        """

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Neo4jServer"]:
        """Connects, and closes the driver with the run."""
        with self._of_run(context) as self._connection:
            yield self

    @property
    def connection(self) -> Connection:
        """The database, connected."""
        return self._connection

    @property
    def driver(self) -> "Driver":
        """The driver, connected."""
        return self.connection.driver

    @contextmanager
    def _of_run(self, context: dg.InitResourceContext) -> Iterator[Connection]:
        """The connection of a run, however often it is asked for; the first to ask opens it, and closes it."""
        key = (context.run.run_id if context.run else None, type(self), repr(self.model_dump()))
        if key in _connections:
            yield _connections[key]
            return
        with self.connect(context.log.info if context.log else None) as connected:
            if context.run:
                _connections[key] = connected
            try:
                yield connected
            finally:
                _connections.pop(key, None)


class Neo4jResource(Neo4jServer):
    """A Neo4j database of any server."""

    uri: str = Field(description="The server's address, such as bolt://localhost:7687 or neo4j+s://graph.example.com.")
    username: str = Field(default="neo4j", description="The user to connect as.")
    password: str | None = Field(
        default=None,
        description='The user\'s password: give it as dg.EnvVar("NEO4J_PASSWORD"), so that Dagster keeps and shows only'
        " the variable's name. Leave it out where the server asks for none.",
        repr=False,
    )
    database: str = Field(default="neo4j", description="The database's name.")

    @contextmanager
    def connect(self, say: Callable[[str], None] | None) -> Iterator[Connection]:
        """Connects to the database.

        Raises:
            ServerError: the server can't be reached, or refuses the user, the password or the database.
        """
        auth = (self.username, self.password) if self.password else None
        with connection.connect(self.uri, auth, self.database) as driver:
            yield Connection(driver, self.database)


# A run sets the resource up for its assets, and once more within their IO manager. `configure_at_launch` would do it
# once, but Dagster's `load_asset_value` does not find what an IO manager needs then.
_connections: dict[Any, Connection] = {}
