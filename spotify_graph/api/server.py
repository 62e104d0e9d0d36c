"""The service as a process: where it listens, and how it ends."""

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

import uvicorn
from neo4j import Driver

from spotify_graph.api import token
from spotify_graph.api.app import build
from spotify_graph.api.plans import Plans
from spotify_graph.errors import UserError
from spotify_graph.local.ports import HOST, chosen, user_of
from spotify_graph.local.stopping import Stop
from spotify_graph.settings import SERVE_PORT, Settings

_BACKLOG = 1024
_END_SECONDS = 15
_IDLE_SECONDS = 75
_LOOK_SECONDS = 0.1
_WATCH_SECONDS = 1


def driver_options(settings: Settings) -> Mapping[str, Any]:
    """What the service's driver is told: how large its own pool is, and not to wait long for a server that is away.

    Args:
        settings: the installation's settings.
    """
    return {
        "max_connection_pool_size": settings.serve_connections + 1,  # one makes plans
        "connection_acquisition_timeout": 5,
        "connection_timeout": 5,
        # A connection that a restart of the server has cut is asked anew at once; a server that is away is left alone.
        "initial_retry_delay": 0.05,
        "max_transaction_retry_time": 0.3,
        "user_agent": "spotify-graph-serve",
    }


def listen(settings: Settings, say: Callable[[str], None]) -> socket.socket:
    """Takes the port that the service is to listen on.

    Args:
        settings: the installation's settings.
        say: told where another port than usual is taken.

    Raises:
        UserError: the port that was asked for is taken, or there is no such address on this machine.
    """
    host = settings.serve_host
    port = settings.serve_port or chosen(None, SERVE_PORT, "the HTTP service", say)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"{host} is no address of this machine ({error.strerror}): give another --host") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        user = user_of(port)
        what = f"port {port} is taken by {user}" if user else f"{host}:{port} can't be listened on ({error.strerror})"
        raise UserError(f"{what}: give --port another one, or leave it out") from None
    return listener


def url(host: str, port: int) -> str:
    """The address of a service of this machine.

    Args:
        host: where it listens, on all addresses maybe.
        port: its port.
    """
    host = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104 this connects
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(
    settings: Settings,
    driver: Driver,
    listener: socket.socket,
    stop: Stop,
    ready: Callable[[str], None],
    say: Callable[[str], None],
    figures: Callable[[], str],
) -> None:
    """Answers requests until somebody asks to stop, and then those that are under way.

    Args:
        settings: the installation's settings.
        driver: a connection to the server, with `driver_options`.
        listener: where to listen, from `listen`.
        stop: says when to stop.
        ready: told the service's address once it answers.
        say: told who else can ask.
        figures: gives more metrics, as `app.build` takes them.

    Raises:
        UserError: the token can't be read, or the service ended by itself.
    """
    file = settings.serve_token_file
    host, port = listener.getsockname()[:2]
    plans = Plans(driver, settings.neo4j_database)
    app = build(
        driver,
        settings.neo4j_database,
        connections=settings.serve_connections,
        limit=settings.serve_in_flight,
        shown=token.read(file) if file else None,
        planned=lambda: plans.made,
        figures=figures,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            # Requests name people: they are counted, and not logged. What goes wrong is on stderr.
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_END_SECONDS,
            # Longer than clients and proxies keep idle connections: else one is closed while a request is on its way.
            timeout_keep_alive=_IDLE_SECONDS,
        )
    )
    # In the main thread, uvicorn would take the signals for itself, and end this process by one.
    running = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
    stop.at_once, stop.awaiting = False, "requests that are under way"
    # What goes wrong with Neo4j is told once, and not for each attempt.
    logging.getLogger("neo4j").setLevel(logging.ERROR)
    plans.start()
    running.start()
    while not (server.started or stop.asked) and running.is_alive():
        running.join(_LOOK_SECONDS)
    if server.started:
        if file is None and not ip_address(host).is_loopback:
            say(
                f"warning: whoever reaches {host} can ask what anybody listens to: give --token-file,"
                f" or leave out --host to listen on {HOST} alone"
            )
        ready(url(host, port))
    while not stop.asked and running.is_alive():
        stop.wait(_WATCH_SECONDS)
    server.should_exit = True
    plans.end()
    running.join()
    if not stop.asked:
        raise UserError("the service ended by itself: what went wrong stands above")
