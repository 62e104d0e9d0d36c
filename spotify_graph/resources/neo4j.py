"""The connection to Neo4j: to the server that the settings name, or else to the local one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from spotify_graph.errors import UserError
from spotify_graph.settings import Settings

if TYPE_CHECKING:
    from neo4j import Driver

# The driver is imported where it is used: it takes two seconds, and definitions are loaded often.


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
    from neo4j import GraphDatabase, NotificationDisabledClassification
    from neo4j.exceptions import AuthError, ClientError, ConfigurationError, DriverError, ServiceUnavailable

    from spotify_graph.local.neo4j import LocalNeo4j

    auth: tuple[str, str] | None
    if settings.neo4j_uri is None:
        local = LocalNeo4j(settings)
        status = local.start(say)
        uri, username, auth = status.uri, status.username, (status.username, local.password().get_secret_value())
    else:
        uri, username, password = settings.neo4j_uri, settings.neo4j_username, settings.neo4j_password
        auth = (username, password.get_secret_value()) if password else None
    try:
        driver = GraphDatabase.driver(
            uri,
            auth=auth,
            **{
                # A server under load is slow to answer; one that is not there refuses at once.
                "connection_timeout": 30,
                # A label or a type that the database has not met yet is a young graph, not a mistake to warn about.
                "notifications_disabled_classifications": [NotificationDisabledClassification.UNRECOGNIZED],
                **options,
            },
        )
    except (ConfigurationError, ValueError) as error:
        raise UserError(f"NEO4J_URI: {error}") from None
    with driver:
        try:
            # Unlike a managed transaction, this fails at the first attempt and not after 30 s of them.
            with driver.session(database=settings.neo4j_database) as session:
                session.run("RETURN 1").consume()
        except AuthError:
            raise UserError(
                f"Neo4j at {uri} refuses user {username!r}: check NEO4J_USERNAME and NEO4J_PASSWORD"
            ) from None
        except (ServiceUnavailable, DriverError, OSError) as error:
            raise UserError(
                f"Neo4j at {uri} can't be reached: check NEO4J_URI, or unset it to use a local server"
                f" ({str(error).splitlines()[0]})"
            ) from None
        except ClientError as error:
            raise UserError(
                f"Neo4j at {uri}, database {settings.neo4j_database!r}: {error.message}; check NEO4J_DATABASE"
            ) from None
        yield driver


class Neo4jResource(dg.ConfigurableResource["Neo4jResource"]):
    """The driver of the server in use, for a run.

    Where it connects comes from the settings and not from run configuration, so that no password reaches the UI.
    """

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Neo4jResource"]:
        """Connects, and closes the driver with the run."""
        settings = Settings.load()
        with _of_run(context, settings) as driver:
            self._driver, self._database, self._keep = driver, settings.neo4j_database, settings.foreign == "keep"
            yield self

    @property
    def driver(self) -> "Driver":
        """The driver, connected."""
        return self._driver

    @property
    def database(self) -> str:
        """The database that holds the graph."""
        return self._database

    @property
    def keep(self) -> bool:
        """Whether what somebody else adds under the graph's labels and types is left there."""
        return self._keep


# A run sets the resource up for its assets, and once more within their IO manager. `configure_at_launch` would do it
# once, but Dagster's `load_asset_value` does not find what an IO manager needs then.
_drivers: "dict[str, Driver]" = {}


@contextmanager
def _of_run(context: dg.InitResourceContext, settings: Settings) -> "Iterator[Driver]":
    """The driver of a run, however often it is asked for; the first to ask opens it, and closes it."""
    run_id = context.run.run_id if context.run else None
    if run_id in _drivers:
        yield _drivers[run_id]
        return
    with connect(settings, context.log.info if context.log else None) as driver:
        if run_id:
            _drivers[run_id] = driver
        try:
            yield driver
        finally:
            _drivers.pop(run_id or "", None)
