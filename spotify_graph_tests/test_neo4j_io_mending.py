"""What becomes of a published graph under other people's hands: told, and mended without harm to what is theirs."""

from pathlib import Path
from typing import Any

import pytest
from neo4j import Driver

from spotify_graph.neo4j_io import cypher, ledger, mending
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.mending import Mending
from spotify_graph.neo4j_io.verification import verify_published
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.graphs import (
    Graph,
    InterruptedPublicationError,
    as_properties,
    stop_after_first_batch,
    written,
)
from spotify_graph_tests.people import ANN, BOB, CID, CITY, LAST, LIVES_IN, PERSON, SOON, Row, person
from spotify_graph_tests.plans import operator_names

HOMES: list[Row] = [("Ann", "Rome", 1, SOON), ("Bob", "Rome", 2, None), ("Cid", "Oslo", 3, LAST)]
PAIRS = [["Ann", "Rome"], ["Bob", "Rome"], ["Cid", "Oslo"]]


@pytest.fixture
def graph(clean_graph: Driver, tmp_path: Path) -> Graph:
    graph = Graph(clean_graph, tmp_path / "lake")
    graph.publish(PERSON, ANN, BOB, CID)
    graph.publish(CITY, ("Rome",), ("Oslo",))
    graph.publish(LIVES_IN, *HOMES)
    for table in (PERSON, CITY, LIVES_IN):
        assert verify_published(graph.driver, DATABASE, table, graph.root).holds
    return graph


def mend(graph: Graph, table: GraphTable, **options: Any) -> Mending:
    return mending.mend(graph.driver, DATABASE, table, graph.root, **options)


def in_doubt(graph: Graph, table: GraphTable, **options: Any) -> bool:
    with graph.driver.session(database=DATABASE) as session:
        return mending.may_differ(session, table, graph.entry(table), graph.root, **options)


def told(found: Mending) -> dict[str, dict[str, tuple[int, list[tuple[Any, ...]]]]]:
    """What was found to be changed, by asset, with how many rows and which."""
    return {
        it.table.asset: {
            name: (rows.rows, sorted(rows.examples, key=str))
            for name, rows in (("missing", it.missing), ("changed", it.changed), ("added", it.foreign.found))
            if rows.rows
        }
        for it in found.changes
    }


def pairs(graph: Graph) -> list[list[Any]]:
    return [row[:2] for row in graph.homes()]


def test_what_somebody_deleted_changed_and_added_is_told_apart_and_mended(graph: Graph) -> None:
    graph.ask("MATCH (p:Person {name: 'Ann'}) DETACH DELETE p")
    graph.ask("MATCH (p:Person {name: 'Bob'}) SET p.score = 7.0")
    graph.ask("CREATE (:Person {name: 'Zed'}), (:Person {nick: 'x'})")
    assert in_doubt(graph, PERSON)
    found = mend(graph, PERSON)
    assert told(found) == {
        "people": {
            "missing": (1, [("Ann",)]),
            "changed": (1, [("Bob",)]),
            "added": (2, [("Zed",), ({"nick": "x"},)]),
        }
    }
    assert found.verification.holds
    assert graph.people() == as_properties(ANN, BOB, CID)
    # What went with the node is doubted, found and mended in its turn.
    assert pairs(graph) == PAIRS[1:]
    assert in_doubt(graph, LIVES_IN)
    assert told(mend(graph, LIVES_IN)) == {"homes": {"missing": (1, [("Ann", "Rome")])}}
    assert pairs(graph) == PAIRS
    assert not any(in_doubt(graph, table) for table in (PERSON, CITY, LIVES_IN))
    assert told(mend(graph, PERSON)) == {}


def test_relationships_that_somebody_doubled_changed_and_added_are_as_they_were(graph: Graph) -> None:
    before = graph.homes()
    graph.ask("MATCH (p {name: 'Ann'})-[r:LIVES_IN]->(c) CREATE (p)-[:LIVES_IN {count: 5}]->(c)")
    graph.ask("MATCH (p {name: 'Bob'})-[r:LIVES_IN]->(c) SET r.count = 'many'")
    graph.ask("MATCH (p {name: 'Cid'}), (c {title: 'Rome'}) CREATE (p)-[:LIVES_IN]->(c)")
    assert in_doubt(graph, LIVES_IN)
    assert told(mend(graph, LIVES_IN)) == {
        "homes": {"changed": (2, [("Ann", "Rome"), ("Bob", "Rome")]), "added": (1, [("Cid", "Rome")])}
    }
    assert graph.homes() == before


