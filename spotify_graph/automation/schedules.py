"""The schedules: what happens at set times, whether or not files land."""

import dagster as dg

from spotify_graph.automation.cleaning import clean_lake
from spotify_graph.automation.jobs import reconcile, refresh_graph, retrain

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

nightly_retrain = dg.ScheduleDefinition(
    name="nightly_retrain",
    job=retrain,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at 3:00 UTC, computes the interactions and all that follows from them from scratch.",
)

daily_cleaning = dg.ScheduleDefinition(
    name="daily_cleaning",
    job=clean_lake,
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 4:30 UTC, removes versions of the lake that nobody reads any more.",
)


@dg.schedule(
    job=reconcile,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour, compares the graph with the lake and mends it, unless a refresh is under way.",
)
def hourly_reconciliation(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Asks for a reconciliation where none is under way."""
    for job in (reconcile, refresh_graph):
        runs = context.instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=UNDER_WAY), limit=1)
        if runs:
            return dg.SkipReason(f"run {runs[0].run_id} of {job.name} is {runs[0].status.value.lower()}")
    return dg.RunRequest()


SCHEDULES = [nightly_retrain, hourly_reconciliation, daily_cleaning]
"""Every schedule."""
