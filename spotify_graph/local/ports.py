"""TCP ports of this machine's loopback address."""

import secrets
import socket

import psutil

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
