import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from spotify_graph.neo4j_io import cypher, ledger, loader
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.publication import PublicationResult, count
from spotify_graph.neo4j_io.rows import schema
from spotify_graph.neo4j_io.staging import Snapshot, stage
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property, PropertyType
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.graphs import (
    Graph,
    InterruptedPublicationError,
    as_properties,
    stop_after_first_batch,
    written,
)
from spotify_graph_tests.people import (
    ANN,
    BOB,
    CID,
    CITY,
    EARLY,
    LAST,
    LIVES_IN,
    ODD,
    PERSON,
    SCHEMAS,
    SOON,
    Row,
    as_parts,
    as_table,
    person,
)
from spotify_graph_tests.plans import operator_names


@pytest.mark.usefixtures("bare_graph")
def test_the_first_publication_inserts_every_row_to_the_last_property(graph: Graph) -> None:
    steps: list[tuple[int, int]] = []
    result = graph.publish(PERSON, ANN, BOB, CID, batch_rows=2, progress=lambda *step: steps.append(step))
    assert graph.people() == as_properties(ANN, BOB, CID)
    assert written(result) == (3, 0, 0)
    assert (result.rows, result.skipped) == (3, False)
    # Two batches are written side by side: either may be done first.
    assert steps in ([(2, 3), (3, 3)], [(1, 3), (3, 3)])
    assert count(graph.driver, DATABASE, PERSON) == 3
    entry = graph.entry(PERSON)
    assert (entry.status, entry.version, entry.rows) == (ledger.Status.PUBLISHED, result.version, 3)
    assert (entry.inserted, entry.changed, entry.deleted) == (3, 0, 0)
    assert entry.finished_at is not None
    assert entry.started_at <= entry.finished_at


def test_the_same_content_again_writes_nothing_at_all(graph: Graph) -> None:
    first = graph.publish(PERSON, ANN, BOB)
    before, commit = graph.entry(PERSON), graph.last_commit()
    again = graph.publish(PERSON, BOB, ANN)
    assert written(again) == (0, 0, 0)
    assert again.skipped
    assert again.version == first.version
    assert graph.last_commit() == commit
    assert graph.entry(PERSON) == before
    assert [version.name for version in (graph.root / "people").iterdir()] == [first.version]


def test_a_published_snapshot_published_again_stays_in_the_lake(graph: Graph) -> None:
    snapshot = graph.stage(CITY, ("Rome",))
    graph.publish_snapshot(CITY, snapshot)
    assert graph.publish_snapshot(CITY, snapshot).skipped
    assert Snapshot.load(snapshot.path) == snapshot


def test_only_what_differs_is_written_and_vanished_rows_vanish(graph: Graph) -> None:
    graph.publish(PERSON, ANN, BOB, CID)
    graph.driver.execute_query("MATCH (p:Person {name: 'Ann'}) SET p.note = 'by hand'")
    new_ann, dan = person("Ann", None, ("y", "x"), None), person("Dan")
    steps: list[tuple[int, int]] = []
    result = graph.publish(PERSON, new_ann, CID, dan, progress=lambda *step: steps.append(step))
    assert written(result) == (1, 1, 1)
    assert steps[-1] == (3, 3)
    ann, *others = as_properties(new_ann, CID, dan)
    assert graph.people() == [ann | {"note": "by hand"}, *others]


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (4, 2), (4, 4)])
@pytest.mark.parametrize("known", [True, False], ids=["compared with the snapshot", "compared with the database"])
def test_in_however_many_buckets_snapshots_are_exactly_what_differs_is_written(
    graph: Graph, before: int, after: int, known: bool
) -> None:
    def publish(buckets: int, rows: list[Row], cities: list[Row], homes: list[Row]) -> list[tuple[int, int, int]]:
        found = []
        for table, some in ((PERSON, rows), (CITY, cities), (LIVES_IN, homes)):
            parts = as_parts(*(as_table(part, SCHEMAS[table]) for part in (some[::2], some[1::2])))
            snapshot = stage(parts, table, graph.root, buckets=buckets)
            found.append(written(graph.publish_snapshot(table, snapshot)))
        return found

    names = [f"p{i}" for i in range(20)]
    people, cities = [person(name, visits=i) for i, name in enumerate(names)], [("Rome",), ("Oslo",)]
    homes = [(name, city, 1, SOON) for name in names for (city,) in cities]
    assert publish(before, people, cities, homes) == [(20, 0, 0), (2, 0, 0), (40, 0, 0)]
    if not known:
        graph.driver.execute_query("MATCH (p:_Publication) SET p.status = 'disturbed'")
    changed = [*people[:17], person("p17", None), person("p20"), person("p21")]
    moved = [*homes[:30], *((name, city, 2, None) for name, city, *_ in homes[30:34]), ("p21", "Rome", 1, None)]
    lost = 4
    deleted = 2
    assert publish(after, changed, cities, moved) == [(2, 1, deleted), (0, 0, 0), (1, 4, 40 - 34 - lost)]
    assert graph.people() == as_properties(*sorted(changed))
    assert graph.homes() == sorted(
        ([name, city, {"count": count} | ({"since": since} if since else {})] for name, city, count, since in moved),
        key=str,
    )


