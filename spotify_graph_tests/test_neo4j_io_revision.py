"""Revisions: what is staged as a difference is the snapshot that staging all rows gives, and publishes as it does."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotify_graph import storage
from spotify_graph.neo4j_io import mending
from spotify_graph.neo4j_io.errors import StagingError
from spotify_graph.neo4j_io.revision import MAX_REVISIONS, revise
from spotify_graph.neo4j_io.staging import Snapshot, stage
from spotify_graph.neo4j_io.verification import verify_published
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.graphs import Graph, as_properties, written
from spotify_graph_tests.people import CITY, LIVES_IN, PERSON, SCHEMAS, Row, as_parts, as_table, person

NAMES = [f"p{i}" for i in range(8)]

people = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.lists(st.sampled_from(["x", ""]), max_size=2), st.one_of(st.none(), st.integers(0, 3))),
)


def rows_of(known: dict[str, tuple[list[str], int | None]]) -> list[Row]:
    return [person(name, tags=tuple(tags), visits=visits) for name, (tags, visits) in known.items()]


def staged(root: Path, rows: list[Row], table: GraphTable = PERSON, buckets: int = 1) -> Snapshot:
    return stage(as_parts(as_table(rows, SCHEMAS[table])), table, root, buckets=buckets)


def revised(base: Snapshot, were: list[Row], are: list[Row], table: GraphTable = PERSON) -> Snapshot:
    return revise(base, as_table(were, SCHEMAS[table]), as_table(are, SCHEMAS[table]), table)


def held(snapshot: Snapshot) -> list[str]:
    return sorted(map(str, snapshot.read().to_pylist()))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(versions=st.lists(people, min_size=2, max_size=5), buckets=st.sampled_from([1, 4]))
def test_a_revision_is_the_snapshot_of_its_rows(
    tmp_path_factory: pytest.TempPathFactory,
    versions: list[dict[str, tuple[list[str], int | None]]],
    buckets: int,
) -> None:
    root = tmp_path_factory.mktemp("revisions")
    snapshot = staged(root, rows_of(versions[0]), buckets=buckets)
    for before, now in pairwise(versions):
        # One that stays as it is may be among both.
        were = [row for row in rows_of(before) if now.get(row[0]) != before[row[0]] or row[0] == "p0"]
        are = [row for row in rows_of(now) if now[row[0]] != before.get(row[0]) or row[0] == "p0"]
        snapshot = revised(snapshot, were, are)
        whole = staged(root, rows_of(now), buckets=buckets)
        assert held(snapshot) == held(whole)
        for known in ("rows", "fingerprint", "nulls", "checksum", "columns", "pattern", "buckets", "sums"):
            assert getattr(snapshot, known) == getattr(whole, known), known
        assert Snapshot.load(snapshot.path) == snapshot
    parts = [row for bucket in range(buckets) for row in snapshot.read(bucket).to_pylist()]
    assert sorted(map(str, parts)) == held(snapshot)
    # Whoever asks for its files gets all rows.
    assert snapshot.paths() or not snapshot.rows
    assert held(Snapshot.load(snapshot.path)) == held(snapshot)
    assert Snapshot.load(snapshot.path).revisions == 0


def test_many_revisions_leave_a_bounded_number_of_them_between_a_snapshot_and_whole_files(tmp_path: Path) -> None:
    everybody = [person(f"n{i}") for i in range(2_000)]
    snapshot, most = staged(tmp_path, everybody), 0
    for number in range(2 * MAX_REVISIONS):
        snapshot = revised(snapshot, [person(f"n{number}")], [person(f"n{number}", visits=7)])
        most = max(most, snapshot.revisions)
    assert most == MAX_REVISIONS - 1
    assert (
        snapshot.fingerprint
        == staged(
            tmp_path, [person(f"n{i}", visits=7) for i in range(number + 1)] + everybody[number + 1 :]
        ).fingerprint
    )
    # Where much differs, the rows are written whole at once.
    assert revised(snapshot, everybody[500:700], []).revisions == 0


@pytest.mark.parametrize(
    ("are", "problem"),
    [
        ([person("Ann"), person("Ann", visits=2)], "more than one row with the same name"),
        ([person("")], "1 row with an empty name"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_leaves_nothing(tmp_path: Path, are: list[Row], problem: str) -> None:
    base = staged(tmp_path, [person("Bob")])
    with pytest.raises(StagingError, match=problem):
        revised(base, [], are)
    assert list((tmp_path / PERSON.asset).iterdir()) == [base.path]


def test_a_revision_of_what_is_published_writes_what_differs_and_verifies_that(graph: Graph) -> None:
    ann, bob = person("Ann"), person("Bob")
    graph.publish(PERSON, ann, bob)
    graph.publish(CITY, ("Rome",), ("Oslo",))
    graph.publish(LIVES_IN, ("Ann", "Rome", 1, None), ("Bob", "Rome", 1, None))
    for table in (PERSON, CITY, LIVES_IN):
        assert verify_published(graph.driver, DATABASE, table, graph.root).holds

    base = Snapshot.load(graph.root / LIVES_IN.asset / graph.entry(LIVES_IN).version)
    moved = revised(
        base,
        [("Ann", "Rome", 1, None), ("Bob", "Rome", 1, None)],
        [("Ann", "Oslo", 1, None), ("Bob", "Rome", 2, None)],
        LIVES_IN,
    )
    assert written(graph.publish_snapshot(LIVES_IN, moved)) == (1, 1, 1)
    assert [[*row[:2], row[2]["count"]] for row in graph.homes()] == [["Ann", "Oslo", 1], ["Bob", "Rome", 2]]
    found = verify_published(graph.driver, DATABASE, LIVES_IN, graph.root)
    assert found.holds
    assert found.found["rows that should be deleted"] == 0
    # Later on, all rows are.
    assert "rows that should be deleted" not in verify_published(graph.driver, DATABASE, LIVES_IN, graph.root).found


@pytest.mark.parametrize(
    "edit",
    [
        "MATCH (p:Person {name: 'Bob'}) SET p.visits = 3",
        "MATCH (p:Person {name: 'Bob'}) SET p.visits = 'two'",
        "MATCH (p:Person {name: 'Eve'}) DELETE p",
        "CREATE (:Person {name: 'Cid'})",
        "CREATE (:Person {name: 'nobody'})",
    ],
)
def test_what_somebody_changes_of_a_revision_before_it_is_verified_is_found_and_mended(graph: Graph, edit: str) -> None:
    base = graph.stage(PERSON, person("Ann"), person("Bob"), person("Cid"))
    graph.publish_snapshot(PERSON, base)
    assert verify_published(graph.driver, DATABASE, PERSON, graph.root).holds
    now = [person("Ann"), person("Bob", visits=2), person("Eve")]
    graph.publish_snapshot(PERSON, revised(base, [person("Bob"), person("Cid")], now[1:]))
    graph.ask(edit)
    mended = mending.mend(graph.driver, DATABASE, PERSON, graph.root)
    assert mended.changes
    assert mended.verification.holds
    assert graph.people() == as_properties(*now)


def test_a_revision_of_what_is_not_published_any_more_is_compared_whole(graph: Graph) -> None:
    base = graph.stage(PERSON, person("Ann"), person("Bob"))
    graph.publish_snapshot(PERSON, base)
    later = revised(base, [person("Bob")], [person("Cid")])
    graph.publish(PERSON, person("Eve"))
    assert written(graph.publish_snapshot(PERSON, later)) == (2, 0, 1)
    assert graph.people() == as_properties(person("Ann"), person("Cid"))
    assert "rows that should be deleted" not in verify_published(graph.driver, DATABASE, PERSON, graph.root).found


@pytest.mark.parametrize("lost", ["the rows that differ", "the version before"])
def test_a_revision_that_has_lost_rows_is_none_and_the_database_itself_is_compared(graph: Graph, lost: str) -> None:
    base = graph.stage(PERSON, person("Ann"), person("Bob"))
    graph.publish_snapshot(PERSON, base)
    later = revised(base, [person("Bob")], [person("Cid")])
    graph.publish_snapshot(PERSON, later)
    storage.remove(base.path if lost == "the version before" else storage.matching(later.path, "change=*")[0])
    with pytest.raises(FileNotFoundError):
        Snapshot.load(later.path)
    assert written(graph.publish(PERSON, person("Ann"), person("Eve"))) == (1, 0, 1)
    assert graph.people() == as_properties(person("Ann"), person("Eve"))


def test_a_revision_that_changes_nothing_is_not_published(graph: Graph) -> None:
    base = graph.stage(PERSON, person("Ann"))
    graph.publish_snapshot(PERSON, base)
    same = revised(base, [person("Ann")], [person("Ann")])
    result = graph.publish_snapshot(PERSON, same)
    assert (result.skipped, result.version) == (True, base.version)
    assert not same.path.exists()
