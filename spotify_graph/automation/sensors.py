"""The sensors: what makes the platform act by itself."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import dagster as dg

from spotify_graph.automation import failures, held_back, orphans
from spotify_graph.automation.changes import AutomationAfterChanges
from spotify_graph.automation.exports import new_exports
from spotify_graph.automation.health import platform_health
from spotify_graph.automation.ingest import Attempts, Decision, Ingest, decide
from spotify_graph.automation.jobs import ingest_catalogue, ingest_events
from spotify_graph.automation.landed import LandedFile, Listing, files_of, listed, release
from spotify_graph.automation.landing_watch import looks_from_json, looks_to_json
from spotify_graph.automation.tags import ATTEMPT_TAG, CODE_TAG, DIGEST_TAG, FILE_TAG
from spotify_graph.errors import UserError
from spotify_graph.lake.lake import Lake
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import BadFile

_INTERVAL_SECONDS = 5
"""Whoever lands a file waits for two looks at it, and for one at what came of it."""
_FAILURES_SECONDS = 15
_SHOWN = 5
"""How many names a message shows."""

# A run that was created and never launched is not among them: asked for again by its run key, the daemon launches it.
_IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.sensor(
    jobs=[ingest_catalogue, ingest_events],
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for new and replaced files in the landing folder, and has each of them taken in.",
)
def new_log_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Asks for one ingest run for each new content of a file, once it is complete, and for each stale file."""
    settings = Settings.load()
    try:
        listing = listed(settings, looks_from_json(context.cursor))
    except UserError as error:
        return dg.SkipReason(str(error))
    # The runs before the lake: what a run has found that ends between the two is in the lake already.
    orphans.end(context.instance)
    in_flight = _in_flight(context.instance)
    lake = Lake(settings.lake)
    release(listing, lake)
    decision = decide(
        files_of(listing, settings), in_flight=in_flight, attempts=lambda file: _attempts(context.instance, file)
    )
    for fault in (*decision.refused, *decision.given_up):
        context.log.warning(f"{fault.file} in {settings.landing} is not taken in: {fault.reason}")
    held_back.report(context.instance, settings.landing, lake)
    report = _report(listing, decision)
    context.log.info(report)
    return dg.SensorResult(
        run_requests=[_run_request(ingest) for ingest in decision.ingest],
        skip_reason=None if decision.ingest else dg.SkipReason(report),
        dynamic_partitions_requests=_partitions(decision.ingest),
        cursor=looks_to_json(listing.looks),
    )


def _in_flight(instance: dg.DagsterInstance) -> set[str]:
    runs = instance.get_runs(dg.RunsFilter(statuses=_IN_FLIGHT))
    return {run.tags[FILE_TAG] for run in runs if FILE_TAG in run.tags}


def _attempts(instance: dg.DagsterInstance, file: LandedFile) -> Attempts:
    # Newest first.
    tags = {FILE_TAG: file.name, DIGEST_TAG: str(file.digest), CODE_TAG: file.code}
    runs = instance.get_runs(dg.RunsFilter(tags=tags, statuses=_ENDED))
    used = (int(run.tags.get(ATTEMPT_TAG, 0)) for run in runs)
    since_success = takewhile(lambda run: run.status != dg.DagsterRunStatus.SUCCESS, runs)
    return Attempts(next=max(used, default=-1) + 1, failed=sum(1 for _ in since_success))


def _run_request(ingest: Ingest) -> dg.RunRequest:
    return dg.RunRequest(run_key=ingest.key, job_name=ingest.job, partition_key=ingest.file, tags=ingest.tags)


def _partitions(ingests: Sequence[Ingest]) -> list[dg.AddDynamicPartitionsRequest]:
    by_kind = {ingest.partitions.name: ingest.partitions for ingest in ingests}
    return [
        partitions.build_add_request([ingest.file for ingest in ingests if ingest.partitions is partitions])
        for partitions in by_kind.values()
    ]


def _report(listing: Listing, decision: Decision) -> str:
    """What became of everything in the landing folder, in one line."""
    parts = [
        _named("to take in now", [ingest.file for ingest in decision.ingest]),
        decision.waiting and f"{decision.waiting} waiting for the next look",
        _named("queued or being taken in", decision.under_way),
        _named("waiting to become stable", decision.unsettled),
        _named("given up", _with_reasons(decision.given_up)),
        _named("refused", _with_reasons(decision.refused)),
        _named("no log files", _with_reasons(listing.others)),
        f"{decision.known} known",
    ]
    return f"{listing.folder}: {'; '.join(part for part in parts if part)}"


def _with_reasons(faults: Sequence[BadFile]) -> list[str]:
    return [f"{fault.file} ({fault.reason})" for fault in faults]


def _named(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{more}"


graph_automation = AutomationAfterChanges(
    "graph_automation",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=_INTERVAL_SECONDS,
    use_user_code_server=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Brings the graph up to date when files came in, and keeps what the gates refused out of it.",
)


@dg.run_failure_sensor(
    # The command line's runs, too, which belong to no code location.
    monitor_all_code_locations=True,
    minimum_interval_seconds=_FAILURES_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes a record of each failed run, and sends it to SPOTIFY_GRAPH_FAILURE_WEBHOOK where that is set.",
)
def run_failure(context: dg.RunFailureSensorContext) -> None:
    """Records a failed run in `failures` in the home."""
    settings, run = Settings.load(), context.dagster_run
    record = record_of_failure(context)
    file = failures.keep(record, settings)
    context.log.info(f"{file}: {record['job']} failed")
    if fault := failures.send(record, settings):
        context.log.warning(f"The webhook did not take the record of run {run.run_id} ({fault}); it is in {file}")


def record_of_failure(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """What went wrong in the run that a sensor is told of, from `failures.record_of`."""
    run = context.dagster_run
    stored = context.instance.get_run_record_by_id(run.run_id)
    return failures.record_of(
        run,
        None if stored is None else stored.end_time,
        context.failure_event,
        context.get_step_failure_events(),
        _checks(context.instance, run.run_id),
        Settings.load(),
    )


def _checks(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    return [event.asset_check_evaluation_data for event in events]


SENSORS: list[dg.SensorDefinition] = [new_log_files, new_exports, graph_automation, run_failure, platform_health]
"""Every sensor."""
