import errno
import os
from collections.abc import Iterator

import pytest
from neo4j import ManagedTransaction

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger, transaction
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.verification import verify_published
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.graphs import Graph, as_properties, written
from spotify_graph_tests.people import CITY, EARLY, LAST, LIVES_IN, PERSON, SOON, person
from spotify_graph_tests.wires import CutWire, cut_wire, driver_of


@pytest.fixture(params=["the commit is lost", "the answer is lost"])
def wire(request: pytest.FixtureRequest, local_neo4j: LocalNeo4j) -> Iterator[CutWire]:
    with cut_wire(local_neo4j, answer_only=request.param == "the answer is lost") as wire:
        yield wire


@pytest.fixture
def cut(graph: Graph, wire: CutWire, local_neo4j: LocalNeo4j) -> Iterator[Graph]:
    """The graph through the wire that is cut."""
    with driver_of(wire, local_neo4j) as driver:
        yield Graph(driver, graph.root)


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
    assert graph.entry(LIVES_IN).status == ledger.Status.OUT_OF_SYNC
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


def test_what_fails_because_a_connection_is_cut_while_it_is_opened_is_tried_again_and_no_other_fault_of_the_system(
    graph: Graph,
) -> None:
    faults = [errno.ENOTCONN, errno.ENOSPC]

    def work(tx: ManagedTransaction) -> None:
        fault = faults.pop(0)
        raise OSError(fault, os.strerror(fault))

    with graph.driver.session(database=DATABASE) as session, pytest.raises(OSError, match="No space left"):
        transaction.write(session, work)
    assert faults == []