def test_a_node_that_somebody_else_made_meanwhile_is_set_and_not_doubled(graph: Graph) -> None:
    graph.publish(PERSON, ANN)
    graph.driver.execute_query("CREATE (:Person {name: 'Bob', score: 7.0, note: 'by hand'})")
    graph.publish(PERSON, ANN, BOB, CID)
    ann, bob, cid = as_properties(ANN, BOB, CID)
    assert graph.people() == [ann, bob | {"note": "by hand"}, cid]


def test_relationships_of_few_nodes_are_written_side_by_side_without_waiting_in_a_circle(graph: Graph) -> None:
    names, cities = [f"p{i}" for i in range(40)], [f"c{i}" for i in range(40)]
    graph.publish(PERSON, *map(person, names))
    graph.publish(CITY, *((city,) for city in cities))
    rows = [(name, city, 1, None) for name in names for city in cities]
    # Neighbouring batches name the same people and the same cities, in opposite orders.
    shuffled = [row for pair in zip(rows, reversed(rows), strict=True) for row in pair][: len(rows)]
    assert written(graph.publish(LIVES_IN, *dict.fromkeys(shuffled), batch_rows=25)) == (len(set(shuffled)), 0, 0)
    assert graph.homes() == sorted([name, city, {"count": 1}] for name, city, _, _ in set(shuffled))


def test_large_rows_make_small_batches(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "BATCH_BYTES", 10_000)
    people = [person(f"p{i}", tags=("x" * 4_000,)) for i in range(5)]
    steps: list[int] = []
    graph.publish(PERSON, *people, progress=lambda done, _total: steps.append(done))
    assert len(steps) == 3
    assert graph.people() == as_properties(*people)


def test_no_rows_empty_the_graph(graph: Graph) -> None:
    graph.publish(CITY, ("Rome",), ("Oslo",))
    assert written(graph.publish(CITY)) == (0, 0, 2)
    assert count(graph.driver, DATABASE, CITY) == 0
    assert written(graph.publish(CITY, ("Rome",))) == (1, 0, 0)


def test_relationships_join_their_nodes_by_key_once_for_each_pair(graph: Graph) -> None:
    graph.publish(PERSON, ANN, BOB)
    graph.publish(CITY, ("Rome",), ("Oslo",))
    result = graph.publish(LIVES_IN, ("Ann", "Rome", 1, SOON), ("Ann", "Oslo", 2, None), ("Bob", "Rome", 3, EARLY))
    assert written(result) == (3, 0, 0)
    result = graph.publish(LIVES_IN, ("Ann", "Rome", 1, None), ("Bob", "Oslo", 2, LAST), ("Bob", "Rome", 3, EARLY))
    assert written(result) == (1, 1, 1)
    assert graph.homes() == [
        ["Ann", "Rome", {"count": 1}],
        ["Bob", "Oslo", {"count": 2, "since": LAST}],
        ["Bob", "Rome", {"count": 3, "since": EARLY}],
    ]
    assert count(graph.driver, DATABASE, LIVES_IN) == 3


