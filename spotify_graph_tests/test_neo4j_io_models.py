from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from neo4j import Driver

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import cypher, ledger, models
from spotify_graph.neo4j_io.errors import PublicationError
from spotify_graph.neo4j_io.mending import mend
from spotify_graph.neo4j_io.publication import PublicationResult
from spotify_graph.neo4j_io.rows import schema
from spotify_graph.neo4j_io.staging import Snapshot, stage
from spotify_graph.neo4j_io.verification import verify_published
from spotify_graph.neo4j_io.vocabulary import Endpoint, GraphTable, Property, PropertyType, RelationshipType
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.graphs import Graph, InterruptedPublicationError, stop_after_first_batch, written
from spotify_graph_tests.people import CITY, LIVES_IN, PERSON, Row, as_parts, as_table, person
from spotify_graph_tests.plans import operator_names
from spotify_graph_tests.wires import cut_wire, driver_of

_VERSION = Property("mod`el", PropertyType.STRING, "")
_SCORE = Property("score", PropertyType.FLOAT, "")
_AT = Property("at", PropertyType.ZONED_DATETIME, "", optional=True)

SUITS = RelationshipType(
    "suits", "SUITS", Endpoint(PERSON, "person"), Endpoint(CITY, "city"), (_SCORE, _AT), "", _VERSION
)
ALIKE = RelationshipType("alike", "ALIKE", Endpoint(PERSON, "one"), Endpoint(PERSON, "other"), (_SCORE,), "", _VERSION)
NEAR = RelationshipType("near", "NEAR", Endpoint(CITY, "from"), Endpoint(CITY, "to"), (_SCORE,), "", _VERSION)
TABLES = (SUITS, ALIKE, NEAR)

MODEL = "taste"
PAIRS = {
    SUITS: [("Ann", "Rome"), ("Ann", "Oslo"), ("Bob", "Rome"), ("Cid", "Oslo"), ("Cid", "Rome")],
    ALIKE: [("Ann", "Bob"), ("Bob", "Ann"), ("Cid", "Ann")],
    NEAR: [("Rome", "Oslo"), ("Oslo", "Rome")],
}
NOON = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Models(Graph):
    """A database with people and cities, and snapshots of what versions of a model say about them."""

    def stage(self, table: GraphTable, *rows: Row) -> Snapshot:
        if table not in TABLES:
            return super().stage(table, *rows)
        return stage(as_parts(as_table(rows, schema(table))), table, self.root)

    def stage_version(self, table: RelationshipType, version: str, score: float, pairs: Any = None) -> Snapshot:
        rows = [(*pair, version, score) for pair in (PAIRS[table] if pairs is None else pairs)]
        return self.stage(table, *((*row, NOON) if table is SUITS else row for row in rows))

    def load(
        self, table: RelationshipType, version: str, score: float, pairs: Any = None, **options: Any
    ) -> PublicationResult:
        snapshot = self.stage_version(table, version, score, pairs)
        return models.load(self.driver, DATABASE, table, snapshot, MODEL, version, **options)

    def load_all(self, version: str, score: float, **options: Any) -> None:
        for table in TABLES:
            self.load(table, version, score, **options)

    def switch(self, version: str, **about: Any) -> models.Model:
        return models.switch(self.driver, DATABASE, MODEL, version, TABLES, about)

    def remove_others(self, table: RelationshipType) -> int:
        return models.remove_others(self.driver, DATABASE, table, MODEL, batch_rows=2)

    def activate(self, version: str, score: float) -> None:
        self.load_all(version, score)
        self.switch(version)
        for table in TABLES:
            self.remove_others(table)

    def active(self) -> models.Model | None:
        return models.active(self.driver, DATABASE, MODEL)

    def seen(self) -> list[list[Any]]:
        """What a reader sees, of all types in one query."""
        return self.ask(
            """
            MATCH (m:_Model {name: $name}) WITH m.version AS version
            MATCH (a)-[r:SUITS|ALIKE|NEAR]->(b) WHERE r.`mod``el` = version
            RETURN type(r), coalesce(a.name, a.title), coalesce(b.name, b.title), r.score, r.at
            """,
            name=MODEL,
        )

    def sees(self, score: float) -> bool:
        """Whether a reader sees one version, each relationship once and all of them."""
        whole = [
            [table.type, *pair, score, NOON if table is SUITS else None] for table in TABLES for pair in PAIRS[table]
        ]
        return sorted(self.seen(), key=str) == sorted(whole, key=str)

    def versions_of(self, table: RelationshipType) -> dict[str, int]:
        """How many relationships of each version there are."""
        rows = self.ask(f"MATCH ()-[r:{table.type}]->() RETURN r.`mod``el`, count(*)")
        return dict(rows)

    def verified(self, table: RelationshipType) -> bool:
        return verify_published(self.driver, DATABASE, table, self.root).holds


