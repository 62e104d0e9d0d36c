"""The sensor of failed runs: the record that it leaves, and the webhook, which is a real server on this machine."""

import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pyspark.sql import SparkSession

from spotify_graph.automation import failures
from spotify_graph.automation.sensors import run_failure
from spotify_graph.checks import gates
from spotify_graph.lake.verdicts import Finding
from spotify_graph.settings import Settings

PASSWORD = "pass-word-of-neo4j"  # noqa: S105 made up
KEY = "key-in-the-address"


class Webhook:
    """A server that keeps what is sent to it."""

    def __init__(self) -> None:
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()
        self.received: list[Any] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.received.append(json.loads(body))
                webhook.answers.wait(30)
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{KEY}"


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    webhook = Webhook()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SPOTIFY_GRAPH_FAILURE_WEBHOOK", webhook.url)
    thread = threading.Thread(target=webhook.server.serve_forever)
    thread.start()
    yield webhook
    webhook.answers.set()
    webhook.server.shutdown()
    thread.join()
    webhook.server.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path))
    monkeypatch.setenv("NEO4J_PASSWORD", PASSWORD)
    return tmp_path


def failing(message: str) -> dg.Definitions:
    @dg.asset
    def good() -> None: ...

    @dg.asset(deps=[good])
    def bad() -> None:
        try:
            raise KeyError("what lies beneath")
        except KeyError as error:
            raise ValueError(f"{message}\nand more lines") from error

    @dg.asset
    def plain() -> None:
        raise ValueError(f"{message}\nand more lines")

    few, many = (dg.AssetCheckSpec(name, asset="refused", blocking=True) for name in ("few_rejected", "many_kept"))

    @dg.asset(check_specs=[few, many])
    def refused() -> dg.MaterializeResult:  # type: ignore[type-arg]
        found = gates.result(Finding("few_rejected", False, True, f"9 of 10 rows: {message}"), "refused")
        return dg.MaterializeResult(check_results=[found, dg.AssetCheckResult(check_name="many_kept", passed=True)])

    return dg.Definitions(assets=[good, bad, plain, refused], sensors=[run_failure], executor=dg.in_process_executor)


def failed(instance: dg.DagsterInstance, message: str, *assets: str, tags: dict[str, str] | None = None) -> str:
    job = failing(message).resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(name) for name in assets]
    return job.execute_in_process(instance=instance, asset_selection=keys, tags=tags, raise_on_error=False).run_id


class Sensor:
    """The sensor's ticks, one after the other."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> Any:
        defs = failing("")
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, definitions=defs)
        found = defs.resolve_sensor_def("run_failure").evaluate_tick(context)
        self.cursor = found.cursor
        return found


@pytest.fixture
def sensor(instance: dg.DagsterInstance) -> Sensor:
    sensor = Sensor(instance)
    sensor.tick()
    return sensor


def record_in(home: Path, run_id: str) -> Any:
    return json.loads((home / "failures" / f"{run_id}.json").read_text())


def test_a_failed_run_leaves_a_record(instance: dg.DagsterInstance, sensor: Sensor, home: Path) -> None:
    tags = {"spotify_graph/file": "user_events_1.csv", "dagster/partition": "user_events_1.csv"}
    before = datetime.now(UTC).replace(microsecond=0)
    run_id = failed(instance, "on top", "good", "bad", "plain", tags=tags)
    found = sensor.tick()
    assert [reaction.error for reaction in found.dagster_run_reactions] == [None]
    record = record_in(home, run_id)
    assert before <= datetime.fromisoformat(record.pop("at")) <= datetime.now(UTC)
    assert record.pop("error").startswith("Execution of run")
    assert sorted(record.pop("steps"), key=lambda step: str(step["step"])) == [
        {"step": "bad", "error": "'what lies beneath'"},
        {"step": "plain", "error": "on top and more lines"},
    ]
    assert record == {
        "run_id": run_id,
        "job": "__ASSET_JOB",
        "file": "user_events_1.csv",
        "partition": "user_events_1.csv",
        "checks": [],
        "url": f"/runs/{run_id}",
    }
    assert [file.name for file in (home / "failures").iterdir()] == [f"{run_id}.json"]


def test_the_record_names_the_checks_that_refused_and_what_they_found(
    instance: dg.DagsterInstance, sensor: Sensor, home: Path
) -> None:
    run_id = failed(instance, f"![x](http://a/b) **one** of <them> {PASSWORD}", "refused")
    sensor.tick()
    found = "9 of 10 rows: ![x](http://a/b) **one** of <them> ***"
    assert record_in(home, run_id)["checks"] == [
        {"asset": "refused", "check": "few_rejected", "partition": None, "found": found}
    ]


def test_a_run_that_failed_before_its_first_step_leaves_a_record(
    instance: dg.DagsterInstance, sensor: Sensor, home: Path
) -> None:
    run = instance.create_run_for_job(failing("").resolve_implicit_global_asset_job_def())
    instance.report_run_failed(run, "the machine went down")
    sensor.tick()
    record = record_in(home, run.run_id)
    assert record["steps"] == []
    assert record["error"] == "the machine went down"
    assert record["file"] is None


def test_a_good_run_leaves_no_record(instance: dg.DagsterInstance, sensor: Sensor, home: Path) -> None:
    failed(instance, "", "good")
    assert sensor.tick().dagster_run_reactions == []
    assert not (home / "failures").exists()


def test_secrets_do_not_reach_the_record_nor_the_webhook(
    instance: dg.DagsterInstance, sensor: Sensor, home: Path, webhook: Webhook
) -> None:
    run_id = failed(instance, f"no login with {PASSWORD}, nothing sent to {webhook.url}", "plain")
    sensor.tick()
    record = record_in(home, run_id)
    assert record["steps"] == [{"step": "plain", "error": "no login with ***, nothing sent to *** and more lines"}]
    assert webhook.received == [record]
    assert PASSWORD not in str(record)


@pytest.mark.parametrize("fault", ["status", "timeout", "nobody", "address"])
def test_a_webhook_that_does_not_take_the_record_is_logged_without_its_address(
    instance: dg.DagsterInstance,
    sensor: Sensor,
    home: Path,
    webhook: Webhook,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    match fault:
        case "status":
            webhook.status = 500
        case "timeout":
            monkeypatch.setattr(failures, "_TIMEOUT_SECONDS", 0.2)
            webhook.answers.clear()
        case "nobody":
            monkeypatch.setenv("SPOTIFY_GRAPH_FAILURE_WEBHOOK", f"http://127.0.0.1:1/{KEY}")
        case "address":
            monkeypatch.setenv("SPOTIFY_GRAPH_FAILURE_WEBHOOK", f"no address: {KEY}")
    run_id = failed(instance, "broken", "plain")
    capfd.readouterr()
    found = sensor.tick()
    assert [reaction.error for reaction in found.dagster_run_reactions] == [None]
    logged = capfd.readouterr().err
    reason = {"status": "status 500", "timeout": "ReadTimeout", "nobody": "ConnectionError", "address": "InvalidURL"}
    assert "The webhook did not take the record" in logged
    assert reason[fault] in logged or fault == "address"
    assert KEY not in logged
    assert record_in(home, run_id)["steps"][0]["error"] == "broken and more lines"


def test_without_a_webhook_nothing_is_sent_and_nothing_is_said(
    instance: dg.DagsterInstance, sensor: Sensor, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    failed(instance, "broken", "plain")
    capfd.readouterr()
    sensor.tick()
    assert logging.getLevelName(logging.WARNING) not in capfd.readouterr().err


class Error:
    """An error as Dagster keeps it."""

    def __init__(self, message: str, cls_name: str, cause: "Error | None" = None) -> None:
        self.message, self.cls_name, self.cause = message, cls_name, cause


def error_of(call: Callable[[], object]) -> Error:
    """The error that a call ends in, as Dagster keeps it."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 whatever it is
        return Error("".join(traceback.format_exception_only(error)), type(error).__name__)
    raise AssertionError("it did not fail")


