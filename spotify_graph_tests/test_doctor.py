"""`spotify-graph doctor`: it finds what is broken, says how to mend that, changes nothing, and stops at nothing."""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from neo4j import Driver

from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.few_plays import HEADER, PLAYS, TRACKS, event
from spotify_graph_tests.platform import Platform, installed, without_a_graph

Found = dict[str, list[dict[str, str | None]]]


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("examined")
    with installed(folder, local_neo4j, neo4j_driver, stale_warn_hours=1e9) as platform:
        platform.land("tracks.csv", *TRACKS)
        platform.land("user_events.csv", HEADER, *(event(*pair, "play") for pair in PLAYS))
        assert platform.refresh().exit_code == 0
        yield platform


@pytest.fixture
def copied(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The same installation with a copy of its home, which is broken, and the same graph, whose ledger is put back."""
    ledger = platform.ask("MATCH (p:_Publication) RETURN p.asset AS asset, properties(p) AS entry")
    home = tmp_path / "home"
    shutil.copytree(platform.home, home)
    with monkeypatch.context() as patch:
        patch.setenv("SPOTIFY_GRAPH_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        yield Platform(home, home / "landing", platform.driver)
    platform.ask("UNWIND $ledger AS it MATCH (p:_Publication {asset: it.asset}) SET p = it.entry", ledger=ledger)


def examined(platform: Platform, *, healthy: bool) -> Found:
    """What the doctor says, by what was looked at; whether there is a problem is in the exit code."""
    result = platform.run("doctor", "--json")
    assert result.exit_code == (0 if healthy else 1), result.output
    found: Found = {}
    for diagnosis in json.loads(result.stdout):
        found.setdefault(diagnosis["what"], []).append(diagnosis)
    assert {"Java", "home", "locks", "landing folder", "leftovers", "lake", "Neo4j"} <= found.keys()
    return found


def problems(found: Found, state: str = "problem") -> dict[str, str]:
    """What is wrong, with how to mend it, by what was looked at."""
    return {
        what: f"{each['found']} | {each['mend']}"
        for what, diagnoses in found.items()
        for each in diagnoses
        if each["state"] == state
    }


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def version_of(platform: Platform, entry: str) -> Path:
    root = platform.home / "lake"
    return root / entry / Lake(root).manifest.entries[entry].latest


def test_it_finds_nothing_wrong_with_a_sound_installation_and_changes_nothing(platform: Platform) -> None:
    before = everything(platform.home)
    nodes = platform.ask("MATCH (n) RETURN properties(n) AS it ORDER BY elementId(n)")
    found = examined(platform, healthy=True)
    assert problems(found) == {}
    assert "versions that it names are whole" in str(found["lake"])
    assert "11 of 11 published tables agree with the lake, each verified since" in str(found["graph"])
    after = everything(platform.home)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()
    assert platform.ask("MATCH (n) RETURN properties(n) AS it ORDER BY elementId(n)") == nodes
    lines = platform.succeed("doctor").splitlines()
    assert [line.split(":")[0].split(maxsplit=1) for line in lines] == [["ok", what] for what in found]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


BROKEN: dict[str, tuple[str, Callable[[Path], object], str, str]] = {
    "rows that are cut short": ("interactions", lambda it: cut(next(it.glob("[!_]*.parquet"))), "interactions", "rm"),
    "a record that is garbage": ("cleaned_tracks", lambda it: (it / "_version.json").write_text("{"), "Error", "rm"),
    "a version that is gone": ("interactions", shutil.rmtree, "there is no version", "rm"),
    "rows of a landed file": (
        "cleaned_events/user_events.csv",
        lambda it: next(it.glob("*.parquet")).unlink(),
        "cleaned_events/user_events.csv",
        "restore",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_the_lake_has_lost_is_named_with_the_way_to_mend_it(copied: Platform, case: str) -> None:
    entry, damage, found, mend = BROKEN[case]
    damage(version_of(copied, entry))
    told = problems(examined(copied, healthy=False))
    assert told.keys() == {"lake"}
    assert found in told["lake"]
    assert mend in told["lake"].partition(" | ")[2]
    if mend == "restore":
        return
    shutil.rmtree(version_of(copied, entry), ignore_errors=True)
    copied.succeed("reconcile")
    assert problems(examined(copied, healthy=True)) == {}


def test_a_published_snapshot_that_is_lost_is_computed_anew_as_the_doctor_says(copied: Platform) -> None:
    folder = version_of(copied, "graph/played_edges")
    cut(next(folder.glob("*.parquet")))
    told = problems(examined(copied, healthy=False))
    assert told.keys() == {"lake", "played_edges"}
    assert all("| spotify-graph reconcile" in line for line in told.values())
    copied.succeed("reconcile")
    assert problems(examined(copied, healthy=True)) == {}


def test_a_manifest_that_is_garbage_does_not_stop_it(copied: Platform) -> None:
    *_, before, newest = sorted((copied.home / "lake" / "_manifests").glob("*.json"))
    newest.write_text("no JSON", encoding="utf-8")
    found = examined(copied, healthy=False)
    assert problems(found)["lake"].startswith(f"{newest} can't be read")
    assert f"rm {newest}" in problems(found)["lake"]
    assert "answers at" in str(found["Neo4j"])
    newest.unlink()
    assert before.exists()
    assert problems(examined(copied, healthy=True)) == {}


LEDGER = {
    "p.status = 'out of sync'": ("problem", "known to differ", "spotify-graph reconcile"),
    "p.status = 'publishing'": ("warning", "was interrupted", "spotify-graph materialize"),
    "p.verified_at = null": ("warning", "was not verified", "spotify-graph reconcile"),
    "p.version = 'gone'": ("problem", "can't be read in the lake", "spotify-graph reconcile"),
    "p.rows = 99": ("problem", "other rows", "spotify-graph reconcile"),
}


@pytest.mark.parametrize("change", LEDGER)
def test_ledger_and_lake_are_held_against_each_other(platform: Platform, change: str) -> None:
    state, found, mend = LEDGER[change]
    entry = "MATCH (p:_Publication {asset: 'played_edges'})"
    [before] = platform.ask(f"{entry} RETURN properties(p) AS it")
    platform.ask(f"{entry} SET {change}")
    told = problems(examined(platform, healthy=state != "problem"), state)
    platform.ask(f"{entry} SET p = $it", **before)
    assert found in told["played_edges"]
    assert mend in told["played_edges"]


def test_rows_that_somebody_deleted_are_seen_by_their_number(platform: Platform) -> None:
    platform.ask("MATCH ()-[r:PLAYED]->() WITH r LIMIT 2 DELETE r")
    told = problems(examined(platform, healthy=False))
    assert told == {"played_edges": "the graph has 3 rows, and 5 are published | spotify-graph reconcile"}
    platform.succeed("reconcile")
    assert problems(examined(platform, healthy=True)) == {}


def test_without_neo4j_everything_else_is_examined(tmp_path: Path) -> None:
    with without_a_graph(tmp_path) as platform:
        platform.land("tracks.csv", *TRACKS)
        platform.succeed("materialize", "--select", "raw_tracks")
        told = problems(found := examined(platform, healthy=False))
    assert told.keys() == {"Neo4j"}
    assert "check NEO4J_URI" in told["Neo4j"]
    assert "1 of the 1 versions that it names are whole" in str(found["lake"])


def test_a_home_that_is_not_there_yet_is_no_problem_and_is_not_made(tmp_path: Path) -> None:
    with without_a_graph(tmp_path / "none", local=True) as platform:
        found = examined(platform, healthy=True)
    assert "spotify-graph demo" in problems(found, "warning")["home"]
    assert not (tmp_path / "none").exists()


def test_secrets_that_others_can_read_a_missing_java_leftovers_and_a_broken_history_are_problems_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_a_graph(tmp_path, local=True) as platform, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("SPOTIFY_GRAPH_SERVE_PORT", str(port))
        monkeypatch.setenv("SPOTIFY_GRAPH_JAVA_HOME", str(tmp_path))
        password, left = tmp_path / "neo4j" / "password", tmp_path / "neo4j" / "import-1"
        left.mkdir(parents=True)
        password.write_text("secret of the test")
        password.chmod(0o644)
        history = tmp_path / "dagster" / "history" / "runs.db"
        history.parent.mkdir(parents=True)
        history.write_bytes(b"no database" * 100)
        result = platform.run("doctor")
        found = examined(platform, healthy=False)
    assert "secret of the test" not in result.output
    told = problems(found)
    assert told.keys() == {"Java", "secrets", "Dagster's history"}
    assert told["secrets"].endswith(f" | chmod 600 {password}")
    warned = problems(found, "warning")
    assert f"taken by python (process {os.getpid()})" in warned[f"port {port}"]
    assert warned["leftovers"].endswith(f" | rm -r {left}")
