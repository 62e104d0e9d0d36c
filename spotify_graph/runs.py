"""Runs that the command line makes: assets materialized in this process, recorded in the Dagster instance."""

import logging
import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import psutil
from dagster import DagsterEventType, EventLogEntry

from spotify_graph.assets.raw import must_have_landed
from spotify_graph.definitions import build_defs
from spotify_graph.errors import UserError
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import PROJECT_ROOT, Settings
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS

_PROCESS_TAG = "spotify_graph/process"
"""Names the process that makes a run, so that a run whose process was killed can be told from one under way."""


_UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_ORPHANED = "The process of this run ended before the run did. Materialize again."


@dataclass(frozen=True)
class RunReport:
    """How a run ended.

    Attributes:
        failures: for each asset that failed, one line that says why.
        held_back: for each check that did not pass, one line that says what it found.
    """

    failures: tuple[str, ...]
    held_back: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is done, with nothing held back."""
        return not self.failures and not self.held_back


def instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance that the UI and the daemon share with the command line.

    Runs of the command line whose process was killed are recorded as failed: else they would count as under way for
    ever, and hold up the queue of the UI and the daemon.

    Raises:
        UserError: SPOTIFY_GRAPH_HOME can't be written to.
    """
    settings.make_home()
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(settings.dagster_home)))
    if home == settings.dagster_home:
        home.mkdir(exist_ok=True)
        shutil.copyfile(PROJECT_ROOT / "dagster.yaml", home / "dagster.yaml")
    dagster = dg.DagsterInstance.get()
    for run in dagster.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        process = run.tags.get(_PROCESS_TAG)
        if process and not _is_alive(process):
            dagster.report_run_failed(run, _ORPHANED)
    return dagster


def end_orphans(dagster: dg.DagsterInstance) -> None:
    """Records as failed what the UI or the daemon left under way, as when the machine went down with them.

    Only for a moment when neither runs: a run of theirs does not name its process.
    """
    for run in dagster.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if _PROCESS_TAG not in run.tags:
            dagster.report_run_failed(run, _ORPHANED)


def materialize(
    settings: Settings, selection: str, say: Callable[[str], None], working: Callable[[str], None]
) -> RunReport:
    """Materializes assets, and tells how they come along.

    Args:
        settings: the installation's settings.
        selection: which assets, in Dagster's asset selection syntax.
        say: told a line for each asset that is done, and now and then within a long publication.
        working: told what is being worked on now.

    Raises:
        UserError: the selection is not valid, or selects nothing; nothing has landed; Neo4j does not answer.
    """
    defs = build_defs()
    graph = defs.resolve_asset_graph()
    try:
        with warnings.catch_warnings():
            # Dagster's own parser calls a beta parameter of Dagster's.
            warnings.simplefilter("ignore", dg.BetaWarning)
            # Assets that are computed together, such as the good rows and the rejected ones, are materialized together.
            keys = dg.AssetSelection.from_string(selection).required_multi_asset_neighbors().resolve(graph)
    except Exception as error:  # noqa: BLE001 the parser raises errors of several libraries
        raise UserError(f"--select {selection!r}: {_first_line(error)}") from None
    if not keys:
        raise UserError(f"--select {selection!r} selects no asset; `spotify-graph status` lists them")
    # Known at once, before Neo4j and Spark are started for nothing.
    for table in (TRACKS, USER_EVENTS):
        if dg.AssetKey(f"raw_{table.name}") in keys:
            must_have_landed(settings.landing, table)
    with connect(settings, say):
        pass
    run_id = str(uuid4())
    watcher = _Watcher(say, working, total=len(keys))
    working("starting Spark")
    with instance(settings) as dagster:
        dagster.add_event_listener(run_id, watcher)
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=dagster,
            run_id=run_id,
            asset_selection=sorted(keys),
            tags={_PROCESS_TAG: _this_process()},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if not result.success and not watcher.failures:
        watcher.failures.append(f"the run failed before its first step; see run {run_id} in the Dagster UI")
    return RunReport(tuple(watcher.failures), tuple(watcher.held_back))


def _this_process() -> str:
    return f"{os.getpid()}:{psutil.Process().create_time()}"


def _is_alive(process: str) -> bool:
    # A process id is used again; with the time of its start it is not.
    pid, started = process.split(":")
    try:
        return psutil.Process(int(pid)).create_time() == float(started)
    except psutil.NoSuchProcess:
        return False


class _Watcher:
    """Turns a run's events into lines."""

    def __init__(self, say: Callable[[str], None], working: Callable[[str], None], total: int) -> None:
        self._say = say
        self._working = working
        self._total = total
        self._materialized = 0
        self.failures: list[str] = []
        self.held_back: list[str] = []

    def __call__(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            if entry.level == logging.INFO and entry.step_key:
                self._say(f"         {entry.step_key}: {entry.user_message}")
            return
        match event.event_type:
            case DagsterEventType.STEP_START:
                self._working(str(entry.step_key))
            case DagsterEventType.ASSET_MATERIALIZATION:
                self._materialized += 1
                materialization = event.step_materialization_data.materialization
                shown = {name: value.value for name, value in materialization.metadata.items()}
                self._say(f"[{self._materialized:>2}/{self._total}]  {_materialized(materialization.asset_key, shown)}")
            case DagsterEventType.ASSET_CHECK_EVALUATION:
                evaluation = event.asset_check_evaluation_data
                if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
                    name = f"{evaluation.asset_key.to_user_string()}, check {evaluation.check_name}"
                    self.held_back.append(f"{name}: {evaluation.description or 'did not pass'}")
            case DagsterEventType.STEP_FAILURE if event.step_failure_data.error:
                self.failures.append(f"{entry.step_key}: {_cause(event.step_failure_data.error)}")
            case DagsterEventType.RUN_FAILURE if event.job_failure_data.error and not self.failures:
                self.failures.append(_cause(event.job_failure_data.error))


def _materialized(key: dg.AssetKey, metadata: Mapping[str, Any]) -> str:
    rows = metadata.get("dagster/row_count")
    seconds = f"{metadata['seconds']:>6.1f} s" if "seconds" in metadata else ""
    written = ", ".join(f"{metadata[what]:,} {what}" for what in ("inserted", "changed", "deleted") if what in metadata)
    return f"{key.to_user_string():<18}{rows if rows is not None else '':>12,} rows {seconds}  {written}".rstrip()


def _cause(error: Any) -> str:
    """The innermost error's first line: what went wrong, without the layers that it passed through."""
    while error.cause:
        error = error.cause
    # The message begins with the class and its module, which is of no use to a reader of one line.
    return re.sub(rf"^[\w.]*{error.cls_name}: ", "", _first_line(error.message))


def _first_line(error: object) -> str:
    return str(error).strip().splitlines()[0]