def test_the_cause_is_javas_own_where_python_asked_for_it(spark: SparkSession) -> None:
    jvm: Any = spark._jvm
    error = error_of(lambda: jvm.java.util.Objects.requireNonNull(None, "what is missing"))
    assert (error.cls_name, error.message.splitlines()[0][:60]) == (
        "Py4JJavaError",
        "py4j.protocol.Py4JJavaError: An error occurred while calling",
    )
    assert failures.cause_of(error) == "java.lang.NullPointerException: what is missing"


def test_the_cause_is_the_innermost_of_sparks_and_of_a_python_worker(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "part.parquet").write_bytes(b"no Parquet at all")
    found = failures.cause_of(error_of(lambda: spark.read.schema("a string").parquet(str(tmp_path)).collect()))
    assert "is not a Parquet file" in found
    assert ".scala:" not in found
    worker = (
        "pyspark.errors.exceptions.captured.PythonException: \n  An exception was thrown from the Python worker."
        ' Please see the stack trace below.\nTraceback (most recent call last):\n  File "x.py", line 1, in f\n'
        '    raise ValueError("no")\nValueError: a bad value\n\n\tat org.apache.spark.api.python.Base.x(P.scala:1)\n'
    )
    assert failures.cause_of(Error(worker, "PythonException")) == "ValueError: a bad value"


def test_the_cause_of_an_error_of_dagsters_is_its_whole_message() -> None:
    message = (
        "dagster._core.errors.DagsterInvariantViolationError: Partition range user_events_b.csv to user_events_b.csv"
        " is\n            not a valid range. Nonexistent partition keys: ['user_events_b.csv']\n"
    )
    assert failures.cause_of(Error(message, "DagsterInvariantViolationError")) == (
        "Partition range user_events_b.csv to user_events_b.csv is not a valid range."
        " Nonexistent partition keys: ['user_events_b.csv']"
    )


def test_what_is_meant_to_be_read_says_it_all_whatever_led_to_it() -> None:
    lost = Error("ConnectionRefusedError: [Errno 111]\n", "ConnectionRefusedError")
    meant = Error("spotify_graph.errors.UserError: Neo4j does not answer: start it\n", "UserError", lost)
    assert failures.cause_of(Error("StepError: in a step\n", "StepError", meant)) == "Neo4j does not answer: start it"


def test_each_failed_run_is_told_once_in_a_line(instance: dg.DagsterInstance, sensor: Sensor, home: Path) -> None:
    run_id = failed(instance, "before", "plain")
    sensor.tick()
    news = failures.News(Settings.load())
    assert news() == [], "what failed before somebody looks is no news"
    run_id = failed(instance, "one of them", "plain")
    refused = failed(instance, "too many", "refused")
    sensor.tick()
    assert sorted(news()) == sorted(
        [
            f"run {run_id[:8]} of __ASSET_JOB failed: one of them and more lines",
            f"run {refused[:8]} of __ASSET_JOB failed: refused, check few_rejected: 9 of 10 rows: too many",
        ]
    )
    assert news() == []
