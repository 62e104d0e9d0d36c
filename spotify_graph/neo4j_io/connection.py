"""A driver of a server that has answered, or one clear line that says why it doesn't."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from spotify_graph.neo4j_io.errors import At, ServerError

if TYPE_CHECKING:
    from neo4j import Driver

_TOO_OFTEN = "Neo.ClientError.Security.AuthenticationRateLimit"
_TIMEOUT_S = 30
"""A server under load is slow to answer; one that is not there refuses at once."""


@contextmanager
def connect(uri: str, auth: tuple[str, str] | None, database: str, **options: Any) -> Iterator[Driver]:
    """Opens a driver, and asks the database something.

    Args:
        uri: the server's address.
        auth: user name and password, or None where the server asks for none.
        database: the database.
        options: what the driver is told besides, in the place of what it is told here.

    Raises:
        ServerError: the server can't be reached, or refuses the user, the password or the database.
    """
    from neo4j import GraphDatabase, NotificationDisabledClassification
    from neo4j.exceptions import AuthError, ClientError, ConfigurationError, DriverError, ServiceUnavailable

    where = f"Neo4j at {_without_secrets(uri)}"
    try:
        driver = GraphDatabase.driver(
            uri,
            auth=auth,
            **{
                "connection_timeout": _TIMEOUT_S,
                # A label or a type that the database has not met yet is a young graph, not a mistake to warn about.
                "notifications_disabled_classifications": [NotificationDisabledClassification.UNRECOGNIZED],
                **options,
            },
        )
    except (ConfigurationError, ValueError) as error:
        # The driver quotes the address.
        problem = _without_secrets(f"{uri} is no address of a Neo4j server: {error}")
        raise ServerError(At.ADDRESS, problem) from None
    with driver:
        try:
            # Unlike a managed transaction, this fails at the first attempt and not after 30 s of them.
            with driver.session(database=database) as session:
                session.run("RETURN 1").consume()
        except AuthError:
            user = f"user {auth[0]!r}" if auth else "a user without a password"
            raise ServerError(At.USER, f"{where} refuses {user}") from None
        except (ServiceUnavailable, DriverError, OSError) as error:
            if (of_tls := _of_tls(error)) is not None:
                raise _refused_tls(where, of_tls) from None
            raise ServerError(At.ADDRESS, f"{where} can't be reached ({str(error).splitlines()[0]})") from None
        except ClientError as error:
            if error.code == _TOO_OFTEN:
                problem = f"{where} was given wrong passwords too often, and lets nobody in for some seconds"
                raise ServerError(At.USER, problem) from None
            raise ServerError(At.DATABASE, f"{where}, database {database!r}: {error.message}") from None
        yield driver


def _of_tls(error: BaseException) -> ssl.SSLError | None:
    """The fault of TLS that an error comes from, if any; where several servers were tried, of one of them."""
    if isinstance(error, ssl.SSLError):
        return error
    others = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    causes = (it for it in (*others, error.__cause__, error.__context__) if it is not None)
    return next((found for it in causes if (found := _of_tls(it))), None)


def _refused_tls(where: str, error: ssl.SSLError) -> ServerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ServerError(
            At.CERTIFICATE, f"{where} has a certificate that is not trusted ({error.verify_message.rstrip('.')})"
        )
    return ServerError(At.TLS, f"{where} takes no connection with TLS ({error.reason or error.strerror})")


def _without_secrets(text: str) -> str:
    """A text whose addresses name no user and no password."""
    return re.sub(r"//[^/\s]*@", "//", text)
