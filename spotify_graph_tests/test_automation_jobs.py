"""The jobs and schedules, over stand-ins for the assets."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from spotify_graph.automation.jobs import JOBS
from spotify_graph.automation.partitions import CATALOGUE_FILES, LOG_FILES
from spotify_graph.automation.schedules import SCHEDULES
from spotify_graph_tests.stand_ins import COMBINED, GRAPH, definitions, requested


def keys_of(defs: dg.Definitions, job: str) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys}


def test_each_job_has_its_assets() -> None:
    defs = definitions(recommendations=True)
    assert keys_of(defs, "ingest_events") == {"raw_user_events", "cleaned_events", "rejected_events"}
    assert keys_of(defs, "ingest_catalogue") == {"raw_tracks"}
    assert keys_of(defs, "refresh_graph") == keys_of(defs, "reconcile") == {*COMBINED, *GRAPH}
    from_interactions = {*GRAPH} - {"artist_nodes", "genre_nodes"}
    assert keys_of(defs, "retrain") == {"interactions", "recommended_edges", *from_interactions}
    assert all(job.description for job in JOBS)


@pytest.mark.parametrize("job", ["ingest_events", "ingest_catalogue"])
def test_an_ingest_job_takes_in_one_file(job: str) -> None:
    kind = LOG_FILES if job == "ingest_events" else CATALOGUE_FILES
    assert definitions().resolve_job_def(job).partitions_def == kind


def test_a_reconciliation_compares_the_database_itself(instance: dg.DagsterInstance) -> None:
    assert shown(instance, "reconcile", "track_nodes", "verify") is True
    assert shown(instance, "refresh_graph", "track_nodes", "verify") is False


def test_a_retraining_counts_everything_anew(instance: dg.DagsterInstance) -> None:
    assert shown(instance, "retrain", "interactions", "full") is True
    assert shown(instance, "refresh_graph", "interactions", "full") is False


def shown(instance: dg.DagsterInstance, job: str, asset: str, metadata: str) -> object:
    """What a run of the job, started as it is, puts down in an asset's metadata."""
    result = definitions().resolve_job_def(job).execute_in_process(instance=instance)
    (materialization,) = result.asset_materializations_for_node(asset)
    return materialization.metadata[metadata].value


def test_both_schedules_run_from_the_start_at_their_utc_times() -> None:
    assert {
        schedule.name: (schedule.cron_schedule, schedule.execution_timezone, schedule.job_name)
        for schedule in SCHEDULES
    } == {
        "nightly_retrain": ("0 3 * * *", "UTC", "retrain"),
        "hourly_reconciliation": ("0 * * * *", "UTC", "reconcile"),
        "daily_cleaning": ("30 4 * * *", "UTC", "clean_lake"),
    }
    assert all(schedule.default_status == dg.DefaultScheduleStatus.RUNNING for schedule in SCHEDULES)


@pytest.mark.parametrize("job", ["reconcile", "refresh_graph"])
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
def test_a_reconciliation_is_skipped_while_one_or_a_refresh_is_under_way(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus
) -> None:
    run = requested(instance, definitions(), job, status)
    found = at_the_hour(instance)
    assert found.run_requests == []
    assert found.skip_message == f"run {run.run_id} of {job} is {status.value.lower()}"


def test_a_reconciliation_is_asked_for_when_other_runs_are_under_way_or_its_own_have_ended(
    instance: dg.DagsterInstance,
) -> None:
    instance.add_run(dg.DagsterRun("ingest_events", status=dg.DagsterRunStatus.STARTED))
    instance.add_run(dg.DagsterRun("reconcile", status=dg.DagsterRunStatus.FAILURE))
    instance.add_run(dg.DagsterRun("refresh_graph", status=dg.DagsterRunStatus.SUCCESS))
    found = at_the_hour(instance)
    assert found.run_requests is not None
    assert len(found.run_requests) == 1


def at_the_hour(instance: dg.DagsterInstance) -> Any:
    hour = datetime(2024, 1, 1, 5, tzinfo=UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=hour)
    return definitions().resolve_schedule_def("hourly_reconciliation").evaluate_tick(context)
