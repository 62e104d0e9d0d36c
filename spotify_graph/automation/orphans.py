"""Runs whose process was killed, with its code location or by itself: they would count as under way for ever."""

import platform
from time import time

import dagster as dg

from spotify_graph.automation.tags import HOST_TAG, PROCESS_TAG, RUN_TAG
from spotify_graph.local.processes import identity, is_alive

_SILENT_SECONDS = 60
"""A run says which process makes it as soon as it begins: one that has not after so long was killed before that."""
WHY = "The process of this run ended before the run did. Materialize again."


def tags_of_this_process() -> dict[str, str]:
    """The tags of a run that this process makes."""
    return {PROCESS_TAG: identity(), HOST_TAG: platform.node()}


def tell(dagster: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Has a run say that this process makes it."""
    dagster.add_run_tags(run.run_id, {**tags_of_this_process(), RUN_TAG: run.run_id})


def process_of(run: dg.DagsterRun) -> str | None:
    """The process that makes a run, as it has said itself; None where it has not, or not yet."""
    return run.tags.get(PROCESS_TAG) if run.tags.get(RUN_TAG, run.run_id) == run.run_id else None


def end(dagster: dg.DagsterInstance) -> None:
    """Records those of this machine as failed, and those that nobody makes."""
    under_way = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for record in dagster.get_run_records(dg.RunsFilter(statuses=under_way)):
        run = record.dagster_run
        if process := process_of(run):
            is_dead = run.tags.get(HOST_TAG, platform.node()) == platform.node() and not is_alive(process)
        else:
            is_dead = record.start_time is not None and time() - record.start_time > _SILENT_SECONDS
        if is_dead:
            dagster.report_run_failed(run, WHY)