@pytest.fixture
def graph(clean_graph: Driver, tmp_path: Path) -> Models:
    clean_graph.execute_query("""
        FOREACH (name IN ['Ann', 'Bob', 'Cid'] | CREATE (:Person {name: name}))
        FOREACH (title IN ['Rome', 'Oslo'] | CREATE (:City {title: title}))
    """)
    return Models(clean_graph, tmp_path / "lake")


def test_a_first_version_is_seen_from_the_switch_on_and_not_before(graph: Models) -> None:
    steps: list[tuple[int, int]] = []
    snapshot = graph.stage_version(SUITS, "v1", 0.5)
    result = models.load(
        graph.driver,
        DATABASE,
        SUITS,
        snapshot,
        MODEL,
        "v1",
        batch_rows=2,
        progress=lambda *step: steps.append(step),
    )
    # Batches are written side by side, and end in any order.
    done = [rows for rows, total in steps if total == 5]
    assert sorted(after - before for before, after in pairwise([0, *done])) == [1, 2, 2]
    assert written(result) == (5, 0, 0)
    assert (result.version, result.rows, result.skipped) == (snapshot.version, 5, False)
    loaded = graph.entry(SUITS)
    assert (loaded.status, loaded.version, loaded.model_version) == (ledger.Status.LOADED, snapshot.version, "v1")
    assert loaded.finished_at is None
    for table in (ALIKE, NEAR):
        graph.load(table, "v1", 0.5)
    assert graph.active() is None
    assert graph.seen() == []

    before = datetime.now(UTC)
    model = graph.switch("v1", tracks=12, share=0.25, trained_by="Ann", trained_at=NOON)
    assert graph.sees(0.5)
    assert graph.active() == model
    assert (model.name, model.version) == (MODEL, "v1")
    assert before <= model.switched_at <= datetime.now(UTC)
    assert model.about == {"tracks": 12, "share": 0.25, "trained_by": "Ann", "trained_at": NOON}
    entry = graph.entry(SUITS)
    assert entry == replace(loaded, status=ledger.Status.PUBLISHED, finished_at=entry.finished_at)
    assert (entry.rows, entry.inserted, entry.changed, entry.deleted) == (5, 5, 0, 0)
    assert entry.finished_at
    assert entry.finished_at >= before
    assert all(graph.verified(table) for table in TABLES)
    assert graph.entry(SUITS).verified_at is not None


def test_a_reader_sees_the_old_version_until_the_switch_and_then_the_new_one_never_a_mix(graph: Models) -> None:
    graph.activate("v1", 0.5)
    seen: list[bool] = []
    graph.load_all("v2", 0.75, batch_rows=1, progress=lambda *_: seen.append(graph.sees(0.5)))
    assert seen == [True] * 10
    graph.switch("v2", tracks=3)
    assert graph.sees(0.75)
    for table in TABLES:
        assert graph.versions_of(table) == {"v1": len(PAIRS[table]), "v2": len(PAIRS[table])}
        assert graph.remove_others(table) == len(PAIRS[table])
        assert graph.versions_of(table) == {"v2": len(PAIRS[table])}
        assert graph.sees(0.75)
        assert graph.entry(table).deleted == len(PAIRS[table])
        assert graph.verified(table)
        assert graph.remove_others(table) == 0
        assert graph.entry(table).deleted == len(PAIRS[table])
    model = graph.active()
    assert model
    assert model.about == {"tracks": 3}


