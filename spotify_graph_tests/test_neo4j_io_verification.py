from dataclasses import replace
from datetime import timedelta

import pytest

from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.verification import Verification, verify, verify_published
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.graphs import (
    Graph,
    InterruptedPublicationError,
    as_properties,
    stop_after_first_batch,
    written,
)
from spotify_graph_tests.people import ANN, BOB, CID, CITY, EARLY, LAST, LIVES_IN, ODD, PERSON, SOON, Row, person

HOMES: list[Row] = [("Ann", "Rome", 1, SOON), ("Bob", "Rome", 2, None), ("Cid", "Oslo", 3, LAST)]


def publish_all(graph: Graph) -> None:
    graph.publish(PERSON, ANN, BOB, CID)
    graph.publish(CITY, ("Rome",), ("Oslo",))
    graph.publish(LIVES_IN, *HOMES)


def verified(graph: Graph, table: GraphTable) -> Verification:
    return verify_published(graph.driver, DATABASE, table, graph.root)


def test_a_checksum_counts_and_sums_every_column(graph: Graph) -> None:
    people = graph.stage(PERSON, person("Ann", EARLY, ("x", "🎵y"), 3, 0.25), person("Bo", None, (), None, -1.5, False))
    digest = people.checksum.pop("digest of the rows")
    assert 0 < digest < 2 * 2**31
    # EARLY is 1.999999 s before 1970.
    assert people.checksum == {
        "count": 2,
        "values of name": 2,
        "characters of name": 5,
        "values of born": 1,
        "microseconds of born": -1_999_999,
        "values of tags": 2,
        "elements of tags": 2,
        "characters of tags": 3,
        "values of visits": 1,
        "sum of visits": 3,
        "values of score": 2,
        "millionths of score": -1_250_000,
        "values of active": 2,
        "true values of active": 1,
    }
    assert set(graph.stage(CITY).checksum.values()) == {0}


def test_what_was_published_is_verified_whatever_the_values(graph: Graph) -> None:
    keys = [
        "'",
        "`",
        "\\",
        "a\nb",
        "🎵",
        "🎵🎵a",
        "e\u0301",
        "ÅÅ",
        " x ",
        "-",
        "7",
        "Zz",
        "٣",
        "\U0010ffff",
        "a🎵",
        "-é",
    ]
    scores = [0.0, -0.0, float("nan"), float("inf"), 1e300, 5e-324, 999_999_999.999_999_9, -1e9, 0.1, -1e-7]
    moments = [None, EARLY, LAST, SOON, EARLY - timedelta(days=700_000, microseconds=999)]
    people = [
        person(
            key,
            born=moments[i % len(moments)],
            tags=tuple(keys[:i]),
            score=scores[i % len(scores)],
            active=i % 3 == 0,
        )
        for i, key in enumerate(keys)
    ]
    graph.publish(PERSON, *people)
    graph.publish(ODD, *((key, key[::-1]) for key in keys), ("none", None), ("empty", ""))
    for table in (PERSON, ODD):
        verification = verified(graph, table)
        assert verification.differences == []
        assert verification.holds


def test_whole_numbers_are_summed_exactly_beyond_64_bits(graph: Graph) -> None:
    graph.publish(CITY, ("Rome",))
    numbers = [2**63 - 1, 2**63 - 1, 2**63 - 1, -(2**63), 10**9, -1]
    names = [f"p{i}" for i in range(len(numbers))]
    graph.publish(PERSON, *map(person, names))
    snapshot = graph.stage(
        LIVES_IN, *((name, "Rome", number, None) for name, number in zip(names, numbers, strict=True))
    )
    assert snapshot.checksum["sum of count"] == sum(numbers)
    graph.publish_snapshot(LIVES_IN, snapshot)
    assert verify(graph.driver, DATABASE, LIVES_IN, snapshot).holds


