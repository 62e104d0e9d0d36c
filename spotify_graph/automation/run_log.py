"""What runs do, as JSON lines in a file of the home, for whoever collects logs."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from dagster import EventLogEntry
from dagster._core.definitions.dependency import NodeHandle

from spotify_graph import logs
from spotify_graph.automation.failures import cause_of
from spotify_graph.settings import Settings

MOST_BYTES = 64 << 20
"""How large the file grows before another one is begun; the one before stays beside it."""


def log_run(dagster: dg.DagsterInstance, job: dg.JobDefinition, run_id: str, partition: str | None = None) -> None:
    """Has what a run of this process does written as JSON lines, where the settings ask for that.

    Args:
        dagster: the instance that the run is recorded in.
        job: its job.
        run_id: the run, which has not begun yet.
        partition: the partition that it is of, or None.
    """
    settings = Settings.load()
    if settings.log_format == "json":
        dagster.add_event_listener(run_id, _RunLog(settings.home / "logs" / "runs.jsonl", partition, _assets(job)))


def _assets(job: dg.JobDefinition) -> dict[str, str]:
    """The assets that the steps of each node of a job materialize."""
    found = {name: job.asset_layer.get_assets_def_for_node(NodeHandle(name, None)) for name in job.graph.node_dict}
    return {name: ", ".join(sorted(key.to_user_string() for key in it.keys)) for name, it in found.items() if it}


class _RunLog:
    """Writes each event of one run: time, level, run_id, job, step, asset, partition, event, message, error.

    Args:
        file: the file, which its owner alone can read.
        partition: the partition that the run is of, or None.
        assets: the assets that the steps of each node materialize.
    """

    def __init__(self, file: Path, partition: str | None, assets: Mapping[str, str]) -> None:
        self._file, self._partition, self._assets = file, partition, assets
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > MOST_BYTES:
            file.replace(file.with_suffix(".1.jsonl"))

    def __call__(self, entry: EventLogEntry) -> None:
        """Writes an event."""
        event = entry.dagster_event
        key = event.asset_key if event else None
        error = entry.error_info or (event.step_failure_data.error if event and event.is_step_failure else None)
        written = logs.line(
            entry.timestamp,
            entry.level if isinstance(entry.level, str) else logging.getLevelName(entry.level),
            "spotify_graph.run",
            entry.user_message or (event.message if event else "") or "",
            run_id=entry.run_id,
            job=entry.job_name,
            step=entry.step_key,
            asset=key.to_user_string() if key else self._assets.get(str(entry.step_key).partition(".")[0]),
            partition=(event.partition if event else None) or self._partition,
            event=event.event_type_value if event else None,
            error=cause_of(error) if error else None,
        )
        # One write for a line: several processes may append to the file.
        opened = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(opened, f"{written}\n".encode())
        finally:
            os.close(opened)
