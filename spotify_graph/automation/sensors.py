"""The sensors: what makes the platform act by itself."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

import dagster as dg

from spotify_graph.assets.many_files import ingest_many
from spotify_graph.automation import failures, held_back, orphans
from spotify_graph.automation.answering import answering, skipped_without_stores
from spotify_graph.automation.changes import AutomationAfterChanges
from spotify_graph.automation.exports import new_exports
from spotify_graph.automation.health import platform_health
from spotify_graph.automation.ingest import FAILED_RUNS, Attempts, Decision, Ingest, IngestMany, decide
from spotify_graph.automation.jobs import ingest_catalogue, ingest_events
from spotify_graph.automation.landed import LandedFile, Listing, files_of, listed, release
from spotify_graph.automation.landing_watch import looks_from_json, looks_to_json
from spotify_graph.automation.tags import (
    ATTEMPT_TAG,
    CODE_TAG,
    DIGEST_TAG,
    FILE_TAG,
    FILES_TAG,
    TOGETHER,
    together,
)
from spotify_graph.lake.lake import Lake
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import BadFile

_INTERVAL_SECONDS = 4
"""Whoever lands a file waits for two looks at it, and for one at what came of it.

Dagster's daemon comes by every five seconds or a little less, and passes over a sensor whose interval is not over yet.
"""
_FAILURES_SECONDS = 20
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
    jobs=[ingest_catalogue, ingest_events, ingest_many],
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for new and replaced files in the landing folder, and has them taken in.",
)
@skipped_without_stores
def new_log_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Asks for runs that take in each new content of a file, once it is complete, and each stale file."""
    settings = answering()
    listing = listed(settings, looks_from_json(context.cursor))
    # The runs before the lake: what a run has found that ends between the two is in the lake already.
    orphans.end(context.instance)
    in_flight = context.instance.get_runs(dg.RunsFilter(statuses=_IN_FLIGHT))
    lake = Lake(settings.lake)
    release(listing, lake)
    decision = decide(
        files_of(listing, settings),
        in_flight=set(_files(in_flight)),
        many_in_flight=any(FILES_TAG in run.tags for run in in_flight),
        attempts=lambda file: _attempts(context.instance, file),
    )
    for fault in (*decision.refused, *decision.given_up):
        context.log.warning(f"{fault.file} in {settings.landing} is not taken in: {fault.reason}")
    held_back.report(context.instance, settings.landing, lake, listing.looks)
    report = _report(listing, decision)
    context.log.info(report)
    return dg.SensorResult(
        run_requests=[_run_request(run) for run in decision.runs],
        skip_reason=None if decision.runs else dg.SkipReason(report),
        dynamic_partitions_requests=_partitions(decision.files),
        cursor=looks_to_json(listing.unknown),
    )


def _files(runs: Iterable[dg.DagsterRun]) -> Iterator[str]:
    """The files that runs take in."""
    for run in runs:
        yield from (file for tag, file in run.tags.items() if tag == FILE_TAG or tag.startswith(TOGETHER))


def _attempts(instance: dg.DagsterInstance, file: LandedFile) -> Attempts:
    # Newest first.
    digest, code = str(file.digest), file.code
    of_file = {FILE_TAG: file.name, DIGEST_TAG: digest, CODE_TAG: code}
    runs, of_many = (
        instance.get_runs(dg.RunsFilter(tags=tags, statuses=_ENDED))
        for tags in (of_file, together(file.name, digest, code))
    )
    used = (int(run.tags.get(ATTEMPT_TAG, 0)) for run in (*runs, *of_many))
    cut_short = _since_success(of_many)
    return Attempts(
        next=max(used, default=-1) + 1,
        failed=_since_success(runs),
        # One that succeeded, and did not take the file in, has left it out.
        alone=cut_short < len(of_many) or cut_short >= FAILED_RUNS,
    )


def _since_success(runs: Iterable[dg.DagsterRun]) -> int:
    """How many runs did not succeed since the last that did."""
    return sum(1 for _ in takewhile(lambda run: run.status != dg.DagsterRunStatus.SUCCESS, runs))


def _run_request(run: Ingest | IngestMany) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=run.key,
        job_name=run.job,
        partition_key=run.partition_key,
        run_config=run.run_config,
        tags=run.tags,
    )


def _partitions(ingests: Sequence[Ingest]) -> list[dg.AddDynamicPartitionsRequest]:
    by_kind = {ingest.partitions.name: ingest.partitions for ingest in ingests}
    return [
        partitions.build_add_request([ingest.file for ingest in ingests if ingest.partitions is partitions])
        for partitions in by_kind.values()
    ]


def _report(listing: Listing, decision: Decision) -> str:
    """What became of everything in the landing folder, in one line."""
    parts = [
        _named("to take in now", [ingest.file for ingest in decision.files]),
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
