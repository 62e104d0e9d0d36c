import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster import EventLogEntry
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy import Engine, event

from spotify_graph import history
from spotify_graph.settings import PROJECT_ROOT

_RUN = "a-run"
_PATIENCE_S = 60
_STORE = f"""
from time import time
import dagster as dg
with dg.DagsterInstance.get() as instance:
    for number in range(50):
        entry = dg.EventLogEntry(None, "INFO", f"theirs {{number}}", {_RUN!r}, time())
        instance.event_log_storage.store_event(entry)
"""


def said(message: str, run: str = _RUN) -> EventLogEntry:
    entry: EventLogEntry = EventLogEntry(None, "INFO", message, run, time.time())  # type: ignore[no-untyped-call]
    return entry


def store(instance: dg.DagsterInstance, *messages: str, run: str = _RUN) -> None:
    for message in messages:
        instance.event_log_storage.store_event(said(message, run))


def stored(instance: dg.DagsterInstance, run: str = _RUN) -> list[str]:
    return [entry.user_message for entry in instance.event_log_storage.get_logs_for_run(run)]


def materialized(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def thing() -> None: ...

    assert dg.materialize([thing], instance=instance).success


def form_of(file: Path) -> list[object]:
    """A database's tables and indexes, its revision, and how it is written."""
    with closing(sqlite3.connect(file)) as database:
        asked = ("SELECT sql FROM sqlite_master ORDER BY sql", "SELECT * FROM alembic_version", "PRAGMA journal_mode")
        return [database.execute(sql).fetchall() for sql in asked]


def open_files(folder: Path) -> set[str]:
    """The databases in the folder that this process has open."""
    paths = (Path(file.path) for file in psutil.Process().open_files())
    return {path.name for path in paths if path.is_relative_to(folder) and path.suffix == ".db"}


@contextmanager
def opened() -> Iterator[list[object]]:
    """Collects the connections that are opened to any database."""
    connections: list[object] = []

    def note(connection: object, record: object) -> None:
        connections.append(record)

    event.listen(Engine, "connect", note)
    yield connections
    event.remove(Engine, "connect", note)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dagster.yaml").write_text((PROJECT_ROOT / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


def test_a_run_opens_no_file_for_each_event(instance: dg.DagsterInstance) -> None:
    materialized(instance)
    with opened() as connections:
        materialized(instance)
    events = instance.get_run_records(limit=1)[0].dagster_run
    assert len(instance.all_logs(events.run_id)) > 10
    # One is for the file of the run.
    assert len(connections) <= 2


def test_dagster_and_this_platform_read_each_other_s_history(home: Path) -> None:
    ours = (home / "dagster.yaml").read_text()
    key = dg.AssetKey("thing")
    for number, configuration in enumerate(("{}", ours, "{}", ours)):
        (home / "dagster.yaml").write_text(configuration)
        with dg.DagsterInstance.get() as instance:
            assert len(instance.get_runs()) == number
            assert instance.has_asset_key(key) is (number > 0)
            materialized(instance)
            instance.add_dynamic_partitions("files", [str(number)])
            assert instance.get_dynamic_partitions("files") == [str(each) for each in range(number + 1)]


def test_the_history_lies_where_an_instance_without_a_dagster_home_has_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As `dagster dev` does in a checkout.
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), config_dir=str(PROJECT_ROOT))) as instance:
        materialized(instance)
    assert (tmp_path / "history" / "runs.db").is_file()


def test_what_another_process_stores_is_seen_while_both_keep_the_file_open(instance: dg.DagsterInstance) -> None:
    seen: list[str] = []
    everything = threading.Event()

    def see(entry: EventLogEntry, _cursor: str) -> None:
        seen.append(entry.user_message)
        if len(seen) == 100:
            everything.set()

    instance.watch_event_logs(_RUN, None, see)
    with subprocess.Popen([sys.executable, "-c", _STORE]) as other:
        for number in range(50):
            store(instance, f"ours {number}")
        assert everything.wait(_PATIENCE_S), f"only {len(seen)} are seen"
    assert other.returncode == 0
    instance.end_watch_event_logs(_RUN, see)
    expected = [f"{whose} {number}" for whose in ("ours", "theirs") for number in range(50)]
    assert sorted(seen) == sorted(stored(instance)) == sorted(expected)