def test_a_relationship_without_its_node_is_refused_with_its_keys_and_the_batch_is_not_written(graph: Graph) -> None:
    graph.publish(PERSON, ANN)
    graph.publish(CITY, ("Rome",))
    rows = [("Ann", "Rome", 1, None), ("Ann", "Paris", 1, None), ("O'Neil", "Rome", 1, None)]
    with pytest.raises(PublicationError) as caught:
        graph.publish(LIVES_IN, *rows)
    assert sorted(caught.value.examples) == [("Ann", "Paris"), ("O'Neil", "Rome")]
    message = str(caught.value)
    assert message.startswith("homes: 2 LIVES_IN of a batch lack their Person or City, e.g. ")
    assert message.endswith("; publish people and cities first")
    assert graph.homes() == []
    assert graph.entry(LIVES_IN).status == ledger.Status.PUBLISHING


def test_odd_names_and_keys_are_data_and_not_cypher(graph: Graph) -> None:
    keys = ["'", '"', "`", "\\", "a\nb", "🎵", "}) DETACH DELETE (n", "$c0[i]", "ÅÅ", " x ", "NULL"]
    read = "MATCH (n:`Od``d la.bel`) RETURN n.`the ``key`` of. it`, n.`va``lue.x`"
    graph.publish(ODD, *((key, key[::-1]) for key in keys))
    assert {tuple(row) for row in graph.ask(read)} == {(key, key[::-1]) for key in keys}
    assert written(graph.publish(ODD, *((key, None) for key in keys[1:]))) == (0, len(keys) - 1, 1)
    assert {tuple(row) for row in graph.ask(read)} == {(key, None) for key in keys[1:]}


def test_an_interrupted_first_publication_is_repaired_by_other_content(graph: Graph) -> None:
    names = ["Ann", "Bob", "Cid", "Dan", "Eve"]
    with pytest.raises(InterruptedPublicationError):
        graph.publish(PERSON, *map(person, names), batch_rows=2, progress=stop_after_first_batch)
    assert graph.entry(PERSON).status == ledger.Status.PUBLISHING
    there = [row["name"] for row in graph.people()]
    assert len(there) == 4, "two batches are sent side by side, and are waited for"
    left, gone = there[:2]
    wanted = [person(left, visits=7), *(person(name) for name in names if name not in (left, gone))]
    result = graph.publish(PERSON, *wanted)
    assert written(result) == (1, 1, 1)
    assert graph.people() == as_properties(*sorted(wanted))
    assert graph.entry(PERSON).status == ledger.Status.PUBLISHED


def test_after_an_interrupted_change_the_old_content_can_be_published_again(graph: Graph) -> None:
    old, new = [ANN, BOB, CID], [person(name, visits=9) for name in ("Ann", "Bob", "Cid")]
    graph.publish(PERSON, *old)
    with pytest.raises(InterruptedPublicationError):
        graph.publish(PERSON, *new, batch_rows=1, progress=stop_after_first_batch)
    result = graph.publish(PERSON, *old)
    assert written(result) == (0, 1, 0)
    assert graph.people() == as_properties(*old)


def test_an_interrupted_publication_of_relationships_is_repaired(graph: Graph) -> None:
    graph.publish(PERSON, ANN, BOB, CID)
    graph.publish(CITY, ("Rome",))
    rows = [(name, "Rome", 1, since) for name, since in (("Ann", None), ("Bob", EARLY), ("Cid", LAST))]
    with pytest.raises(InterruptedPublicationError):
        graph.publish(LIVES_IN, *rows, batch_rows=1, progress=stop_after_first_batch)
    assert len(graph.homes()) == 2
    assert written(graph.publish(LIVES_IN, *rows)) == (1, 0, 0)
    assert graph.homes() == [[name, city, _home(number, since)] for name, city, number, since in rows]


def _home(number: int, since: datetime | None) -> dict[str, Any]:
    return {"count": number} | ({"since": since} if since else {})


@pytest.mark.parametrize("loss", [shutil.rmtree, lambda root: next(root.rglob("*.parquet")).write_bytes(b"")])
def test_without_its_snapshot_the_database_itself_is_compared(graph: Graph, loss: Callable[[Path], Any]) -> None:
    graph.publish(PERSON, ANN, BOB, CID)
    loss(graph.root)
    new_bob = person("Bob", visits=5)
    assert written(graph.publish(PERSON, ANN, new_bob)) == (0, 1, 1)
    assert graph.people() == as_properties(ANN, new_bob)


