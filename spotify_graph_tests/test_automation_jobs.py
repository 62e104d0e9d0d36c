"""The jobs and schedules, over stand-ins for the assets: the same keys, groups, partitions and dependencies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from dagster import _check as check
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from spotify_graph.automation.conditions import COMBINES_FILES, FIRST_TIME, FOLLOWS_GATES
from spotify_graph.automation.jobs import JOBS
from spotify_graph.automation.partitions import CATALOGUE_FILES, LOG_FILES
from spotify_graph.automation.schedules import SCHEDULES
from spotify_graph.automation.sensors import SENSORS
from spotify_graph.graph_model import FACTS, NodeType

INGESTED = ["raw_user_events", "cleaned_events", "rejected_events", "raw_tracks"]
COMBINED = ["cleaned_tracks", "rejected_tracks", "interactions"]
GRAPH = {table.asset: table for table in FACTS}
GATE = "gate"
"""The blocking check of every asset but the rejected rows."""


def definitions(
    fails: Sequence[str] = (), refused: Sequence[str] = (), recommendations: bool = False
) -> dg.Definitions:
    """The platform's shape; the runs of the partitions in `fails` fail, the gates of those in `refused` don't pass."""

    def passed(name: str, context: dg.AssetExecutionContext) -> bool:
        partition = context.partition_key if context.has_partition_key else None
        assert partition is None or partition not in fails
        return name not in refused and partition not in refused

    def asset(name: str, **about: Any) -> dg.AssetsDefinition:
        gate = dg.AssetCheckSpec(GATE, asset=name, blocking=True)
        as_asset: Callable[..., dg.AssetsDefinition] = dg.asset(name=name, check_specs=[gate], **about)

        @as_asset
        def computed(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
            check = dg.AssetCheckResult(check_name=GATE, passed=passed(name, context))
            metadata = dict(context.op_execution_context.op_config or {})
            return dg.MaterializeResult(check_results=[check], metadata=metadata)

        return computed

    def pair(good: str, bad: str, dep: str, **about: Any) -> dg.AssetsDefinition:
        condition = None if "partitions_def" in about else COMBINES_FILES

        @dg.multi_asset(
            name=f"clean_{good}",
            specs=[
                dg.AssetSpec(good, deps=[dep], group_name="cleaned", automation_condition=condition),
                dg.AssetSpec(bad, deps=[dep], group_name="cleaned", automation_condition=condition),
            ],
            check_specs=[dg.AssetCheckSpec(GATE, asset=good, blocking=True)],
            **about,
        )
        def computed(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
            check = dg.AssetCheckResult(check_name=GATE, passed=passed(good, context))
            yield dg.MaterializeResult(good, check_results=[check])
            yield dg.MaterializeResult(bad)

        return computed

    class InteractionsConfig(dg.Config):
        full: bool = False

    @dg.asset(
        deps=["cleaned_events"],
        group_name="cleaned",
        automation_condition=COMBINES_FILES,
        check_specs=[dg.AssetCheckSpec(GATE, asset="interactions", blocking=True)],
    )
    def interactions(context: dg.AssetExecutionContext, config: InteractionsConfig) -> dg.MaterializeResult:  # type: ignore[type-arg]
        check = dg.AssetCheckResult(check_name=GATE, passed=passed("interactions", context))
        return dg.MaterializeResult(metadata={"full": config.full}, check_results=[check])

    sources = {
        "track_nodes": ["cleaned_tracks", "interactions"],
        # A node asset that reads the files as well as what they are combined to.
        "user_nodes": ["cleaned_events", "interactions"],
        "artist_nodes": ["cleaned_tracks"],
        "genre_nodes": ["cleaned_tracks"],
        "by_edges": ["cleaned_tracks", "track_nodes", "artist_nodes"],
        "in_genre_edges": ["cleaned_tracks", "track_nodes", "genre_nodes"],
    }
    graph = [
        asset(
            name,
            deps=sources.get(name, ["interactions", "user_nodes", "track_nodes"]),
            group_name="nodes" if isinstance(table, NodeType) else "edges",
            automation_condition=FOLLOWS_GATES,
            config_schema={"verify": dg.Field(bool, default_value=False)},
        )
        for name, table in GRAPH.items()
    ]
    model = asset(
        "recommended_edges", deps=["interactions"], group_name="recommendations", automation_condition=FIRST_TIME
    )
    return dg.Definitions(
        assets=[
            asset("raw_user_events", partitions_def=LOG_FILES, group_name="raw"),
            asset("raw_tracks", partitions_def=CATALOGUE_FILES, group_name="raw"),
            pair("cleaned_events", "rejected_events", "raw_user_events", partitions_def=LOG_FILES),
            pair("cleaned_tracks", "rejected_tracks", "raw_tracks"),
            interactions,
            *graph,
            *([model] if recommendations else []),
        ],
        jobs=JOBS,
        sensors=SENSORS,
        schedules=SCHEDULES,
        executor=dg.in_process_executor,
    )


@pytest.fixture(name="instance")
def an_instance() -> Iterator[dg.DagsterInstance]:
    """An empty Dagster instance, stored in files as the platform's own is."""
    with dg.instance_for_test() as instance:
        yield instance


def requested(
    instance: dg.DagsterInstance,
    defs: dg.Definitions,
    job: str,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED,
    tags: Mapping[str, str] | None = None,
) -> dg.DagsterRun:
    """A run as the daemon creates it: it has not begun, whatever its status."""
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("spotify_graph"), "__repository__")
    return instance.create_run_for_job(
        defs.resolve_job_def(job), status=status, tags=tags, remote_job_origin=RemoteJobOrigin(location, job)
    )


def performed(instance: dg.DagsterInstance, defs: dg.Definitions, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    """Carries out a run that was queued, and tells how it ended."""
    starting = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_STARTING.value, run.job_name)
    instance.report_dagster_event(starting, run.run_id)
    job = InMemoryJob(defs.resolve_job_def(run.job_name))
    execute_run(job, check.not_none(instance.get_run_by_id(run.run_id)), instance)
    return check.not_none(instance.get_run_by_id(run.run_id)).status


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
