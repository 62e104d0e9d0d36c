"""Work that is killed, with SIGKILL, at each of its steps: what it leaves is as before or as it should be."""

import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Record
from spotify_graph.local import store
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger, models
from spotify_graph.neo4j_io.rows import schema
from spotify_graph.neo4j_io.staging import stage
from spotify_graph.neo4j_io.verification import verify_published
from spotify_graph_tests import killed_parts as work
from spotify_graph_tests.emptied import DATABASE, empty
from spotify_graph_tests.graphs import Graph, as_properties
from spotify_graph_tests.keyed_rows import KEYS, contents, rows
from spotify_graph_tests.killed_parts import ALIKE, ENTRY, MODEL, PARTS
from spotify_graph_tests.killing import Work, took
from spotify_graph_tests.people import PERSON, as_parts, as_table, person


def killed_at_each(
    subtests: pytest.Subtests,
    home: Path,
    do: Work,
    begin: Callable[[], object],
    holds: Callable[[], object],
    environment: dict[str, str] | None = None,
) -> int:
    """Has work be killed at each of its steps, looks each time at what holds then, and says how many there are.

    Args:
        subtests: pytest's.
        home: the folder whose files count.
        do: the work.
        begin: puts everything to how it was before the work.
        holds: asserts what is to be after the kill, with whatever the next run does.
        environment: what the work needs.
    """
    begin()
    steps = took(home, do, environment or {})
    for step in steps:
        with subtests.test(step):
            begin()
            took(home, do, environment or {}, until=step)
            holds()
    return len(steps)


@pytest.fixture
def server(local_neo4j: LocalNeo4j) -> dict[str, str]:
    return {
        "NEO4J_URI": str(local_neo4j.status().uri),
        "NEO4J_PASSWORD": local_neo4j.password().get_secret_value(),
    }


NAMES = ("Ann", "Bob", "Cid", "Dan", "Eve")
BEFORE = [person(name, score=1.0) for name in NAMES]
AFTER = [person(name, score=2.0) for name in NAMES[1:3]] + [
    person(name, score=1.0) for name in (*NAMES[3:], "Fay", "Gus", "Hal")
]


MODELS = {"v1": [("Ann", "Bob", 0.5), ("Bob", "Cid", 0.5)], "v2": [(one, "Ann", 0.25) for one in NAMES]}


def test_a_publication_that_is_killed_at_any_step_is_completed_by_the_next(
    subtests: pytest.Subtests, graph: Graph, server: dict[str, str]
) -> None:
    before, after = graph.stage(PERSON, *BEFORE), graph.stage(PERSON, *AFTER)
    kept = shutil.copytree(graph.root, graph.root.with_name("kept"))

    def begin() -> None:
        empty(graph.driver)
        shutil.rmtree(graph.root)
        shutil.copytree(kept, graph.root)
        graph.publish_snapshot(PERSON, before)

    def holds() -> None:
        graph.publish_snapshot(PERSON, after)
        assert graph.people() == as_properties(*AFTER)
        assert graph.entry(PERSON).status is ledger.Status.PUBLISHED
        assert verify_published(graph.driver, DATABASE, PERSON, graph.root).holds

    count = killed_at_each(subtests, graph.root, partial(work.publish, PERSON, after.path), begin, holds, server)
    assert count > 15


def test_a_model_that_is_killed_at_any_step_of_its_switch_is_the_old_one_or_the_new_one(
    subtests: pytest.Subtests, graph: Graph, server: dict[str, str]
) -> None:
    people = graph.stage(PERSON, *BEFORE)
    staged = {
        version: stage(as_parts(as_table([(*it[:2], version, it[2]) for it in said], schema(ALIKE))), ALIKE, graph.root)
        for version, said in MODELS.items()
    }

    def begin() -> None:
        empty(graph.driver)
        graph.publish_snapshot(PERSON, people)
        models.load(graph.driver, DATABASE, ALIKE, staged["v1"], MODEL, "v1")
        models.switch(graph.driver, DATABASE, MODEL, "v1", [ALIKE], {})
        models.remove_others(graph.driver, DATABASE, ALIKE, MODEL)

    def said() -> list[tuple[str, str, float]]:
        active = "MATCH (m:_Model) WITH m.version AS active MATCH (a)-[r:ALIKE]->(b) WHERE r.model = active"
        return sorted(
            (one, other, score) for one, other, score in graph.ask(f"{active} RETURN a.name, b.name, r.score")
        )

    def holds() -> None:
        assert said() in [sorted(it) for it in MODELS.values()]
        work_in_process()
        assert said() == sorted(MODELS["v2"])
        assert graph.ask("MATCH ()-[r:ALIKE]->() RETURN count(*)") == [[len(MODELS["v2"])]]
        assert graph.entry(ALIKE).status is ledger.Status.PUBLISHED
        assert verify_published(graph.driver, DATABASE, ALIKE, graph.root).holds

    def work_in_process() -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in server.items():
                patch.setenv(name, value)
            renew()

    renew = partial(work.renew, staged["v2"].path, "v2")
    assert killed_at_each(subtests, graph.root, renew, begin, holds, server) > 10