def test_a_load_takes_small_steps_where_a_version_is_read_and_full_ones_before(
    graph: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "BATCH_ROWS_BESIDE_READERS", 1)
    first: list[tuple[int, int]] = []
    later: list[tuple[int, int]] = []

    graph.load(SUITS, "v1", 0.5, progress=lambda *step: first.append(step))
    graph.load(ALIKE, "v1", 0.5)
    graph.load(NEAR, "v1", 0.5)
    graph.switch("v1")
    graph.load(SUITS, "v2", 0.75, progress=lambda *step: later.append(step))

    assert first == [(5, 5)]
    assert later == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_a_switch_is_refused_until_every_table_is_loaded_with_that_version(graph: Models) -> None:
    graph.activate("v1", 0.5)
    graph.load(SUITS, "v2", 0.75)
    graph.load(ALIKE, "v3", 0.75)
    with pytest.raises(InterruptedPublicationError):
        graph.load(NEAR, "v2", 0.75, batch_rows=1, progress=stop_after_first_batch)
    with pytest.raises(PublicationError) as caught:
        graph.switch("v2")
    assert str(caught.value) == (
        "taste: v2 is not loaded everywhere: alike is loaded (v3), near is publishing (v2); "
        "load v2 into alike and near, then switch again"
    )
    assert graph.sees(0.5)
    assert graph.entry(SUITS).status is ledger.Status.LOADED
    for table in (ALIKE, NEAR):
        graph.load(table, "v2", 0.75)
    graph.switch("v2")
    assert graph.sees(0.75)


def test_a_switch_to_what_was_never_loaded_is_refused(graph: Models) -> None:
    with pytest.raises(PublicationError, match="suits is not loaded, alike is not loaded, near is not loaded"):
        graph.switch("v1")
    assert graph.active() is None


def test_a_second_switch_to_the_same_version_changes_nothing(graph: Models) -> None:
    graph.load_all("v1", 0.5)
    model = graph.switch("v1", tracks=1)
    entries = ledger.read(graph.driver, DATABASE)
    assert graph.switch("v1", tracks=2) == model
    assert graph.active() == model
    assert ledger.read(graph.driver, DATABASE) == entries


def test_of_an_interrupted_load_the_next_one_leaves_no_trace(graph: Models) -> None:
    graph.activate("v1", 0.5)
    with pytest.raises(InterruptedPublicationError):
        graph.load(SUITS, "v2", 0.25, batch_rows=2, progress=stop_after_first_batch)
    # A batch that is sent is waited for.
    assert graph.versions_of(SUITS) == {"v1": 5, "v2": 2}
    assert graph.sees(0.5)
    assert graph.entry(SUITS).status is ledger.Status.PUBLISHING
    # The same version again, with other content: a model that is trained twice may be told apart by its data only.
    assert written(graph.load(SUITS, "v2", 0.75)) == (5, 0, 2)
    assert graph.versions_of(SUITS) == {"v1": 5, "v2": 5}
    for table in (ALIKE, NEAR):
        graph.load(table, "v2", 0.75)
    graph.switch("v2")
    assert graph.sees(0.75)
    assert graph.remove_others(SUITS) == 5
    assert graph.entry(SUITS).deleted == 7
    assert graph.verified(SUITS)


def test_a_load_that_is_never_switched_to_makes_way_for_the_next_one(graph: Models) -> None:
    graph.activate("v1", 0.5)
    graph.load_all("v2", 0.25)
    assert graph.sees(0.5)
    graph.load_all("v3", 0.75)
    assert graph.sees(0.5)
    for table in TABLES:
        assert graph.versions_of(table) == {"v1": len(PAIRS[table]), "v3": len(PAIRS[table])}
    with pytest.raises(PublicationError, match="v2 is not loaded everywhere"):
        graph.switch("v2")


def test_after_a_crash_between_switch_and_removal_the_next_load_removes_the_old_version(graph: Models) -> None:
    graph.activate("v1", 0.5)
    graph.load_all("v2", 0.75)
    graph.switch("v2")
    assert written(graph.load(SUITS, "v3", 0.25)) == (5, 0, 5)
    assert graph.versions_of(SUITS) == {"v2": 5, "v3": 5}
    assert graph.sees(0.75)
    # The table whose next load has not begun is cleaned up by itself.
    assert graph.remove_others(NEAR) == 2
    assert graph.verified(NEAR)


