"""`spotify-graph backup` and `restore`, with a local server of their own that is stopped and started."""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spotify_graph.graph_model import FACTS, TABLES
from spotify_graph.io_managers import degrees
from spotify_graph.lake import indexes
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.manifest import FOLDER as MANIFESTS
from spotify_graph.local import locks
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import verification
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph_tests.emptied import DATABASE
from spotify_graph_tests.few_plays import HEADER, PLAYS, TRACKS, event
from spotify_graph_tests.platform import Platform


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An installation with a local database of its own, which holds something of an analyst's, too."""
    home = tmp_path_factory.mktemp("local")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOTIFY_GRAPH_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        patch.setenv("SPOTIFY_GRAPH_GATES", json.dumps({"stale_warn_hours": 1e9}))
        patch.setattr(LocalNeo4j.__init__, "__kwdefaults__", {"heap": "512m"})
        platform = Platform(home, home / "landing", None)  # type: ignore[arg-type]  # it is stopped now and then
        platform.land("tracks.csv", *TRACKS)
        platform.land("user_events_1.csv", HEADER, *(event(*pair, "play") for pair in PLAYS))
        result = platform.refresh()
        assert result.exit_code == 0, result.output
        ask("MATCH (t:Track {track_id: 't0'}) SET t.note = 'mine' CREATE (:Stranger)-[:KNOWS]->(t)")
        yield platform
        LocalNeo4j(Settings.load()).stop()