def test_a_lost_snapshot_whose_content_is_staged_again_is_back_without_a_write(graph: Graph) -> None:
    version = graph.publish(PERSON, ANN, BOB).version
    shutil.rmtree(graph.root)
    commit = graph.last_commit()
    assert graph.publish(PERSON, ANN, BOB).version == version
    assert graph.last_commit() == commit
    assert Snapshot.load(graph.root / "people" / version).rows == 2


def test_what_the_ledger_does_not_know_of_is_brought_in_line(graph: Graph) -> None:
    graph.publish(PERSON, BOB)
    graph.publish(CITY, ("Rome",))
    graph.publish(LIVES_IN, ("Bob", "Rome", 1, SOON))
    graph.driver.execute_query("""
        MATCH (p:_Publication) DELETE p
        WITH DISTINCT 1 AS once
        MATCH (bob:Person {name: 'Bob'}), (rome:City)
        SET bob.visits = 'many'
        CREATE (bob)-[:LIVES_IN {count: 1}]->(rome), (:Person {name: 'Stranger'})
    """)
    assert written(graph.publish(PERSON, BOB)) == (0, 1, 1)
    assert graph.people() == as_properties(BOB)
    graph.publish(LIVES_IN, ("Bob", "Rome", 1, SOON))
    assert graph.homes() == [["Bob", "Rome", {"count": 1, "since": SOON}]]


def test_a_new_property_of_the_model_reaches_every_row(graph: Graph) -> None:
    graph.publish(CITY, ("Rome",), ("Oslo",))
    with_size = NodeType("cities", "City", CITY.key, (Property("size", PropertyType.INTEGER, "", optional=True),), "")
    rows = as_table([("Rome", 3), ("Oslo", None)], schema(with_size))
    result = graph.publish_snapshot(with_size, stage(as_parts(rows), with_size, graph.root))
    assert written(result) == (0, 1, 0)
    assert graph.ask("MATCH (c:City) RETURN c.title, c.size ORDER BY c.title") == [["Oslo", None], ["Rome", 3]]


def test_a_node_goes_with_its_relationships_and_their_next_publication_puts_them_back(graph: Graph) -> None:
    names = ["Ann", "Bob", "Cid", "Dan", "Eve"]
    homes = [(name, city, 1, None) for name in names for city in ("Oslo", "Rome")]
    graph.publish(PERSON, *map(person, names))
    graph.publish(CITY, ("Rome",), ("Oslo",))
    graph.publish(LIVES_IN, *homes)
    # Rome has more relationships than one transaction deletes.
    assert written(graph.publish(CITY, ("Oslo",), batch_rows=2)) == (0, 0, 1)
    assert [row[:2] for row in graph.homes()] == [[name, "Oslo"] for name in names]
    assert graph.entry(LIVES_IN).status == ledger.Status.OUT_OF_SYNC
    graph.publish(CITY, ("Rome",), ("Oslo",))
    assert written(graph.publish(LIVES_IN, *homes)) == (5, 0, 0)
    assert graph.homes() == [[name, city, {"count": 1}] for name, city, *_ in homes]
    assert graph.entry(LIVES_IN).status == ledger.Status.PUBLISHED


def test_nodes_deleted_under_a_publication_of_their_relationships_end_it(graph: Graph) -> None:
    graph.publish(PERSON, ANN, BOB)
    graph.publish(CITY, ("Oslo",), ("Rome",))
    homes = [("Ann", "Oslo", 1, None), ("Bob", "Oslo", 1, None)]

    def delete_people(_done: int, _total: int) -> None:
        graph.publish(PERSON)

    with pytest.raises(PublicationError, match="another publication took over, or nodes"):
        graph.publish(LIVES_IN, *homes, ("Ann", "Rome", 1, None), batch_rows=3, progress=delete_people)
    assert graph.entry(LIVES_IN).status == ledger.Status.OUT_OF_SYNC


def test_of_two_publications_of_an_asset_the_later_one_holds(graph: Graph) -> None:
    later: list[PublicationResult] = []

    def publish_other(_done: int, _total: int) -> None:
        if not later:
            later.append(graph.publish(CITY, ("Oslo",)))

    with pytest.raises(PublicationError, match="cities: another publication took over"):
        graph.publish(CITY, ("Rome",), ("Bonn",), ("Kyiv",), batch_rows=1, progress=publish_other)
    assert written(later[0]) in {(1, 0, 1), (1, 0, 2)}
    assert graph.ask("MATCH (c:City) RETURN c.title") == [["Oslo"]]
    assert graph.entry(CITY).version == later[0].version


