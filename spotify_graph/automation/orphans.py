"""Runs of the command line whose process was killed: they would count as under way for ever."""

import platform

import dagster as dg

from spotify_graph.automation.tags import HOST_TAG, PROCESS_TAG
from spotify_graph.local.processes import identity, is_alive

WHY = "The process of this run ended before the run did. Materialize again."


def tags_of_this_process() -> dict[str, str]:
    """The tags of a run that this process makes."""
    return {PROCESS_TAG: identity(), HOST_TAG: platform.node()}


def end(dagster: dg.DagsterInstance) -> None:
    """Records those of this machine as failed."""
    for run in dagster.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        process = run.tags.get(PROCESS_TAG)
        is_ours = run.tags.get(HOST_TAG, platform.node()) == platform.node()
        if process and is_ours and not is_alive(process):
            dagster.report_run_failed(run, WHY)
