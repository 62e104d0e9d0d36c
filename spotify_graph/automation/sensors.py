"""The sensors: what makes the platform act by itself."""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import dagster as dg

from spotify_graph.automation import failures, held_back, orphans
from spotify_graph.automation.digests import Digests, look_of
from spotify_graph.automation.exports import in_landing, new_exports
from spotify_graph.automation.jobs import ingest_catalogue, ingest_events
from spotify_graph.automation.landing_watch import (
    Attempts,
    Decision,
    Ingest,
    Look,
    decide,
    is_being_written,
    looks_from_json,
    looks_to_json,
    settled,
    table_of,
)
from spotify_graph.automation.partitions import FILES
from spotify_graph.automation.tags import ATTEMPT_TAG, CODE_TAG, DIGEST_TAG, FILE_TAG
from spotify_graph.lake.intake import KINDS, Intake, is_stale, judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.manifest import Forgotten
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, BadFile, shown_name, sub_folder_fault

_INTERVAL_SECONDS = 15
_HASHED_BYTES = 2 << 30
"""How much is hashed at one look: Dagster ends a sensor that takes longer than a minute."""
_SHOWN = 5
"""How many names a message shows."""

_JOBS = {TRACKS.name: ingest_catalogue, USER_EVENTS.name: ingest_events}

