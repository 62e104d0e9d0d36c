import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from neo4j import Driver, GraphDatabase
from pyspark.sql import SparkSession

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.verification import verify_published
from spotify_graph_tests.people import CITY, LIVES_IN, PERSON
from spotify_graph_tests.test_neo4j_io_publication import (
    DATABASE,
    EARLY,
    LAST,
    SOON,
    Graph,
    as_properties,
    person,
    written,
)

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


@pytest.fixture(params=["the commit is lost", "the answer is lost"])
def wire(request: pytest.FixtureRequest, local_neo4j: LocalNeo4j) -> Iterator[CutWire]:
    with cut_wire(local_neo4j, answer_only=request.param == "the answer is lost") as wire:
        yield wire


@pytest.fixture
def graph(clean_graph: Driver, spark: SparkSession, tmp_path: Path) -> Graph:
    return Graph(clean_graph, spark, tmp_path / "lake")


@pytest.fixture
def cut(graph: Graph, wire: CutWire, local_neo4j: LocalNeo4j) -> Iterator[Graph]:
    """The graph through the wire that is cut."""
    with driver_of(wire, local_neo4j) as driver:
        yield Graph(driver, graph.spark, graph.root)


def test_a_publication_whose_connections_are_cut_at_every_transaction_is_complete_and_exact(
    graph: Graph, cut: Graph, wire: CutWire
) -> None:
    names = [f"p{i}" for i in range(6)]
    old = [person(name) for name in names]
    assert written(cut.publish(PERSON, *old, batch_rows=2)) == (6, 0, 0)
    assert graph.people() == as_properties(*old)
    cut.publish(CITY, ("Oslo",), ("Rome",))
    homes = [(name, "Rome", i, (EARLY, None, LAST)[i % 3]) for i, name in enumerate(names)]
    cut.publish(LIVES_IN, *homes, batch_rows=2)
    assert [(*row[:2], row[2]["count"], row[2].get("since")) for row in graph.homes()] == homes
    # Three batches, the claim and the end of each publication of two labels and a type, to say the least.
    assert wire.cuts >= 13
    for table in (PERSON, CITY, LIVES_IN):
        assert verify_published(cut.driver, DATABASE, table, graph.root).holds
        assert graph.entry(table).verified_at is not None

    new = [person("p0", LAST), *old[2:], person("p9")]
    assert written(cut.publish(PERSON, *new, batch_rows=1)) == (1, 1, 1)
    assert graph.people() == as_properties(*new)
    assert graph.entry(LIVES_IN).status == ledger.Status.DISTURBED
    kept = [home for home in homes if home[0] != "p1"]
    cut.publish(LIVES_IN, *kept, ("p9", "Oslo", 1, SOON), batch_rows=2)
    assert [row[:2] for row in graph.homes()] == [[name, city] for name, city, *_ in kept] + [["p9", "Oslo"]]
    for table in (PERSON, LIVES_IN):
        assert verify_published(graph.driver, DATABASE, table, graph.root).holds


def test_bad_data_is_not_tried_again(graph: Graph, cut: Graph, wire: CutWire) -> None:
    graph.publish(PERSON, person("Ann"))
    graph.publish(CITY, ("Rome",))
    steps: list[int] = []
    with pytest.raises(PublicationError, match="1 LIVES_IN of a batch lack their Person or City"):
        cut.publish(LIVES_IN, ("Ann", "Paris", 1, None), progress=lambda done, _: steps.append(done))
    assert steps == []
    assert graph.homes() == []
    # The last transaction, that of the batch, never came to its commit.
    assert wire.commits == 2 * wire.cuts