def test_what_is_loaded_and_not_active_yet_is_not_removed(graph: Models) -> None:
    with pytest.raises(PublicationError, match="suits: no version of taste is active, and the asset is not loaded"):
        graph.remove_others(SUITS)
    graph.activate("v1", 0.5)
    graph.load(SUITS, "v2", 0.75)
    with pytest.raises(PublicationError) as caught:
        graph.remove_others(SUITS)
    assert str(caught.value) == (
        "suits: v1 of taste is active, and the asset is loaded (v2); load a version and switch to it"
    )
    assert graph.versions_of(SUITS) == {"v1": 5, "v2": 5}


def test_a_removal_that_lost_its_claim_deletes_nothing_any_more(graph: Models) -> None:
    graph.activate("v1", 0.5)
    graph.load(SUITS, "v2", 0.75)
    parameters = {"asset": "suits", "token": "an earlier one", "now": NOON, "version": "v1", "rows": 2}
    with graph.driver.session(database=DATABASE) as session:
        session.run(cypher.delete_other_model_versions(SUITS, _VERSION), parameters).consume()
    assert graph.versions_of(SUITS) == {"v1": 5, "v2": 5}
    assert graph.entry(SUITS).deleted == 0


def test_a_renewed_claim_ends_the_one_before(graph: Models) -> None:
    snapshot = graph.stage_version(NEAR, "v1", 0.5)
    with graph.driver.session(database=DATABASE) as session:
        first, _ = ledger.claim(session, NEAR, snapshot)
        second = first.renew(session)
        session.execute_write(second.check)
        with pytest.raises(PublicationError, match="took over"):
            session.execute_write(first.check)
        with pytest.raises(PublicationError, match="took over"):
            first.renew(session)
        session.execute_write(second.check)


def test_of_two_loads_of_a_table_the_later_one_holds(graph: Models) -> None:
    later: list[PublicationResult] = []

    def load_other(_done: int, _total: int) -> None:
        if not later:
            later.append(graph.load(SUITS, "v2", 0.75))

    with pytest.raises(PublicationError, match="suits: another publication took over"):
        graph.load(SUITS, "v1", 0.5, batch_rows=1, progress=load_other)
    assert written(later[0]) in {(5, 0, 1), (5, 0, 2)}
    assert graph.versions_of(SUITS) == {"v2": 5}
    assert graph.entry(SUITS).version == later[0].version


@pytest.mark.parametrize("answer_only", [False, True])
def test_cut_connections_lose_no_row_and_double_none(graph: Models, local_neo4j: LocalNeo4j, answer_only: bool) -> None:
    graph.activate("v1", 0.5)
    with cut_wire(local_neo4j, answer_only=answer_only) as wire, driver_of(wire, local_neo4j) as driver:
        cut = Models(driver, graph.root)
        cut.load_all("v2", 0.75, batch_rows=1)
        # A batch for each row, the claim and the end of each load, to say the least.
        assert wire.cuts >= 16
        assert graph.sees(0.5)
        cut.switch("v2", tracks=1)
        assert graph.sees(0.75)
        for table in TABLES:
            assert cut.remove_others(table) == len(PAIRS[table])
            assert graph.versions_of(table) == {"v2": len(PAIRS[table])}
            assert graph.verified(table)


@pytest.mark.parametrize("answer_only", [False, True])
def test_a_removal_whose_connection_is_cut_goes_on_and_counts_right(
    graph: Models, local_neo4j: LocalNeo4j, answer_only: bool
) -> None:
    many = [(person, city) for person in ("Ann", "Bob", "Cid") for city in ("Rome", "Oslo")]
    graph.activate("v1", 0.5)
    graph.load(SUITS, "v2", 0.75, many)
    for table in (ALIKE, NEAR):
        graph.load(table, "v2", 0.75)
    graph.switch("v2")
    with (
        cut_wire(local_neo4j, answer_only=answer_only, message=b"IN TRANSACTIONS") as wire,
        driver_of(wire, local_neo4j) as driver,
    ):
        assert Models(driver, graph.root).remove_others(SUITS) == 5
        assert (wire.commits, wire.cuts) == (2, 1)
    assert graph.versions_of(SUITS) == {"v2": 6}
    assert graph.entry(SUITS).deleted == 5
    assert graph.verified(SUITS)


