"""TCP ports of this machine's loopback address."""

import secrets
import socket
from collections.abc import Callable

import psutil

from spotify_graph.errors import UserError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def user_of(port: int) -> str | None:
    """Which process listens on the port, in words, where this one may know."""
    try:
        sockets = [it for it in psutil.net_connections("tcp") if it.status == psutil.CONN_LISTEN and it.pid]
        pid = next((it.pid for it in sockets if it.laddr and it.laddr.port == port), None)
        return f"{psutil.Process(pid).name()} (process {pid})" if pid else None
    except psutil.Error:
        return None


def chosen(asked: int | None, usual: int, what: str, say: Callable[[str], None]) -> int:
    """The port that was asked for, or else the usual one or, where that is taken, another.

    Args:
        asked: the port that somebody asked for.
        usual: the port that it is unless somebody asks for one.
        what: what gets it, in words.
        say: told why it is another.

    Raises:
        UserError: the port that was asked for is taken.
    """
    port = usual if asked is None else asked
    if is_free(port):
        return port
    user = user_of(port) or "another process"
    if asked is not None:
        raise UserError(f"port {port} is taken by {user}: give --port another one, or leave it out")
    other = free_or_other(port)
    say(f"Port {port} is taken by {user}: {what} gets {other}")
    return other


def free_or_other(port: int) -> int:
    """The port if it is free, or else another one that is."""
    # Below the ports that systems give to outgoing connections: there one would be taken again before long.
    while not is_free(port):
        port = 20_000 + secrets.randbelow(10_000)
    return port


def answers(port: int) -> bool:
    """Whether anybody listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def listens(process: psutil.Process, port: int) -> bool:
    """Whether it is this process that holds the port."""
    try:
        sockets = process.net_connections("tcp")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)