def test_a_verification_is_recorded_until_the_next_publication(graph: Graph) -> None:
    snapshot = graph.stage(CITY, ("Rome",))
    graph.publish_snapshot(CITY, snapshot)
    assert graph.entry(CITY).verified_at is None
    assert verify(graph.driver, DATABASE, CITY, snapshot).version == snapshot.version
    entry = graph.entry(CITY)
    assert entry.verified_at is not None
    assert entry.finished_at is not None
    assert entry.verified_at >= entry.finished_at
    again = graph.stage(CITY, ("Rome",))
    assert graph.publish_snapshot(CITY, again).skipped
    assert graph.entry(CITY).verified_at == entry.verified_at
    assert verify(graph.driver, DATABASE, CITY, again).version == snapshot.version
    last = graph.entry(CITY).verified_at
    assert last is not None
    assert last > entry.verified_at
    graph.publish(CITY, ("Oslo",))
    assert graph.entry(CITY).verified_at is None


@pytest.mark.parametrize(
    ("table", "edit", "difference"),
    [
        (CITY, "MATCH (c:City {title: 'Rome'}) DETACH DELETE c", "count: 2 in the snapshot, 1 in the graph"),
        (CITY, "CREATE (:City {title: 'Bonn'})", "characters of title: 8 in the snapshot, 12 in the graph"),
        (CITY, "CREATE (:City)", "count: 2 in the snapshot, 3 in the graph"),
        (CITY, "MATCH (c:City {title: 'Rome'}) SET c.title = 5", "values of title: 2 in the snapshot, 1 in the graph"),
        (CITY, "MATCH (c:City {title: 'Rome'}) SET c.title = 'Bonn'", "digest of the rows"),
        (PERSON, "MATCH (p:Person {name: 'Ann'}) REMOVE p.visits", "values of visits: 2 in the snapshot, 1 in"),
        (PERSON, "MATCH (p:Person {name: 'Ann'}) SET p.visits = 1.0", "values of visits: 2 in the snapshot, 1 in"),
        (PERSON, "MATCH (p:Person {name: 'Ann'}) SET p.tags = ['xy']", "elements of tags: 2 in the snapshot, 1 in"),
        (PERSON, "MATCH (p:Person {name: 'Ann'}) SET p.active = 1 = 0", "true values of active: 3 in the snapshot, 2"),
        (PERSON, "MATCH (p:Person {name: 'Bob'}) SET p.score = null", "values of score: 3 in the snapshot, 2 in"),
        (
            PERSON,
            "MATCH (p:Person {name: 'Cid'}) SET p.born = p.born - duration({microseconds: 1})",
            "microseconds of born: 253,402,300,798,000,000 in the snapshot, 253,402,300,797,999,999 in",
        ),
        (LIVES_IN, "MATCH (p)-[:LIVES_IN {count: 1}]->(c) CREATE (p)-[:LIVES_IN]->(c)", "count: 3 in the snapshot, 4"),
        (LIVES_IN, "MATCH ()-[r:LIVES_IN]->(:City {title: 'Oslo'}) DELETE r", "count: 3 in the snapshot, 2"),
        (
            LIVES_IN,
            "MATCH (p {name: 'Ann'})-[r]->(), (c {title: 'Oslo'}) CREATE (p)-[new:LIVES_IN]->(c) SET new = r DELETE r",
            "digest of the rows",
        ),
        (LIVES_IN, "MATCH ()-[r:LIVES_IN]->() WHERE r.count < 3 SET r.count = 3 - r.count", "digest of the rows"),
    ],
)
def test_an_edit_by_hand_is_noticed_and_the_next_publication_repairs_it(
    graph: Graph, table: GraphTable, edit: str, difference: str
) -> None:
    publish_all(graph)
    before = [graph.people(), graph.homes()]
    rows: dict[GraphTable, list[Row]] = {PERSON: [ANN, BOB, CID], CITY: [("Rome",), ("Oslo",)], LIVES_IN: HOMES}
    graph.driver.execute_query(edit)
    found = verified(graph, table)
    assert not found.holds
    assert any(line.startswith(difference) for line in found.differences), found.differences
    assert graph.entry(table).status == ledger.Status.OUT_OF_SYNC
    assert not graph.publish(table, *rows[table]).skipped
    assert verified(graph, table).holds
    # Relationships that went with their node come back with their own publication.
    if graph.entry(LIVES_IN).status is ledger.Status.PUBLISHED:
        verified(graph, LIVES_IN)
    graph.publish(LIVES_IN, *HOMES)
    assert [graph.people(), graph.homes()] == before