@pytest.fixture(scope="module")
def backup(local: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backups") / "a backup.zip"
    local.succeed("backup", str(file))
    return file


def ask(query: str) -> list[dict[str, Any]]:
    with connect(Settings.load()) as driver:
        return [record.data() for record in driver.execute_query(query).records]


def graph() -> list[dict[str, Any]]:
    """Every node with its relationships, but for the ledger, which says when something was verified last."""
    return ask(
        "MATCH (n) WHERE NOT n:_Publication RETURN labels(n) AS labels, properties(n) AS properties,"
        " COLLECT { MATCH (n)-[r]->(m) RETURN [type(r), properties(r), properties(m)] ORDER BY type(r), elementId(m) }"
        " AS relationships ORDER BY labels, coalesce(n.track_id, n.user_id, n.name)"
    )


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a lake that belongs to a version, by its path."""
    others = {MANIFESTS, indexes.FOLDER, degrees.FILE}
    files = (path for path in folder.rglob("*") if path.is_file() and others.isdisjoint(path.parts))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def differences() -> dict[str, list[str]]:
    """How the graph differs from the lake, table by table, by the database's own count and checksum."""
    settings = Settings.load()
    with connect(settings) as driver:
        found = (verification.verify_published(driver, DATABASE, it, settings.lake / "graph") for it in FACTS)
        return {it.asset: it.differences for it in found if not it.holds}


def process() -> int | None:
    return LocalNeo4j(Settings.load()).find()


def test_graph_and_lake_come_back_as_they_were_and_a_run_with_nothing_new_writes_nothing(
    local: Platform, backup: Path
) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [path.name for path in backup.parent.iterdir()] == [backup.name], "nothing half written is left"
    assert process(), "the server that was stopped for it runs again"
    lake = local.home / "lake"
    before, manifest, sums = graph(), Lake(lake).manifest, checksums(lake)
    password = (local.home / "neo4j" / "password").read_text()
    assert password.encode() not in b"".join(
        zipfile.ZipFile(backup).read(it) for it in zipfile.ZipFile(backup).namelist()
    )

    local.land("user_events_2.csv", HEADER, event("u9", "t1", "like"), event("u0", "t0", "skip"))
    assert local.refresh().exit_code == 0
    ask("MATCH (t:Track {track_id: 't1'}) DETACH DELETE t")
    ask("MATCH (s:Stranger) DETACH DELETE s")
    assert Lake(lake).manifest != manifest
    assert graph() != before

    told = json.loads(local.succeed("restore", str(backup), "--replace", "--json"))
    assert told["tables"]["played_edges"]["rows"] == len(PLAYS)
    assert told["versions"]["neo4j"]
    assert graph() == before
    assert Lake(lake).manifest == manifest
    assert checksums(lake) == sums
    assert differences() == {}
    assert (local.home / "neo4j" / "password").read_text() == password
    assert not list(local.home.glob("restore-*"))
    (local.landing / "user_events_2.csv").unlink()
    result = local.refresh()
    assert result.exit_code == 0, result.output
    assert Lake(lake).manifest == manifest
    assert local.written() == {}
    assert graph() == before


def test_a_restore_that_fails_after_everything_was_replaced_puts_back_what_was_there(
    local: Platform, backup: Path, tmp_path: Path
) -> None:
    """The database does not say what the backup says that it says."""
    before, manifest = graph(), Lake(local.home / "lake").manifest
    sums = checksums(local.home / "lake")

    def interrupted(about: dict[str, Any]) -> None:
        about["tables"]["played_edges"]["status"] = "publishing"

    result = local.run("restore", str(rewritten(backup, tmp_path, interrupted)), "--replace")
    assert result.exit_code == 1
    assert "the restored database is not the one that was backed up" in result.stderr
    assert "what was there before is put back" in result.stderr
    assert graph() == before
    assert Lake(local.home / "lake").manifest == manifest
    assert checksums(local.home / "lake") == sums
    assert not list(local.home.glob("restor*"))


def rewritten(backup: Path, folder: Path, change: Callable[[dict[str, Any]], None], **members: bytes) -> Path:
    """A copy of a backup with another description of it, and with further members."""
    file = folder / "rewritten.zip"
    with zipfile.ZipFile(backup) as source, zipfile.ZipFile(file, "w") as target:
        about = json.loads(source.read("backup.json"))
        change(about)
        for name in source.namelist():
            target.writestr(name, json.dumps(about) if name == "backup.json" else source.read(name))
        for name, content in members.items():
            target.writestr(name, content)
    return file


def _nothing(_about: dict[str, Any]) -> None: ...


def _cut(backup: Path, folder: Path) -> Path:
    (file := folder / "cut.zip").write_bytes(backup.read_bytes()[:-1000])
    return file


def _flipped(backup: Path, folder: Path) -> Path:
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 0xFF
    (file := folder / "flipped.zip").write_bytes(content)
    return file


def _text(_backup: Path, folder: Path) -> Path:
    (file := folder / "text.zip").write_text("no archive")
    return file


def _foreign(_backup: Path, folder: Path) -> Path:
    with zipfile.ZipFile(file := folder / "foreign.zip", "w") as archive:
        archive.writestr("readme.txt", "of somebody else's")
    return file


def _of_the_future(backup: Path, folder: Path) -> Path:
    return rewritten(backup, folder, lambda about: about.update(format=99))


def _with_more(backup: Path, folder: Path) -> Path:
    return rewritten(backup, folder, _nothing, more=b"")


def _leaving_its_folder(backup: Path, folder: Path) -> Path:
    def outside(about: dict[str, Any]) -> None:
        about["files"]["../../outside"] = {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}

    return rewritten(backup, folder, outside, **{"../../outside": b""})


def _with_other_rows(backup: Path, folder: Path) -> Path:
    return rewritten(backup, folder, lambda about: about["tables"]["played_edges"].update(rows=1))


def _missing(_backup: Path, folder: Path) -> Path:
    return folder / "missing.zip"


REFUSED: dict[Callable[[Path, Path], Path], str] = {
    _cut: "is no backup, or it is cut short or damaged",
    _flipped: "damaged",
    _text: "is no backup, or it is cut short or damaged",
    _foreign: "is no backup of spotify-graph",
    _of_the_future: "restore it with that",
    _with_more: "is damaged: it does not hold what it says",
    _leaving_its_folder: "is damaged: it does not hold what it says",
    _with_other_rows: "played_edges in it is not what was published",
    _missing: "No such file or directory",
}


@pytest.mark.parametrize("made", REFUSED)
def test_what_is_no_whole_backup_is_refused_before_anything_is_touched(
    local: Platform, backup: Path, tmp_path: Path, made: Callable[[Path, Path], Path]
) -> None:
    file, running, sums = made(backup, tmp_path), process(), checksums(local.home / "lake")
    result = local.run("restore", str(file), "--replace")
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ")]
    assert line.startswith(f"spotify-graph: {file} ")
    assert REFUSED[made] in line
    assert process() == running
    assert checksums(local.home / "lake") == sums
    assert not list(local.home.glob("restor*"))
    assert not (tmp_path.parent / "outside").exists()


def test_neither_is_done_while_somebody_uses_the_home_nor_over_what_is_there_nor_to_a_server_of_others(
    local: Platform, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = process()

    def refused(*arguments: str) -> str:
        result = local.run(*arguments)
        assert result.exit_code == 1, result.output
        [line] = result.stderr.splitlines()
        return line

    new = str(tmp_path / "new.zip")
    settings = Settings.load()
    for held in (locks.turn(settings, "run 1 of refresh_graph", print), locks.up(settings)):
        with held:
            for command in (("backup", new), ("restore", str(backup), "--replace")):
                assert f"(process {os.getpid()}, since" in (line := refused(*command))
                assert f" uses {local.home}: wait for its end, or end it" in line
    assert "--replace puts the backup in their place" in refused("restore", str(backup))
    assert "is there already" in local.run("backup", str(backup)).stderr
    assert "is not there: make it" in local.run("backup", str(tmp_path / "none" / "new.zip")).stderr
    monkeypatch.setenv("NEO4J_URI", "bolt://127.0.0.1:1")
    assert "`neo4j-admin database dump` there" in refused("backup", new)
    assert "`neo4j-admin database load` there" in refused("restore", str(backup), "--replace")
    monkeypatch.delenv("NEO4J_URI")
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "empty"))
    assert "there is nothing to back up" in refused("backup", new)
    assert not list(tmp_path.glob("*.zip"))
    assert LocalNeo4j(settings).find() == running


