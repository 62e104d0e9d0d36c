"""How a run is executed: all of it in one process, and one run at a time for a home, whoever starts it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import dagster as dg
from dagster._core.errors import raise_execution_interrupts

from spotify_graph.automation import orphans
from spotify_graph.automation.run_log import log_run
from spotify_graph.automation.tags import FILES_TAG
from spotify_graph.local import locks
from spotify_graph.settings import Settings

_SHOWN = 3


class _InTurn(dg.Executor):
    """Has another executor execute a run, once it is the run's turn."""

    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> Any:
        return self._executor.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        run = plan_context.dagster_run
        orphans.tell(plan_context.instance, run)
        log_run(plan_context.instance, plan_context.job.get_definition(), run.run_id, run.tags.get("dagster/partition"))
        turn = locks.turn(Settings.load(), _described(run), plan_context.log.info)
        with ExitStack() as stack:
            # Whoever terminates a run that waits is obeyed.
            with raise_execution_interrupts():
                stack.enter_context(turn)
            yield from self._executor.execute(plan_context, execution_plan)


def _described(run: dg.DagsterRun) -> str:
    """What a run is, in words."""
    what = f"job {run.job_name}"
    if run.job_name.startswith("__"):  # Dagster's own, for assets that somebody chose
        assets = sorted(key.to_user_string() for key in run.asset_selection or ())
        more = f" and {len(assets) - _SHOWN} more" if len(assets) > _SHOWN else ""
        what = f"{', '.join(assets[:_SHOWN])}{more}"
    file = run.tags.get("dagster/partition")
    if many := run.tags.get(FILES_TAG):
        file = f"{many} files"
    return f"run {run.run_id[:8]} of {what}" + (f" for {file}" if file else "")


@dg.executor(name="in_turn", config_schema=dg.in_process_executor.config_schema.as_field())
def in_turn(context: dg.InitExecutorContext) -> dg.Executor:
    """Executes a run in one process, once no other run of this home is under way."""
    create = dg.in_process_executor.executor_creation_fn
    assert create  # noqa: S101 Dagster's own executor has one
    return _InTurn(create(context))