def test_events_of_many_threads_are_all_stored(instance: dg.DagsterInstance) -> None:
    def work(number: int) -> None:
        store(instance, *(f"{number} {each}" for each in range(10)))
        instance.add_run(dg.DagsterRun("job", run_id=f"run-{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stored(instance)) == sorted(f"{number} {each}" for number in range(8) for each in range(10))
    assert len(instance.get_runs()) == 8


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_the_files_for_itself(instance: dg.DagsterInstance) -> None:
    store(instance, "before")

    def work() -> None:
        store(instance, "in the child")
        instance.event_log_storage.dispose()
        os._exit(0)

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    store(instance, "meanwhile")
    child.join(_PATIENCE_S)
    assert child.exitcode == 0
    store(instance, "after")
    assert sorted(stored(instance)) == ["after", "before", "in the child", "meanwhile"]
    instance.event_log_storage.dispose()
    assert len(stored(instance)) == 4


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_that_begin_a_run_s_file_at_once_lose_nothing(instance: dg.DagsterInstance) -> None:
    context = multiprocessing.get_context("fork")
    runs, workers = 10, 4
    together = context.Barrier(workers)

    def work(number: int) -> None:
        for run in range(runs):
            together.wait(_PATIENCE_S)
            store(instance, str(number), run=f"run-{run}")

    children = [context.Process(target=work, args=(number,)) for number in range(workers)]
    for child in children:
        child.start()
    for child in children:
        child.join(_PATIENCE_S)
    assert [child.exitcode for child in children] == [0] * workers
    for run in range(runs):
        assert sorted(stored(instance, f"run-{run}")) == [str(number) for number in range(workers)]


def test_a_run_s_file_is_as_dagster_makes_it(instance: dg.DagsterInstance, home: Path, tmp_path: Path) -> None:
    store(instance, "ours")
    theirs = SqliteEventLogStorage(str(tmp_path / "theirs"))
    theirs.store_event(said("theirs"))
    ours = home / "history" / "runs" / f"{_RUN}.db"
    assert form_of(ours) == form_of(tmp_path / "theirs" / f"{_RUN}.db")


def test_a_run_s_file_that_is_deleted_is_made_anew(instance: dg.DagsterInstance, home: Path) -> None:
    store(instance, "before")
    for file in (home / "history" / "runs").glob(f"{_RUN}.db*"):
        file.unlink()
    store(instance, "after")
    assert stored(instance) == ["after"]
    with dg.DagsterInstance.get() as other:
        assert stored(other) == ["after"]


def test_a_history_that_is_wiped_begins_anew(instance: dg.DagsterInstance) -> None:
    materialized(instance)
    run = instance.get_runs()[0].run_id
    instance.wipe()
    assert instance.get_runs() == []
    assert instance.all_logs(run) == []
    materialized(instance)
    assert len(instance.get_runs()) == 1


def test_an_instance_beside_another_one_finds_the_history_open_and_leaves_it_open(home: Path) -> None:
    with dg.DagsterInstance.get() as stays:
        materialized(stays)
        key = dg.AssetKey("thing")
        with opened() as connections:
            for _ in range(3):
                with dg.DagsterInstance.get() as comes:
                    assert comes.get_latest_materialization_event(key)
        assert connections == []
        assert open_files(home)
    assert open_files(home) == set()


def test_a_process_can_keep_the_history_open_from_one_instance_to_the_next(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the code server does, which makes one for each look of a sensor.
    monkeypatch.setattr(history._Files, "stay", False)  # and put back
    history.keep_open()
    with dg.DagsterInstance.get() as first:
        materialized(first)
    with opened() as connections, dg.DagsterInstance.get() as second:
        assert second.get_latest_materialization_event(dg.AssetKey("thing"))
    assert connections == []


def test_a_sensor_s_look_reads_and_writes_without_a_look_at_the_form_of_the_history(
    instance: dg.DagsterInstance,
) -> None:
    code = RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin("localhost", 1), "repository")
    origin = RemoteInstigatorOrigin(code, "sensor")
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    instance.add_instigator_state(state)
    materialized(instance)
    instance.update_instigator_state(state.with_data(SensorInstigatorData(cursor="first")))
    instance.get_run_records()
    instance.get_latest_materialization_event(dg.AssetKey("thing"))
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        instance.update_instigator_state(state.with_data(SensorInstigatorData(cursor="second")))
        instance.get_run_records()
        instance.get_latest_materialization_event(dg.AssetKey("thing"))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    found = instance.get_instigator_state(state.instigator_origin_id, state.selector_id)
    assert found
    assert found.instigator_data == SensorInstigatorData(cursor="second")
    assert any("instigators" in statement for statement in asked)
    assert [statement for statement in asked if re.search("sqlite_master|secondary_indexes|PRAGMA", statement)] == []


def test_only_the_latest_files_are_kept_open_and_none_beyond_the_instance(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        for number in range(20):
            store(instance, "something", run=f"run-{number}")
        assert "run-19.db" in open_files(home)
        assert "run-0.db" not in open_files(home)
        assert len(open_files(home)) <= 16
        assert stored(instance, "run-0") == ["something"]
    assert open_files(home) == set()
    left = {file.suffix for file in (home / "history" / "runs").iterdir()}
    assert left == {".db"}, "each is whole in itself"