def test_who_is_forgotten_is_named_with_backups_and_with_what_keeps_a_database_from_being_built_anew(
    local: Platform, backup: Path
) -> None:
    person = "somebody-4uLU6hMCjMI75M1A2tKUQC"
    local.land("user_events_7.csv", HEADER, event(person, "t0", "play"))
    assert local.refresh().exit_code == 0
    result = local.run("forget", "--user", person, "--json")
    told = json.loads(result.stdout)
    assert told["backups"] == [str(backup)]
    assert not told["rebuilt"]
    assert "1 (:Stranger)" in told["additions"]
    assert f"It may stand in the backup {backup}" in result.stderr
    assert "may be read from its files until they are written over" in result.stderr
    assert ask("MATCH (s:Stranger)-[:KNOWS]->(t) RETURN t.note AS note") == [{"note": "mine"}]
    assert ask(f"MATCH (u:User {{user_id: '{person}'}}) RETURN u") == []
    (local.landing / "user_events_7.csv").unlink()


def test_a_new_home_has_all_of_it_and_a_password_of_its_own(
    local: Platform, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = graph()
    password = (local.home / "neo4j" / "password").read_text()
    LocalNeo4j(Settings.load()).stop()
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    local.succeed("restore", str(backup))
    assert process() is None, "it did not run before"
    try:
        assert graph() == before
        assert (tmp_path / "neo4j" / "password").read_text() != password
        # What was taken in is there without the landing folder, and so is the history of runs.
        status = json.loads(local.succeed("status", "--json"))
        assert all(asset["at"] for asset in status["assets"] if asset["asset"] in TABLES and asset["rows"])
        assert [name["name"] for name in status["added_by_others"]] == ["(:Stranger)", "[:KNOWS]", "(:Track).note"]
        assert Lake(tmp_path / "lake").files("raw_tracks") == ["tracks.csv"]
    finally:
        LocalNeo4j(Settings.load()).stop()