@pytest.mark.parametrize("changes", [1, 2], ids=["folded into a new base", "put together to one change"])
def test_a_table_with_a_key_that_is_killed_at_any_step_of_a_change_is_as_before_or_as_after(
    subtests: pytest.Subtests, tmp_path: Path, changes: int
) -> None:
    root, kept = tmp_path / "lake", tmp_path / "kept"
    first = {(f"o{i % 7}", i): i for i in range(60)}
    before = {**first, ("o1", 1): 9}
    after = {**before, ("o2", 2): 9, ("new", 1): 1}
    del after["o3", 3]
    lake = Lake(kept)
    version = lake.write_tables(ENTRY, ENTRY, [lambda: (rows(first), None)], lambda _: {}, {ENTRY: KEYS}, Record())[0]
    lake.put({ENTRY: version})
    work.revise(kept, first, before, 16)

    def begin() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(kept, root)

    def read() -> Any:
        return contents(Lake(root).latest(ENTRY).table(ENTRY).read())

    def holds() -> None:
        if (found := read()) == before:
            work.revise(root, before, after, 16)
        else:
            assert found == after
        table = Lake(root).latest(ENTRY).table(ENTRY)
        assert contents(table.read()) == after
        assert contents(table.find(rows(after).select(KEYS))) == after, "whatever there was of an index"

    assert killed_at_each(subtests, root, partial(work.revise, root, before, after, changes), begin, holds) > 10


def test_a_restore_that_is_killed_at_any_step_leaves_all_of_the_former_parts_or_all_of_the_new_ones(
    subtests: pytest.Subtests, tmp_path: Path
) -> None:
    home = tmp_path / "home"

    def begin() -> None:
        shutil.rmtree(home, ignore_errors=True)
        for part in PARTS:
            (home / part).mkdir(parents=True)
            (home / part / "which").write_text("former")

    def which() -> set[str]:
        return {(home / part / "which").read_text() for part in PARTS}

    def holds() -> None:
        work.put_back(home)
        assert which() in [{"former"}, {"new"}]
        work.restore(home)
        assert which() == {"new"}
        assert not list(home.glob("restor*"))

    assert killed_at_each(subtests, home, partial(work.restore, home), begin, holds) > 10


def test_putting_back_what_a_restore_had_replaced_may_be_killed_at_any_step_too(
    subtests: pytest.Subtests, tmp_path: Path
) -> None:
    home, half = tmp_path / "home", tmp_path / "half"
    for part in PARTS:
        (half / part).mkdir(parents=True)
        (half / part / "which").write_text("former")
    steps = took(half, partial(work.restore, half), {}, until=_last_rename(tmp_path))

    def begin() -> None:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(half, home)

    def holds() -> None:
        work.put_back(home)
        assert {(home / part / "which").read_text() for part in PARTS} == {"former"}

    assert steps
    assert killed_at_each(subtests, home, partial(work.put_back, home), begin, holds) > 4


def _last_rename(folder: Path) -> str:
    """The last step in which a restore moves something."""
    probe = folder / "probe"
    for part in PARTS:
        (probe / part).mkdir(parents=True)
        (probe / part / "which").write_text("former")
    return [step for step in took(probe, partial(work.restore, probe), {}) if step.startswith("rename to ")][-1]


def test_an_import_that_is_killed_at_any_step_of_its_installation_leaves_the_old_database_or_the_new_one(
    subtests: pytest.Subtests, tmp_path: Path
) -> None:
    root = tmp_path / "neo4j"

    def begin() -> None:
        shutil.rmtree(root, ignore_errors=True)
        for part in store.PARTS:
            (root / "data" / part / DATABASE).mkdir(parents=True)
            (root / "data" / part / DATABASE / "which").write_text("former")

    def which() -> set[str]:
        return {(root / "data" / part / DATABASE / "which").read_text() for part in store.PARTS}

    def holds() -> None:
        work.finish(root)
        assert which() in [{"former"}, {"new"}]
        work.install(root)
        assert which() == {"new"}
        assert [path.name for path in root.iterdir()] == ["data"]

    assert killed_at_each(subtests, root, partial(work.install, root), begin, holds) > 10


def test_a_backup_that_is_killed_at_any_step_leaves_no_file_that_could_be_taken_for_one(
    subtests: pytest.Subtests, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"

    def begin() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "file").write_text("rows")

    def holds() -> None:
        if not (folder / "backup.zip").exists():
            work.back_up(folder)
        with zipfile.ZipFile(folder / "backup.zip") as written:
            assert written.testzip() is None
            assert written.read("lake/file") == b"rows"

    assert killed_at_each(subtests, folder, partial(work.back_up, folder), begin, holds) > 1