def test_a_relationship_without_its_node_is_refused_with_its_keys_and_readers_keep_what_they_have(
    graph: Models,
) -> None:
    graph.activate("v1", 0.5)
    with pytest.raises(PublicationError) as caught:
        graph.load(SUITS, "v2", 0.75, [("Ann", "Rome"), ("Ann", "Paris")])
    assert str(caught.value) == (
        "suits: 1 SUITS of a batch lack their Person or City, e.g. 'Ann'-'Paris'; publish people and cities first"
    )
    assert caught.value.examples == [("Ann", "Paris")]
    assert graph.versions_of(SUITS) == {"v1": 5}
    assert graph.sees(0.5)


def test_what_cannot_be_loaded_is_refused_before_anything_is_written(graph: Models) -> None:
    graph.activate("v1", 0.5)
    entries = ledger.read(graph.driver, DATABASE)
    mixed = graph.stage(SUITS, ("Ann", "Rome", "v2", 0.5, NOON), ("Bob", "Rome", "v3", 0.5, None))
    homes = graph.stage(LIVES_IN)

    def load(table: RelationshipType, snapshot: Snapshot, version: str) -> None:
        models.load(graph.driver, DATABASE, table, snapshot, MODEL, version)

    with pytest.raises(PublicationError, match=r"1 of 2 rows of .* do not belong to v2; stage the rows of one"):
        load(SUITS, mixed, "v2")
    with pytest.raises(PublicationError, match="suits: v1 is active already"):
        load(SUITS, graph.stage_version(SUITS, "v1", 0.75), "v1")
    with pytest.raises(PublicationError, match=r"near: .* was staged as .*ALIKE`.*; stage it again"):
        load(NEAR, graph.stage_version(ALIKE, "v2", 0.75), "v2")
    with pytest.raises(PublicationError, match="homes: its LIVES_IN name no model version; publish it"):
        load(LIVES_IN, homes, "v2")
    with pytest.raises(PublicationError, match="homes: its LIVES_IN name no model version"):
        models.remove_others(graph.driver, DATABASE, LIVES_IN, MODEL)
    with pytest.raises(PublicationError, match=r"suits: its SUITS belong to model versions.*; load a version"):
        graph.publish_snapshot(SUITS, mixed)
    about = {"version": "v9", "switched_at": NOON}
    with pytest.raises(ValueError, match="version, switched_at of a model cannot be set by hand"):
        models.switch(graph.driver, DATABASE, MODEL, "v2", TABLES, about)
    assert ledger.read(graph.driver, DATABASE) == entries
    assert graph.sees(0.5)


def test_a_table_without_rows_is_a_version_too(graph: Models) -> None:
    graph.activate("v1", 0.5)
    for table in TABLES:
        assert written(graph.load(table, "v2", 0.75, [])) == (0, 0, 0)
    graph.switch("v2")
    assert graph.seen() == []
    assert graph.remove_others(SUITS) == 5
    assert graph.verified(SUITS)


def test_active_relationships_that_go_with_their_nodes_are_out_of_sync_and_the_next_version_is_whole(
    graph: Models,
) -> None:
    people = [person(name) for name in ("Ann", "Bob", "Cid")]
    graph.publish(PERSON, *people)
    graph.activate("v1", 0.5)
    graph.publish(PERSON, *people[1:])
    assert {table.asset: graph.entry(table).status for table in TABLES} == {
        "suits": ledger.Status.OUT_OF_SYNC,
        "alike": ledger.Status.OUT_OF_SYNC,
        "near": ledger.Status.PUBLISHED,
    }
    assert graph.remove_others(SUITS) == 0
    graph.publish(PERSON, *people)
    graph.activate("v2", 0.75)
    assert graph.sees(0.75)
    assert all(graph.verified(table) for table in TABLES)


def test_nodes_deleted_under_a_load_end_it_and_what_is_loaded_is_not_switched_to(graph: Models) -> None:
    people = [person(name) for name in ("Ann", "Bob", "Cid")]
    graph.publish(PERSON, *people)

    def delete_bob(_done: int, _total: int) -> None:
        graph.publish(PERSON, people[0], people[2])

    graph.load(ALIKE, "v1", 0.5)
    with pytest.raises(PublicationError, match="or nodes that its relationships need were deleted meanwhile"):
        graph.load(SUITS, "v1", 0.5, batch_rows=3, progress=delete_bob)
    with pytest.raises(PublicationError, match=r"suits is out of sync \(v1\), alike is out of sync \(v1\), near"):
        graph.switch("v1")