def test_a_relationship_that_somebody_else_made_before_it_was_published_is_noticed_and_not_left_twice(
    graph: Graph,
) -> None:
    publish_all(graph)
    first, *others = HOMES
    graph.publish(LIVES_IN, *others)
    graph.driver.execute_query(
        "MATCH (p:Person {name: $person}), (c:City {title: $city}) CREATE (p)-[:LIVES_IN]->(c)",
        person=first[0],
        city=first[1],
    )
    graph.publish(LIVES_IN, *HOMES)
    assert not verified(graph, LIVES_IN).holds
    graph.publish(LIVES_IN, *HOMES)
    assert verified(graph, LIVES_IN).holds


def test_what_no_publication_finished_is_not_verified(graph: Graph) -> None:
    with pytest.raises(PublicationError, match="people: nothing to verify: never published; publish it first"):
        verified(graph, PERSON)
    with pytest.raises(InterruptedPublicationError):
        graph.publish(PERSON, ANN, BOB, batch_rows=1, progress=stop_after_first_batch)
    with pytest.raises(PublicationError, match="its last publication is publishing"):
        verified(graph, PERSON)


def test_a_snapshot_that_is_not_the_published_one_is_compared_and_nothing_recorded(graph: Graph) -> None:
    graph.publish(CITY, ("Rome",))
    before = graph.entry(CITY)
    other = graph.stage(CITY, ("Rome",), ("Oslo",))
    found = verify(graph.driver, DATABASE, CITY, other)
    assert found.version == other.version
    assert found.differences[0] == "count: 2 in the snapshot, 1 in the graph"
    assert graph.entry(CITY) == before
    with pytest.raises(PublicationError, match="stage it again"):
        verify(graph.driver, DATABASE, PERSON, other)


def test_a_publication_that_began_meanwhile_is_not_put_out_of_sync(graph: Graph) -> None:
    graph.publish(CITY, ("Rome",))
    seen = graph.entry(CITY)
    graph.publish(CITY, ("Oslo",))
    current = graph.entry(CITY)
    with graph.driver.session(database=DATABASE) as session:
        assert not ledger.verify(session, seen, equal=False)
        assert graph.entry(CITY) == current
        assert ledger.verify(session, current, equal=True)
    assert replace(graph.entry(CITY), verified_at=None) == current


def test_a_lost_snapshot_is_an_error_and_not_a_difference(graph: Graph) -> None:
    graph.publish(CITY, ("Rome",))
    before = graph.entry(CITY)
    Snapshot.load(graph.root / "cities" / before.version).path.joinpath("_snapshot.json").unlink()
    with pytest.raises(FileNotFoundError):
        verified(graph, CITY)
    assert graph.entry(CITY) == before


def test_only_differences_are_written_again_where_the_graph_is_out_of_sync(graph: Graph) -> None:
    graph.publish(PERSON, ANN, BOB, CID)
    graph.driver.execute_query("MATCH (p:Person {name: 'Bob'}) SET p.visits = 9")
    assert not verified(graph, PERSON).holds
    assert written(graph.publish(PERSON, ANN, BOB, CID)) == (0, 1, 0)
    assert graph.people() == as_properties(ANN, BOB, CID)
