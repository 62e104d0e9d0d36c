"""The connection to Neo4j: to the server that the settings name, or else to the local one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from spotify_graph.errors import UserError
from spotify_graph.neo4j_dagster.resource import Connection, Neo4jServer
from spotify_graph.neo4j_io import connection
from spotify_graph.neo4j_io.errors import At, ServerError
from spotify_graph.settings import Settings

if TYPE_CHECKING:
    from neo4j import Driver

_ADVICE = {
    At.ADDRESS: "check NEO4J_URI, or unset it to use a local server",
    At.TLS: "check NEO4J_URI: neo4j:// and bolt:// are without TLS",
    At.CERTIFICATE: "name the file with the authority that signed it in SSL_CERT_FILE; neo4j+ssc:// and bolt+ssc://"
    " take any certificate",
    At.USER: "check NEO4J_USERNAME and NEO4J_PASSWORD",
    At.DATABASE: "check NEO4J_DATABASE",
}


@contextmanager
def connect(settings: Settings, say: Callable[[str], None] | None = None, **options: Any) -> Iterator["Driver"]:
    """A driver of the server in use, which has answered.

    Without `NEO4J_URI`, that is the local server; it's started where it isn't running.

    Args:
        settings: where to connect, and as whom.
        say: told what a long start is doing.
        options: what the driver is told besides, in the place of what it is told here.

    Raises:
        UserError: the server can't be reached, or refuses the user, the password or the database.
    """
    from spotify_graph.local.neo4j import LocalNeo4j

    auth: tuple[str, str] | None
    if settings.neo4j_uri is None:
        local = LocalNeo4j(settings)
        status = local.start(say)
        uri, auth = status.uri, (status.username, local.password().get_secret_value())
    else:
        uri, password = settings.neo4j_uri, settings.neo4j_password
        auth = (settings.neo4j_username, password.get_secret_value()) if password else None
    with ExitStack() as opened:
        try:
            driver = opened.enter_context(connection.connect(uri, auth, settings.neo4j_database, **options))
        except ServerError as error:
            raise UserError(f"{error}: {_ADVICE[error.at]}") from None
        yield driver


class PlatformNeo4j(Neo4jServer):
    """The graph of this installation.

    Where it connects comes from the settings and not from run configuration, so that no password reaches the UI.
    """

    keep: bool = Field(
        default=False,
        description="Leave what somebody else adds under the graph's labels and types; otherwise it is removed.",
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The graph of an installation."""
        return cls(
            keep=settings.foreign == "keep", batch_rows=settings.neo4j_batch_rows, sessions=settings.neo4j_sessions
        )

    @contextmanager
    def connect(self, say: Callable[[str], None] | None) -> Iterator[Connection]:
        """Connects to the server that the settings name."""
        settings = Settings.load()
        with connect(settings, say) as driver:
            yield Connection(driver, settings.neo4j_database)

    @property
    def database(self) -> str:
        """The database that holds the graph."""
        return self.connection.database