def test_what_an_analyst_adds_to_our_nodes_survives_and_so_does_what_has_a_label_of_its_own(graph: Graph) -> None:
    graph.ask("MATCH (p:Person {name: 'Ann'}) SET p:Vip, p.note = 'mine', p.score = 9.0 REMOVE p.visits")
    graph.ask("MATCH (a:Person {name: 'Ann'}), (b:Person {name: 'Bob'}) CREATE (a)-[:KNOWS]->(b)")
    graph.ask("MATCH (c:City {title: 'Rome'}) CREATE (:Ghost {name: 'Ann'})-[:LIVES_IN {count: 1}]->(c)")
    assert not in_doubt(graph, LIVES_IN)
    assert told(mend(graph, PERSON)) == {"people": {"changed": (1, [("Ann",)])}}
    assert told(mend(graph, LIVES_IN)) == {}
    ann, *others = as_properties(ANN, BOB, CID)
    assert graph.people() == [ann | {"note": "mine"}, *others]
    assert graph.ask("MATCH (p:Vip)-[:KNOWS]->(b) RETURN p.name, b.name") == [["Ann", "Bob"]]
    assert graph.ask("MATCH (g:Ghost)-[:LIVES_IN]->(c) RETURN c.title") == [["Rome"]]


def test_foreign_nodes_go_with_their_relationships_in_small_batches_and_it_is_told(graph: Graph) -> None:
    graph.ask(
        "MATCH (c:City) CREATE (c)<-[:LIVES_IN {count: 1}]-(:Person {name: 'Z' + c.title}), (c)<-[:NEAR]-(:Person)"
    )
    graph.ask("MATCH (p:Person {name: 'ZRome'}), (b:Person {name: 'Bob'}) CREATE (p)-[:KNOWS]->(b)")
    [changes] = mend(graph, PERSON, batch_rows=1).changes
    assert changes.foreign.found.rows == 4
    assert changes.foreign.relationships == {"LIVES_IN": 2, "KNOWS": 1, "NEAR": 2}
    assert graph.people() == as_properties(ANN, BOB, CID)
    # They were nobody's but theirs.
    assert told(mend(graph, LIVES_IN)) == {}
    assert pairs(graph) == PAIRS


def test_a_node_that_lost_its_key_comes_back_with_its_relationships(graph: Graph) -> None:
    graph.ask("MATCH (c:City {title: 'Rome'}) REMOVE c.title")
    assert not in_doubt(graph, CITY)
    found = told(mend(graph, CITY))
    assert found == {"cities": {"missing": (1, [("Rome",)]), "added": (1, [({},)])}}
    assert told(mend(graph, LIVES_IN)) == {"homes": {"missing": (2, [("Ann", "Rome"), ("Bob", "Rome")])}}
    assert pairs(graph) == PAIRS


def test_relationships_whose_nodes_are_gone_unnoticed_mend_those_first(graph: Graph) -> None:
    graph.ask("MATCH (p:Person {name: 'Ann'}) DETACH DELETE p CREATE (:Person {name: 'Zed'})")
    assert not in_doubt(graph, PERSON)
    assert told(mend(graph, LIVES_IN)) == {
        "people": {"missing": (1, [("Ann",)]), "added": (1, [("Zed",)])},
        "homes": {"missing": (1, [("Ann", "Rome")])},
    }
    assert graph.people() == as_properties(ANN, BOB, CID)
    assert pairs(graph) == PAIRS
    assert graph.entry(PERSON).verified_at
    assert graph.entry(LIVES_IN).verified_at


def test_what_is_kept_does_not_count_outlasts_publications_and_goes_when_it_is_to_go(graph: Graph) -> None:
    graph.ask("CREATE (z:Person {name: 'Zed', visits: 3, score: 'odd'}), (:Person {nick: 'x', active: true})")
    graph.ask("""
        MATCH (z:Person {name: 'Zed'}), (c:City {title: 'Rome'}), (o:City {title: 'Oslo'}), (b {name: 'Bob'}),
              (x {nick: 'x'})
        CREATE (z)-[:LIVES_IN {count: 4}]->(c), (z)-[:LIVES_IN]->(c), (b)-[:LIVES_IN]->(o), (x)-[:LIVES_IN]->(o)
    """)
    graph.ask("MATCH (p:Person {name: 'Ann'}) SET p.visits = 8")
    for table, kept in ((PERSON, 2), (LIVES_IN, 4)):
        found = mend(graph, table, keep=True)
        assert found.verification.holds, found.verification.differences
        [changes] = found.changes
        assert (changes.foreign.found.rows, changes.foreign.kept is not None) == (kept, True)
        assert graph.entry(table).kept_rows == kept
        assert not in_doubt(graph, table, keep=True)
        assert in_doubt(graph, table)
        assert mend(graph, table, keep=True).changes == []
    new_bob = person("Bob", visits=5)
    assert written(graph.publish(PERSON, ANN, new_bob, CID, keep=True)) == (0, 1, 0)
    assert verify_published(graph.driver, DATABASE, PERSON, graph.root).holds
    # What is kept may be changed by whoever made it: it's told as theirs anew.
    graph.ask("MATCH (z:Person {name: 'Zed'}) SET z.visits = 4")
    assert told(mend(graph, PERSON, keep=True))["people"].keys() == {"added"}

    assert told(mend(graph, PERSON)).keys() == {"people"}
    assert graph.people() == as_properties(ANN, new_bob, CID)
    assert told(mend(graph, LIVES_IN)) == {"homes": {"added": (1, [("Bob", "Oslo")])}}
    assert pairs(graph) == PAIRS
    assert graph.entry(LIVES_IN).kept is None