# A run that was created and never launched is not among them: asked for again by its run key, the daemon launches it.
_IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dg.sensor(
    jobs=list(_JOBS.values()),
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for new and replaced files in the landing folder, and has each of them taken in.",
)
def new_log_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Asks for one ingest run for each new content of a file, once it is complete, and for each stale file."""
    settings = Settings.load()
    try:
        # An export is no log file, and no mistake.
        listing = _list(settings.landing, ignored=in_landing(settings).keys())
    except OSError as error:
        return dg.SkipReason(
            f"The landing folder {settings.landing} cannot be read ({error.strerror}): point SPOTIFY_GRAPH_LANDING to"
            " the folder that your logs land in."
        )
    digests = Digests.load(settings)
    before = digests.looks | looks_from_json(context.cursor)
    contents = _contents(listing, settled(listing.looks, before), digests, settings.landing)
    digests.save(listing.names)
    # The runs before the lake: what a run has found that ends between the two is in the lake already.
    orphans.end(context.instance)
    in_flight = _in_flight(context.instance)

    def is_gone(file: str, forgotten: Forgotten) -> bool:
        if file not in listing.names:
            return True
        return contents.get(file) not in {None, forgotten.digest}

    if listing.names:  # an empty folder is more likely a disk that is not mounted
        for table in KINDS:
            Intake(Lake(settings.lake), table).release(is_gone)
    lake = Lake(settings.lake).pin()
    intakes = {table.name: Intake(lake, table) for table in KINDS}
    codes = {table.name: judging_code(table, settings) for table in KINDS}
    left = _left_behind(intakes.values(), codes, listing.names)
    decision = decide(
        {*listing.names, *left},
        contents | left,
        knows=lambda table, file, content: intakes[table.name].knows(file, content, codes[table.name]),
        in_flight=in_flight,
        attempts=lambda file, content: _attempts(context.instance, file, content, codes[_kind(file)]),
        unreadable=listing.faults,
        code=lambda table: codes[table.name],
    )
    for fault in (*decision.refused, *decision.given_up):
        context.log.warning(f"{fault.file} in {settings.landing} is not taken in: {fault.reason}")
    held_back.report(context.instance, settings.landing, lake)
    report = _report(settings.landing, decision, listing.sub_folders)
    context.log.info(report)
    return dg.SensorResult(
        run_requests=[_run_request(ingest) for ingest in decision.ingest],
        skip_reason=None if decision.ingest else dg.SkipReason(report),
        dynamic_partitions_requests=_partitions(decision.ingest),
        cursor=looks_to_json(
            {name: look for name, look in listing.looks.items() if digests.looks.get(name) != look},
        ),
    )


@dataclass
class _Listing:
    """What lies in the landing folder.

    Attributes:
        looks: of every regular file, by name.
        faults: why another entry cannot be read, by name.
        sub_folders: those that hold something, which is not taken in.
    """

    looks: dict[str, Look] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    sub_folders: list[BadFile] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {*self.looks, *self.faults}


def _list(folder: Path, ignored: Set[str]) -> _Listing:
    """What lies in the landing folder.

    Args:
        folder: the landing folder.
        ignored: names that are passed over.

    Raises:
        OSError: it cannot be listed.
    """
    listing = _Listing()
    for name in set(os.listdir(folder)) - ignored:  # noqa: PTH208 names, no paths
        try:
            status = (folder / name).stat()
        except OSError as error:
            if os.path.lexists(folder / name):  # else it has gone meanwhile
                listing.faults[name] = _unreadable(error)
            continue
        if stat.S_ISREG(status.st_mode):
            listing.looks[name] = look_of(status)
        elif not stat.S_ISDIR(status.st_mode) or table_of(name):
            listing.faults[name] = "it is not a regular file"
        elif not is_being_written(name) and (fault := sub_folder_fault(folder / name)):
            listing.sub_folders.append(BadFile(f"{shown_name(name)}/", fault))
    return listing


def _unreadable(error: OSError) -> str:
    return f"it cannot be read: {error.strerror}"


def _contents(listing: _Listing, complete: set[str], digests: Digests, folder: Path) -> dict[str, str | None]:
    """The digest of each complete file, None where that is left to the next look. Files that go meanwhile are no error.

    What is found on the way is put down in the listing and the digests.
    """
    contents: dict[str, str | None] = {}
    hashed = 0
    for name in sorted(name for name in complete if table_of(name)):
        look = listing.looks[name]
        contents[name] = digests.of(name, look)
        if contents[name] is not None:
            continue
        if hashed and hashed + look.size > _HASHED_BYTES:
            continue
        hashed += look.size
        try:
            contents[name] = digests.under(folder / name, look)
        except OSError as error:
            del contents[name], listing.looks[name]
            if os.path.lexists(folder / name):
                listing.faults[name] = _unreadable(error)
            continue
        if contents[name] is None:
            del contents[name]
    return contents


def _in_flight(instance: dg.DagsterInstance) -> set[str]:
    runs = instance.get_runs(dg.RunsFilter(statuses=_IN_FLIGHT))
    return {run.tags[FILE_TAG] for run in runs if FILE_TAG in run.tags}


def _left_behind(intakes: Iterable[Intake], codes: Mapping[str, str], names: Set[str]) -> dict[str, str]:
    """The stale files that have left the landing folder, whose records the lake keeps: their contents, by name."""
    entries = ((intake, entry) for intake in intakes for entry in intake.entries().values() if entry.file not in names)
    return {
        entry.file: entry.digest
        for intake, entry in entries
        if is_stale(entry, codes[intake.table.name]) and intake.is_kept(entry.file)
    }


def _kind(file: str) -> str:
    table = table_of(file)
    assert table  # noqa: S101 only what has one is taken in
    return table.name


def _attempts(instance: dg.DagsterInstance, file: str, content: str, code: str) -> Attempts:
    # Newest first.
    tags = {FILE_TAG: file, DIGEST_TAG: content, CODE_TAG: code}
    runs = instance.get_runs(dg.RunsFilter(tags=tags, statuses=_ENDED))
    used = (int(run.tags.get(ATTEMPT_TAG, 0)) for run in runs)
    since_success = takewhile(lambda run: run.status != dg.DagsterRunStatus.SUCCESS, runs)
    return Attempts(next=max(used, default=-1) + 1, failed=sum(1 for _ in since_success))


def _run_request(ingest: Ingest) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=ingest.key,
        job_name=_JOBS[ingest.table.name].name,
        partition_key=ingest.file,
        tags={
            FILE_TAG: ingest.file,
            DIGEST_TAG: ingest.digest,
            CODE_TAG: ingest.code,
            ATTEMPT_TAG: str(ingest.attempt),
        },
    )


def _partitions(ingests: Sequence[Ingest]) -> list[dg.AddDynamicPartitionsRequest]:
    files = {name: [ingest.file for ingest in ingests if ingest.table.name == name] for name in FILES}
    return [FILES[name].build_add_request(keys) for name, keys in files.items() if keys]


def _report(folder: Path, decision: Decision, sub_folders: Sequence[BadFile]) -> str:
    """What became of everything in the landing folder, in one line."""
    parts = [
        _named("to take in now", [ingest.file for ingest in decision.ingest]),
        decision.waiting and f"{decision.waiting} waiting for the next look",
        _named("queued or being taken in", decision.under_way),
        _named("waiting to become stable", decision.unsettled),
        _named("given up", _with_reasons(decision.given_up)),
        _named("refused", _with_reasons(decision.refused)),
        _named("not named like a log file", _with_reasons(decision.unmatched)),
        _named("in sub-folders", _with_reasons(sub_folders)),
        f"{decision.known} known",
    ]
    return f"{folder}: {'; '.join(part for part in parts if part)}"


def _with_reasons(faults: Sequence[BadFile]) -> list[str]:
    return [f"{fault.file} ({fault.reason})" for fault in faults]


def _named(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{more}"


graph_automation = dg.AutomationConditionSensorDefinition(
    "graph_automation",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Brings the graph up to date when files came in, and keeps what the gates refused out of it.",
)


@dg.run_failure_sensor(
    # The command line's runs, too, which belong to no code location.
    monitor_all_code_locations=True,
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes a record of each failed run, and sends it to SPOTIFY_GRAPH_FAILURE_WEBHOOK where that is set.",
)
def run_failure(context: dg.RunFailureSensorContext) -> None:
    """Records a failed run in `failures` in the home."""
    settings = Settings.load()
    run = context.dagster_run
    stored = context.instance.get_run_record_by_id(run.run_id)
    record = failures.record_of(
        run,
        None if stored is None else stored.end_time,
        context.failure_event,
        context.get_step_failure_events(),
        _checks(context.instance, run.run_id),
        settings,
    )
    file = failures.keep(record, settings)
    context.log.info(f"{file}: {record['job']} failed")
    if fault := failures.send(record, settings):
        context.log.warning(f"The webhook did not take the record of run {run.run_id} ({fault}); it is in {file}")


def _checks(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    return [event.asset_check_evaluation_data for event in events]


SENSORS: list[dg.SensorDefinition] = [new_log_files, new_exports, graph_automation, run_failure]
"""Every sensor."""