def test_without_the_ledger_a_version_is_loaded_over_whatever_there_is(graph: Models) -> None:
    graph.activate("v1", 0.5)
    graph.load(SUITS, "v2", 0.25)
    graph.driver.execute_query("""
        MATCH (p:_Publication) DELETE p
        WITH DISTINCT 1 AS once
        MATCH (ann:Person {name: 'Ann'}), (rome:City {title: 'Rome'})
        CREATE (ann)-[:SUITS]->(rome), (ann)-[:SUITS {`mod``el`: 7}]->(rome)
    """)
    assert written(graph.load(SUITS, "v3", 0.75)) == (5, 0, 7)
    assert graph.sees(0.5)
    for table in (ALIKE, NEAR):
        graph.load(table, "v3", 0.75)
    graph.switch("v3")
    assert graph.sees(0.75)
    assert graph.remove_others(SUITS) == 5
    assert graph.verified(SUITS)


def test_without_the_registry_nothing_is_active_and_a_load_starts_afresh(graph: Models) -> None:
    graph.activate("v1", 0.5)
    graph.driver.execute_query("MATCH (m:_Model) DELETE m")
    assert written(graph.load(SUITS, "v1", 0.75)) == (5, 0, 5)
    assert graph.versions_of(SUITS) == {"v1": 5}


@pytest.mark.usefixtures("bare_graph")
def test_a_model_s_name_is_unique(graph: Models) -> None:
    graph.load(NEAR, "v1", 0.5)
    rows = graph.ask("SHOW CONSTRAINTS YIELD type, labelsOrTypes, properties RETURN type, labelsOrTypes, properties")
    assert [labels for _, labels, _ in rows].count(["_Model"]) == 1
    assert [properties for _, labels, properties in rows if labels == ["_Model"]] == [["name"]]


@pytest.mark.usefixtures("bare_graph")
@pytest.mark.parametrize("table", TABLES)
def test_no_batch_scans_the_graph_and_no_removal_gathers_what_it_removes(
    graph: Models, table: RelationshipType
) -> None:
    graph.load(table, "v1", 0.5)
    columns: dict[str, Any] = {f"c{i}": [] for i in range(len(table.columns))}
    created = operator_names(graph.driver.execute_query(f"EXPLAIN {cypher.create(table)}", columns).summary.plan)
    assert any("Unique" in name for name in created)
    assert not [name for name in created if "Scan" in name]
    with graph.driver.session(database=DATABASE) as session:
        parameters = {"asset": "", "token": "", "now": NOON, "version": "v1", "rows": 2}
        plan = session.run(f"EXPLAIN {cypher.delete_other_model_versions(table, _VERSION)}", parameters).consume().plan
    assert not [name for name in operator_names(plan) if "Eager" in name]


def test_what_somebody_changed_of_the_active_version_is_mended_without_a_new_one(graph: Models) -> None:
    graph.activate("one", 0.5)
    before = sorted(graph.seen(), key=str)
    graph.ask("MATCH (p:Person {name: 'Ann'})-[r:SUITS]->(c {title: 'Rome'}) DELETE r")
    graph.ask("MATCH (p:Person {name: 'Bob'})-[r:SUITS]->(c) SET r.score = 0.9")
    graph.ask("MATCH (p:Person {name: 'Bob'}), (c:City {title: 'Oslo'}) CREATE (p)-[:SUITS {score: 1.0}]->(c)")
    graph.ask("MATCH (p:Person {name: 'Cid'})-[:SUITS]->(c) CREATE (p)-[:SUITS {score: 0.5, `mod``el`: 7}]->(c)")
    done = mend(graph.driver, DATABASE, SUITS, graph.root, keep=True)
    [changes] = done.changes
    assert (changes.missing.examples, changes.changed.examples) == ((("Ann", "Rome"),), (("Bob", "Rome"),))
    assert set(changes.foreign.found.examples) == {("Bob", "Oslo"), ("Cid", "Oslo"), ("Cid", "Rome")}
    assert done.verification.holds
    assert sorted(graph.seen(), key=str) == before
    assert graph.versions_of(SUITS) == {"one": len(PAIRS[SUITS])}
    graph.activate("two", 0.6)
    assert graph.sees(0.6)