def test_what_is_kept_goes_with_the_next_publication_that_does_not_keep_it(graph: Graph) -> None:
    graph.ask("CREATE (:City {title: 'Bonn'})")
    mend(graph, CITY, keep=True)
    assert graph.publish(CITY, ("Rome",), ("Oslo",), keep=True).skipped
    result = graph.publish(CITY, ("Rome",), ("Oslo",))
    assert (result.foreign.found.rows, result.foreign.found.examples) == (1, (("Bonn",),))
    assert graph.ask("MATCH (c:City) RETURN c.title ORDER BY c.title") == [["Oslo"], ["Rome"]]


def test_a_first_publication_tells_what_it_finds_under_its_label(graph: Graph) -> None:
    graph.ask("MATCH (p:_Publication) DELETE p")
    graph.ask("CREATE (:City {title: 'Bonn'}), (:City)")
    result = graph.publish(CITY, ("Rome",), ("Oslo",), keep=True)
    assert (result.foreign.found.rows, result.foreign.found.examples) == (2, (({},), ("Bonn",)))
    assert verify_published(graph.driver, DATABASE, CITY, graph.root).holds
    assert written(graph.publish(CITY, ("Oslo",))) == (0, 0, 3)


def test_what_an_interrupted_publication_has_left_is_not_foreign(graph: Graph) -> None:
    for title in ("Bonn", "Kyiv"):
        with pytest.raises(InterruptedPublicationError):
            graph.publish(CITY, ("Rome",), (title,), progress=stop_after_first_batch)
    graph.ask("CREATE (:City {title: 'Zell'})")
    result = graph.publish(CITY, ("Paris",), keep=True)
    assert result.foreign.found.examples == (("Zell",),)
    assert graph.ask("MATCH (c:City) RETURN c.title ORDER BY c.title") == [["Paris"], ["Zell"]]


def test_a_constraint_that_somebody_dropped_is_made_again(graph: Graph) -> None:
    constraints = "SHOW CONSTRAINTS YIELD name, labelsOrTypes AS labels WHERE 'City' IN labels RETURN name"
    [[name]] = graph.ask(constraints)
    graph.ask(f"DROP CONSTRAINT `{name}`")
    assert mend(graph, CITY).changes == []
    assert len(graph.ask(constraints)) == 1


def test_what_others_publish_meanwhile_or_the_lake_has_lost_is_left_to_the_next_publication(graph: Graph) -> None:
    graph.ask("CREATE (:City {title: 'Bonn'})")
    assert in_doubt(graph, CITY)
    with pytest.raises(InterruptedPublicationError):
        graph.publish(CITY, ("Rome",), ("Kyiv",), progress=stop_after_first_batch)
    assert graph.entry(CITY).status is ledger.Status.PUBLISHING
    assert not in_doubt(graph, CITY)
    with pytest.raises(PublicationError, match="nothing to verify"):
        mend(graph, CITY)
    for version in (graph.root / "people").iterdir():
        (version / "_snapshot.json").unlink()
    graph.ask("CREATE (:Person {name: 'Zed'})")
    assert not in_doubt(graph, PERSON)


def test_a_mending_does_not_change_when_the_content_was_published(graph: Graph) -> None:
    before = graph.entry(CITY)
    graph.ask("CREATE (:City {title: 'Bonn'})")
    mend(graph, CITY)
    assert graph.entry(CITY).finished_at == before.finished_at
    assert graph.entry(CITY).version == before.version


@pytest.mark.usefixtures("bare_graph")
@pytest.mark.parametrize("table", [PERSON, LIVES_IN])
def test_another_number_of_rows_shows_without_a_look_at_the_graph(graph: Graph, table: GraphTable) -> None:
    for statement in cypher.quick_counts(table):
        names = operator_names(graph.driver.execute_query(f"EXPLAIN {statement}").summary.plan)
        assert any("CountFromCountStore" in name for name in names), names
