"""The lake at any address: what is in the graph, and what is said, does not depend on where its files are."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread

import pyarrow as pa
import pytest
from neo4j import Driver

from spotify_graph import storage
from spotify_graph.lake import manifest
from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests import object_store, oracle
from spotify_graph_tests.platform import Platform, installed, without_a_graph
from spotify_graph_tests.promised import contents, is_promised

TRACKS = ("track_id,artist,album,duration_ms,genre", "t1,Ann,,180000,jazz", "t2,Bob,,,rock")
HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
CHEAP = {"rank": 2, "iterations": 1}
NO_MODELS = "not (group:evaluation or group:recommendations)"
GATES = {"drop_error": 1.0, "rejected_error": 0.5, "stale_warn_hours": 1e9}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store.running() as name:
        yield name


@pytest.fixture(params=["a folder", "a store"])
def address(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> str:
    return str(tmp_path / "elsewhere") if request.param == "a folder" else f"s3://{bucket}/{tmp_path.name}"


@pytest.fixture
def platform(
    address: str,
    tmp_path: Path,
    local_neo4j: LocalNeo4j,
    neo4j_driver: Driver,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    monkeypatch.setenv("SPOTIFY_GRAPH_LAKE", address)
    with installed(
        tmp_path / "home", local_neo4j, neo4j_driver, recommender={"rank": 2, "iterations": 1}, **GATES
    ) as it:
        it.land("tracks.csv", *TRACKS)
        yield it


def events(user: str, *seconds: int) -> list[str]:
    kinds = ("play", "like", "skip")
    return [
        f"{user},t{second % 3},{kinds[second % 3]},2026-01-01T10:00:{second:02}Z,s,{'web' if second % 2 else 'tv'}"
        for second in seconds
    ]


def holds_what_is_promised(platform: Platform) -> None:
    landed = {file.name: file.read_bytes() for file in platform.landing.iterdir()}
    is_promised(contents(platform.driver), oracle.expected(landed, datetime.now(UTC)))


def test_a_history_of_files_ends_in_the_promised_graph_wherever_the_lake_is(platform: Platform, address: str) -> None:
    platform.land("user_events_1.csv", HEADER, *events("u1", *range(30)), "no event")
    platform.land("user_events_2.csv", HEADER, *events("u2", *range(10, 50)))
    platform.succeed("materialize")
    holds_what_is_promised(platform)
    assert "no event" in platform.succeed("rejects")
    # A change of what is there, a replacement, and a file that is forgotten.
    platform.land("user_events_3.csv", HEADER, *events("u1", *range(20, 40)), *events("u3", 1))
    platform.land("user_events_2.csv", HEADER, *events("u2", *range(5, 20)))
    assert platform.refresh().exit_code == 0
    holds_what_is_promised(platform)
    platform.succeed("forget", "user_events_3.csv")
    (platform.landing / "user_events_3.csv").unlink()
    holds_what_is_promised(platform)
    assert platform.refresh().exit_code == 0
    assert not platform.facts_written()
    # Nothing of the lake is where it is by default, and nothing is left of work that is done.
    assert not (platform.home / "lake").exists()
    assert "problem" not in platform.run("doctor").stdout
    names = {
        storage.relative(file, storage.at(address)).split("/")[0] for file in storage.files_in(storage.at(address))
    }
    assert {"graph", "interactions", "raw_user_events", "_manifests"} <= names
    assert "_spool" not in names


def test_a_lake_that_is_moved_into_a_store_goes_on_there(
    platform: Platform, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = platform.home / "lake", storage.at(f"s3://{bucket}/moved-{platform.home.parent.name}")
    monkeypatch.delenv("SPOTIFY_GRAPH_LAKE")
    platform.land("user_events_1.csv", HEADER, *events("u1", *range(30)))
    assert platform.refresh().exit_code == 0
    for file in storage.files_in(old):
        (new / storage.relative(file, old)).write_bytes(file.read_bytes())
    storage.remove(old)
    monkeypatch.setenv("SPOTIFY_GRAPH_LAKE", str(new))
    assert "problem" not in platform.run("doctor").stdout
    assert platform.refresh().exit_code == 0
    assert not platform.facts_written()
    platform.land("user_events_2.csv", HEADER, *events("u2", *range(40)))
    assert platform.refresh().exit_code == 0
    holds_what_is_promised(platform)


@pytest.mark.parametrize("address", ["a store"], indirect=True)
def test_spark_s_tasks_read_and_write_a_store_by_themselves(platform: Platform) -> None:
    platform.land("user_events_1.csv", HEADER, *events("u1", *range(30)), *events("u2", *range(10, 50)))
    # A process of its own: Spark's tasks have the environment that Spark began with.
    command = [sys.executable, "-m", "spotify_graph.cli", "materialize", "--select", NO_MODELS]
    by_spark = os.environ | {"SPOTIFY_GRAPH_IN_PROCESS_ROWS": "0"}
    subprocess.run(command, env=by_spark, check=True, capture_output=True)
    holds_what_is_promised(platform)


def test_a_person_is_taken_out_of_a_lake_wherever_it_is(platform: Platform, address: str) -> None:
    platform.land("user_events_1.csv", HEADER, *events("Theodora.1", *range(30)), *events("u2", *range(30)))
    assert platform.refresh().exit_code == 0
    said = platform.run("forget", "--user", "Theodora.1")
    assert "30 events are out of lake, graph and models" in said.output
    left = [str(file) for file in storage.files_in(storage.at(address)) if b"Theodora" in file.read_bytes()]
    assert not left
    assert platform.ask("MATCH (u:User) RETURN collect(u.user_id) AS users") == [{"users": ["u2"]}]


def test_of_two_who_put_the_same_manifest_at_once_one_succeeds_and_the_other_makes_its_change_on_top(
    address: str,
) -> None:
    lake, together = Lake(storage.at(address)), Barrier(2)

    def put(name: str) -> None:
        version = lake.write_table(name, pa.table({"n": [1]}))
        together.wait()
        lake.put({name: version})

    threads = [Thread(target=put, args=(f"table_{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(lake.manifest.entries) == {"table_0", "table_1"}
    assert [file.name for file in manifest.kept(lake.root)] == ["000000000001.json", "000000000002.json"]
    assert lake.latest("table_0").part.read().num_rows == 1


@pytest.mark.parametrize(
    ("lake", "said"),
    [
        ("s3://nobody-made-this/lake", "there is no nobody-made-this in it"),
        ("s3://user:password@logs/lake", "an address with a user or a password in it"),
        ("gopher://logs/lake", "Protocol not known: gopher"),
    ],
)
def test_an_address_that_can_not_be_used_is_one_line_and_nothing_is_written(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lake: str, said: str
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_LAKE", lake)
    with without_a_graph(tmp_path) as platform:
        platform.land("tracks.csv", *TRACKS)
        result = platform.run("materialize", "--select", "group:raw")
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert "SPOTIFY_GRAPH_LAKE" in line
    assert said in line
    assert not (tmp_path / "lake").exists()


def test_a_store_that_is_asked_without_credentials_is_one_line(bucket: str, tmp_path: Path) -> None:
    # A process of its own: a client keeps its credentials.
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_ACCESS")}
    told = {"SPOTIFY_GRAPH_HOME": str(tmp_path), "SPOTIFY_GRAPH_LAKE": f"s3://{bucket}/lake", "HOME": str(tmp_path)}
    told |= {"NEO4J_URI": "bolt://127.0.0.1:1", "NEO4J_PASSWORD": "none", "DAGSTER_HOME": str(tmp_path / "dagster")}
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "tracks.csv").write_text("\n".join(TRACKS))
    command = [sys.executable, "-m", "spotify_graph.cli", "materialize", "--select", "group:raw"]
    done = subprocess.run(command, env=ours | told, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "JAVA_TOOL_OPTIONS" not in line]
    assert "SPOTIFY_GRAPH_LAKE" in line
    assert "credentials" in line


def test_a_folder_that_can_not_be_made_is_one_line_and_one_that_is_made_is_its_owner_s_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    with without_a_graph(tmp_path / "home") as platform:
        platform.land("tracks.csv", *TRACKS)
        monkeypatch.setenv("SPOTIFY_GRAPH_LAKE", str(tmp_path / "file" / "lake"))
        result = platform.run("materialize", "--select", "group:raw")
        assert result.exit_code == 1
        [line] = result.stderr.splitlines()
        assert "set SPOTIFY_GRAPH_LAKE" in line
        monkeypatch.setenv("SPOTIFY_GRAPH_LAKE", str(tmp_path / "lake"))
        platform.succeed("materialize", "--select", "group:raw")
    assert (tmp_path / "lake").stat().st_mode & 0o077 == 0


def test_a_lake_elsewhere_is_no_part_of_a_backup_and_that_is_said(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_LAKE", f"s3://{bucket}/lake")
    with without_a_graph(tmp_path, local=True) as platform:
        result = platform.run("backup", str(tmp_path / "backup"))
    assert result.exit_code == 1
    assert "only a lake in the home is backed up" in result.stderr
