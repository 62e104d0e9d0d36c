"""Lake and landing folder at any address: what is in the graph, and what is said, does not depend on where they are."""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread
from time import monotonic
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from fsspec import get_filesystem_class
from neo4j import Driver

from spotify_graph import landing_folder, runs, storage
from spotify_graph.definitions import build_defs
from spotify_graph.lake import manifest
from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
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


class Landing:
    """A landing folder at an address, and the sensor that watches it as the daemon does.

    Attributes:
        files: what lies there, unpacked, by the key that it is taken in by.
    """

    def __init__(self, address: str) -> None:
        self.folder = storage.at(address)
        self.files: dict[str, bytes] = {}
        self._cursor: str | None = None
        self._defs = build_defs()

    def land(self, path: str, *lines: str) -> None:
        content = "\n".join([*lines, ""]).encode()
        file = self.folder / path
        storage.make_folder(file.parent)
        file.write_bytes(gzip.compress(content, mtime=0) if path.endswith(".gz") else content)
        self.files[path.replace("/", "==")] = content

    def tick(self) -> Any:
        defs = self._defs
        with runs.instance(Settings.load()) as instance:
            context = dg.build_sensor_context(instance, self._cursor, definitions=defs, instance_ref=instance.get_ref())
            found: Any = defs.resolve_sensor_def("new_log_files").evaluate_tick(context)
            self._cursor = found.cursor
            for request in found.dynamic_partitions_requests or []:
                instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
            for request in found.run_requests or []:
                job = defs.resolve_job_def(str(request.job_name))
                assert job.execute_in_process(
                    instance=instance,
                    partition_key=request.partition_key,
                    tags=request.tags,
                    run_config=request.run_config,
                ).success
        return found

    def taken_in(self) -> list[str | None]:
        """What two looks have taken in, after the first of which nothing was complete."""
        assert self.tick().run_requests == []
        return [request.partition_key for request in self.tick().run_requests]


@pytest.fixture
def landing(address: str, monkeypatch: pytest.MonkeyPatch) -> Landing:
    monkeypatch.setenv("SPOTIFY_GRAPH_LANDING", f"{address}/landing")
    # As if what lands had lain there for a while.
    monkeypatch.setattr("spotify_graph.automation.digests.RACY_NS", -(10**10))
    return Landing(f"{address}/landing")


def test_what_lands_in_folders_of_folders_is_taken_in_by_the_sensor_wherever_they_are(
    platform: Platform, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = "dt=2026-01-01/part-0000.csv.gz", "dt=2026-01-02/part-0000.csv.gz"
    landing.land("catalogue/tracks.csv", *TRACKS)
    # Later by its key, and so the newer row of the track.
    landing.land("catalogue/tracks_2.csv", TRACKS[0], "t1,Anna,,180000,jazz")
    landing.land(one, HEADER, *events("u1", *range(30)), "no event")
    landing.land(two, HEADER, *events("u2", *range(10, 50)))
    for passed_over in ("dt=2026-01-02/_temporary/part-0001.csv", "dt=2026-01-02/.part-0000.csv", "_old/tracks.csv"):
        landing.land(passed_over, "no header")
        del landing.files[passed_over.replace("/", "==")]
    keys = [name.replace("/", "==") for name in ("catalogue/tracks.csv", "catalogue/tracks_2.csv", one, two)]
    assert landing.taken_in() == keys
    read: list[str] = []

    def counted(folder: storage.Address, path: str, *, lasting: bool = False) -> str:
        read.append(path)
        return landing_folder.digest(folder, path, lasting=lasting)

    monkeypatch.setattr("spotify_graph.automation.digests.digest", counted)
    assert landing.tick().run_requests == []
    assert read == [], "what is known is not read again"
    landing.land(two, HEADER, *events("u2", *range(5, 20)))
    assert landing.taken_in() == [keys[-1]]
    assert read == [two]
    assert "no event" in platform.succeed("rejects", "--file", one)
    landing.land("dt=2026-01-03/part-0000.csv.gz", HEADER, *events("u3", 1))
    # It takes in what the sensor has not, and publishes.
    result = platform.refresh()
    assert result.exit_code == 0, result.output
    is_promised(contents(platform.driver), oracle.expected(landing.files, datetime.now(UTC)))


def test_sample_logs_and_histories_are_written_to_a_landing_folder_wherever_it_is(
    landing: Landing, tmp_path: Path
) -> None:
    (tmp_path / "scrobbles.csv").write_text("Ann,First,One,01 Mar 2026 12:00\n")
    with without_a_graph(tmp_path / "home") as platform:
        platform.succeed("generate", "--tracks", "5", "--users", "3", "--events", "20")
        platform.succeed("import", str(tmp_path / "scrobbles.csv"), "--user", "ann", "--mapping", "lastfm-csv")
        result = platform.run("materialize", "--select", "group:raw")
        assert result.exit_code == 0, result.output
    names = {"tracks.csv", "user_events.csv", "tracks-imported.csv", "user_events-imported-ann.csv"}
    assert {storage.relative(file, landing.folder) for file in storage.files_in(landing.folder)} == names


def forget_clients() -> None:
    get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize("address", ["a store"], indirect=True)
def test_a_store_that_is_away_is_one_line_of_a_command_and_of_a_sensor_within_a_minute(
    landing: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with without_a_graph(tmp_path / "home") as platform:
        for variable, address in (("LANDING", "s3://logs-2/landing"), ("LAKE", "s3://logs-2/lake")):
            with monkeypatch.context() as patch:
                patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
                # A client keeps the address that it has met first, as long as a process lives.
                forget_clients()
                patch.setenv(f"SPOTIFY_GRAPH_{variable}", address)
                began = monotonic()
                result = platform.run("materialize", "--select", "group:raw")
                said = landing.tick().skip_message
                assert monotonic() - began < 60
            assert result.exit_code == 1
            [line] = result.stderr.splitlines()
            for text in (line, said):
                assert address in text
                assert "Could not connect" in text
            assert f"SPOTIFY_GRAPH_{variable}" in line
            assert "\n" not in said
    forget_clients()


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