def test_a_claim_waits_for_a_batch_that_is_being_committed(graph: Graph) -> None:
    snapshot = graph.stage(CITY, ("Rome",))
    graph.publish_snapshot(CITY, snapshot)

    def claim() -> ledger.Claim:
        with graph.driver.session(database=DATABASE) as other:
            return ledger.claim(other, CITY, snapshot)[0]

    with graph.driver.session(database=DATABASE) as session, ThreadPoolExecutor(1) as pool:
        first, _ = ledger.claim(session, CITY, snapshot)
        with session.begin_transaction() as batch:
            first.check(batch)
            second = pool.submit(claim)
            deadline = time.monotonic() + 30
            while not graph.ask("SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' RETURN status"):
                assert time.monotonic() < deadline
            assert not second.done()
            batch.commit()
        second.result(timeout=30)
        with session.begin_transaction() as batch, pytest.raises(PublicationError, match="took over"):
            first.check(batch)


@pytest.mark.usefixtures("bare_graph")
def test_nodes_that_share_a_key_are_reported_before_anything_is_written(graph: Graph) -> None:
    graph.driver.execute_query("CREATE (:City {title: 'Rome'}), (:City {title: 'Rome'})")
    with pytest.raises(PublicationError) as caught:
        graph.publish(CITY, ("Oslo",))
    assert str(caught.value) == (
        "cities: the database holds City nodes that share their title, e.g. 'Rome'; "
        "merge or delete them, then publish again"
    )
    assert graph.ask("MATCH (n) RETURN labels(n), n.title") == [[["City"], "Rome"]] * 2


def test_a_snapshot_of_another_table_is_refused(graph: Graph) -> None:
    with pytest.raises(PublicationError, match=r"was staged as \(:`City` {`title`: STRING}\); stage it again"):
        graph.publish_snapshot(PERSON, graph.stage(CITY, ("Rome",)))
    assert ledger.read(graph.driver, DATABASE) == {}


@pytest.mark.usefixtures("bare_graph")
def test_an_index_in_the_way_of_the_constraint_is_reported(graph: Graph) -> None:
    graph.driver.execute_query("CREATE INDEX in_the_way FOR (c:City) ON (c.title)")
    with pytest.raises(PublicationError, match=r"stands in the way of City.title being unique; drop it"):
        graph.publish(CITY, ("Oslo",))


def test_an_indexed_property_has_a_range_index_of_its_own(graph: Graph) -> None:
    indexed = NodeType("cities", "City", CITY.key, (Property("si`ze", PropertyType.INTEGER, "", indexed=True),), "")
    parts = as_parts(as_table([("Rome", 3)], schema(indexed)))
    for _ in range(2):
        graph.publish_snapshot(indexed, stage(parts, indexed, graph.root))
        graph.driver.execute_query("MATCH (p:_Publication) DELETE p")
    query = "SHOW RANGE INDEXES YIELD labelsOrTypes, properties, state, owningConstraint"
    query += " WHERE owningConstraint IS NULL RETURN labelsOrTypes, properties, state"
    assert graph.ask(query) == [[["City"], ["si`ze"], "ONLINE"]]


@pytest.mark.usefixtures("bare_graph")
@pytest.mark.parametrize("statement", [cypher.upsert, cypher.delete, cypher.create])
@pytest.mark.parametrize("table", [PERSON, LIVES_IN])
def test_no_write_scans_the_graph(graph: Graph, table: GraphTable, statement: Callable[[GraphTable], str]) -> None:
    graph.publish(PERSON)
    graph.publish(CITY)
    columns: dict[str, Any] = {f"c{i}": [] for i in range(len(table.columns))}
    plan = graph.driver.execute_query(f"EXPLAIN {statement(table)}", columns).summary.plan
    names = operator_names(plan)
    creates_nodes = statement is cypher.create and isinstance(table, NodeType)
    assert creates_nodes or any("Unique" in name for name in names)
    assert not [name for name in names if "Scan" in name]
