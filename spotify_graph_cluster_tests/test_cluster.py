"""The whole pipeline on a cluster, by the services and with the configuration of docker/."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psutil
import requests

from spotify_graph import storage
from spotify_graph.automation import orphans
from spotify_graph_cluster_tests.conftest import Cluster, Platform, until
from spotify_graph_cluster_tests.containers import SERVICES
from spotify_graph_tests import oracle
from spotify_graph_tests.promised import contents, is_promised

SIZES = ("--users", "60", "--tracks", "200", "--events", "20000")


def holds_what_is_promised(cluster: Cluster) -> None:
    landed = {file.name: file.read_bytes() for file in cluster.landing.iterdir()}
    is_promised(contents(cluster.neo4j), oracle.expected(landed, datetime.now(UTC)))


def is_published(platform: Platform) -> bool:
    """Whether the graph has a relationship for each event that landed, and nothing is under way any more."""
    landed = {file.name: file.read_bytes() for file in platform.cluster.landing.iterdir()}
    edges = len(oracle.expected(landed, datetime.now(UTC)).events)
    count = "MATCH (:User)-[r:PLAYED|LIKED|SKIPPED|PAUSED|SEEKED]->() RETURN count(r) AS n"
    return platform.cluster.neo4j.execute_query(count).records[0]["n"] == edges and platform.is_idle()


def of_application(cluster: Cluster, run: dict[str, Any], what: str) -> Any:
    """What the history server knows of a run's Spark."""
    url = f"{cluster.history}/api/v1/applications/{run['tags']['spark/application']}/{what}"
    return requests.get(url, timeout=30).json()


def test_every_service_says_that_it_is_healthy(platform: Platform) -> None:
    of_full = {name for name, of in SERVICES.items() if "full" in of["profiles"]} - {"neo4j", "postgres"}
    assert of_full == {
        "spark-master",
        "spark-worker",
        "spark-history",
        "code-location",
        "dagster-webserver",
        "dagster-daemon",
    }
    for service in of_full:
        until(partial(platform.cluster.host.is_healthy, service), service)


def test_what_lands_is_taken_in_on_the_cluster_and_the_graph_equals_the_independent_count(platform: Platform) -> None:
    cluster = platform.cluster
    made = cluster.run("generate", *SIZES, "--out", str(cluster.landing))
    assert made.returncode == 0, made.stderr
    until(lambda: is_published(platform), "the graph lacks something")
    holds_what_is_promised(cluster)
    assert platform.failures() == []
    # All of the lake is at its address, and Spark's workers have written there.
    assert not (cluster.driver_home / "lake").exists()
    entries = {storage.relative(file, storage.at(cluster.lake)).split("/")[0] for file in lake_files(cluster)}
    assert {"graph", "interactions", "cleaned_events", "_manifests"} <= entries
    assert "_spool" not in entries


def lake_files(cluster: Cluster) -> Iterator[storage.Address]:
    return storage.files_in(storage.at(cluster.lake))


def test_a_run_and_an_asset_lead_to_the_jobs_that_spark_did_for_them(platform: Platform) -> None:
    cluster = platform.cluster
    shown = platform.metadata("cleaned_events")["Spark"] or platform.metadata("interactions")["Spark"]
    application, job = re.findall(rf"\({cluster.history}/history/(app-[\d-]+)/jobs/job/\?id=(\d+)\)", shown)[0]
    [run] = [run for run in platform.runs() if run["tags"].get("spark/application") == application]
    assert run["tags"]["spark/history"] == f"{cluster.history}/history/{application}"
    until(lambda: requests.get(run["tags"]["spark/history"], timeout=30).ok, "no page in the history")
    [known] = [it for it in of_application(cluster, run, "jobs") if it["jobId"] == int(job)]
    assert known["jobGroup"] in {f"{step} of run {run['runId'][:8]}" for step in ("clean_events", "interactions")}
    assert known["status"] == "SUCCEEDED"
    assert requests.get(f"{cluster.history}/history/{application}/jobs/job/?id={job}", timeout=30).ok
    # Each of the two workers had an executor, and no other machine did.
    assert len(of_application(cluster, run, "executors")) == 1 + len(cluster.workers)


def test_models_are_trained_although_a_worker_is_killed_in_mid_job_and_are_served(platform: Platform) -> None:
    cluster = platform.cluster
    run_id = platform.launch("retrain")
    run = partial(platform.run, run_id)
    until(lambda: "spark/ui" in run()["tags"], "the run has no Spark")
    executor = busy_executor(run()["tags"])
    worker = executor.parent()
    assert worker is not None
    assert worker.pid in [it.pid for it in cluster.workers]
    worker.kill()
    until(lambda: run()["status"] in {"SUCCESS", "FAILURE"}, "the run does not end")
    assert run()["status"] == "SUCCESS"
    assert not executor.is_running()
    until(lambda: of_application(cluster, run(), "stages"), "no history")
    lost = [it for it in of_application(cluster, run(), "allexecutors") if not it["isActive"]]
    assert len(lost) == 1
    assert sum(it["numFailedTasks"] + it["numKilledTasks"] for it in of_application(cluster, run(), "stages")) >= 1
    until(platform.is_idle, "something still runs")
    holds_what_is_promised(cluster)
    [user] = cluster.neo4j.execute_query("MATCH (u:User)-[:RECOMMENDED]->() RETURN u.user_id AS id LIMIT 1").records
    served = cluster.run("recommend", user["id"], "--json")
    assert served.returncode == 0, served.stderr
    assert json.loads(served.stdout)


def test_a_code_location_that_dies_loses_no_run_that_waits_and_what_it_was_making_is_recorded_as_failed(
    platform: Platform,
) -> None:
    canceled, waiting = platform.launch("reconcile"), platform.launch("reconcile")
    until(lambda: works(platform, canceled), "the run does not begin")
    platform.kill("code-location")
    # As somebody does who sees that it does not go on.
    platform.ask(
        "mutation ($run: String!) { terminateRun(runId: $run, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY)"
        " { __typename } }",
        run=canceled,
    )
    until(lambda: any("re-submitting the run" in it for it in platform.messages(waiting)), "nobody looked for the code")
    platform.start("code-location")
    until(lambda: works(platform, waiting), "what waited does not begin")
    platform.kill("code-location")
    platform.start("code-location")
    until(lambda: platform.run(waiting)["status"] == "FAILURE", "its end is not noticed")
    assert orphans.WHY in platform.messages(waiting)
    completed = platform.launch("reconcile")
    until(platform.is_idle, "something still runs")
    assert platform.run(completed)["status"] == "SUCCESS"
    holds_what_is_promised(platform.cluster)


def works(platform: Platform, run_id: str) -> bool:
    """Whether a run does one of its steps."""
    return any(it.startswith("Started execution of step") for it in platform.messages(run_id))


def busy_executor(tags: dict[str, str]) -> psutil.Process:
    """The process of an executor that works on a task now."""
    application = tags["spark/application"]
    pages = f"{tags['spark/ui']}/api/v1/applications/{application}/executors"
    found: list[str] = []

    def is_busy() -> bool:
        found[:] = [
            it["id"] for it in requests.get(pages, timeout=60).json() if it["activeTasks"] and it["id"] != "driver"
        ]
        return bool(found)

    until(is_busy, "no executor had anything to do")
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if application in words and words[words.index("--executor-id") + 1] == found[0]:
            return process
    raise AssertionError("the executor has no process")
