"""Wires to the suite's server that are cut."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from neo4j import Driver, GraphDatabase

from spotify_graph.local.neo4j import LocalNeo4j

# A Bolt message of two bytes, a structure without fields and with the tag 0x12, and the end of the message.
COMMIT = b"\x00\x02\xb0\x12\x00\x00"


class CutWire:
    """A TCP proxy in front of the server that cuts every connection at each second commit, or other message.

    Attributes:
        uri: where it listens.
        commits: how many commits, or such messages, clients have sent.
        cuts: how many of them were cut.
    """

    def __init__(self, server: tuple[str, int], answer_only: bool, message: bytes = COMMIT) -> None:
        """Starts to listen.

        Args:
            server: the server's address.
            answer_only: whether the server gets the commit, and only its answer is lost.
            message: what a message holds that is cut.
        """
        self._message = message
        self._server = server
        self._answer_only = answer_only
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.uri = f"bolt://127.0.0.1:{self._listening.getsockname()[1]}"
        self.commits = self.cuts = 0
        self._start(self._accept)

    def close(self) -> None:
        """Stops to listen, and cuts what is left."""
        _close(self._listening)
        self._cut()

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            server = socket.create_connection(self._server)
            with self._lock:
                self._open += [client, server]
            _Pair(self, client, server)

    def _start(self, work: Callable[[], None]) -> None:
        def quietly() -> None:
            with contextlib.suppress(OSError):
                work()

        Thread(target=quietly, daemon=True).start()

    def _is_to_be_cut(self, sent: bytes) -> bool:
        with self._lock:
            before = self.commits
            self.commits += sent.count(self._message)
            cut = self.commits > before and self.commits % 2 == 1
            self.cuts += cut
        return cut

    def _cut(self) -> None:
        with self._lock:
            for each in self._open:
                _close(each)
            self._open.clear()


class _Pair:
    def __init__(self, wire: CutWire, client: socket.socket, server: socket.socket) -> None:
        self._wire, self._client, self._server = wire, client, server
        self._answer_is_lost = False
        wire._start(self._up)
        wire._start(self._down)

    def _up(self) -> None:
        while sent := self._client.recv(65_536):
            if self._wire._is_to_be_cut(sent):
                if not self._wire._answer_only:
                    break
                self._answer_is_lost = True
            self._server.sendall(sent)
        self._end()

    def _down(self) -> None:
        while (answer := self._server.recv(65_536)) and not self._answer_is_lost:
            self._client.sendall(answer)
        self._end()

    def _end(self) -> None:
        if self._answer_is_lost or not self._wire._answer_only:
            self._wire._cut()
        _close(self._client)
        _close(self._server)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextlib.contextmanager
def cut_wire(local_neo4j: LocalNeo4j, **options: Any) -> Iterator[CutWire]:
    """A wire to the suite's server."""
    server = urlsplit(local_neo4j.status().uri)
    assert server.hostname
    assert server.port
    wire = CutWire((server.hostname, server.port), **options)
    yield wire
    wire.close()


@contextlib.contextmanager
def driver_of(wire: CutWire, local_neo4j: LocalNeo4j) -> Iterator[Driver]:
    """A driver that connects through a wire; its first pause is short."""
    auth = ("neo4j", local_neo4j.password().get_secret_value())
    with GraphDatabase.driver(wire.uri, auth=auth, initial_retry_delay=0.01) as driver:
        yield driver
