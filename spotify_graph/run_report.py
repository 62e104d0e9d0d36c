"""What is seen of a run: lines while it goes on, and a report of how it ended."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import DagsterEventType, EventLogEntry

from spotify_graph import markdown
from spotify_graph.automation import held_back
from spotify_graph.automation.failures import cause_of

NAMED = 5
"""How many assets or files a line names."""
_WRITTEN = ("inserted", "changed", "deleted")


def unseen(_done: int, _total: int) -> None:
    """Shows no progress."""


@dataclass(frozen=True)
class RunReport:
    """How a run ended.

    Attributes:
        failures: for each asset that failed, one line that says why.
        held_back: for each file and version that a gate keeps out, one line that says why.
        written: for each asset of the graph that was written to, how many rows were inserted, changed and deleted.
    """

    failures: tuple[str, ...]
    held_back: tuple[str, ...]
    written: Mapping[str, Mapping[str, int]]

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is done, with nothing held back."""
        return not self.failures and not self.held_back


class Watcher:
    """Turns the events of runs into lines.

    Attributes:
        say: told each line.
        working: told the step that begins.
        file: the file that is being taken in, or None.
        failures, held_back, written: as in `RunReport`, so far.

    Args:
        say: told each line.
        working: told the step that begins.
        total: how many assets there are to be done.
        progress: told after each how many are done, and how many there are.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        working: Callable[[str], None],
        total: int,
        progress: Callable[[int, int], None] = unseen,
    ) -> None:
        self.say = say
        self.working = working
        self._total = total
        self._progress = progress
        self._done = 0
        self.file: str | None = None
        self.failures: list[str] = []
        self.held_back: list[str] = []
        self.written: dict[str, dict[str, int]] = {}

    def report(self) -> RunReport:
        """What was seen."""
        return RunReport(tuple(self.failures), tuple(self.held_back), self.written)

    def pass_over(self, keys: set[dg.AssetKey]) -> None:
        """Counts the assets that a run left as they were, such as those that follow a file that is refused."""
        if keys:
            self._count(len(keys))
            names = sorted(key.to_user_string() for key in keys)
            what = ", ".join(names) if len(names) <= NAMED else f"{len(names)} assets"
            self.say(f"[{self._done:>2}/{self._total}]  {what}{f' {self.file}' if self.file else ''}: left as before")

    def __call__(self, entry: EventLogEntry) -> None:
        """Sees an event of a run."""
        event = entry.dagster_event
        if event is None:
            if entry.level == logging.INFO and entry.step_key:
                self.say(f"         {entry.step_key}: {entry.user_message}")
            return
        match event.event_type:
            case DagsterEventType.STEP_START:
                self.working(str(entry.step_key))
            case DagsterEventType.ASSET_MATERIALIZATION:
                self._count(1)
                materialization = event.step_materialization_data.materialization
                shown: dict[str, Any] = {name: value.value for name, value in materialization.metadata.items()}
                written = {name: shown[name] for name in _WRITTEN if shown.get(name)}
                if written:
                    self.written[materialization.asset_key.to_user_string()] = written
                line = _materialized(materialization.asset_key, materialization.partition, shown)
                self.say(f"[{self._done:>2}/{self._total}]  {line}")
            case DagsterEventType.ASSET_CHECK_EVALUATION:
                evaluation = event.asset_check_evaluation_data
                if not evaluation.passed:
                    asset = evaluation.asset_key.to_user_string()
                    found = markdown.unescaped(evaluation.description or "did not pass")
                    line = f"{asset}, check {evaluation.check_name}: {found}"
                    if evaluation.severity != dg.AssetCheckSeverity.ERROR:
                        self.say(f"warning: {line}")
                    elif evaluation.partition is None:  # else the step says it
                        self.held_back.append(line)
            case DagsterEventType.STEP_FAILURE if error := event.step_failure_data.error:
                self._failed(str(entry.step_key), error)
            case DagsterEventType.RUN_FAILURE if event.job_failure_data.error and not (self.failures or self.held_back):
                self.failures.append(cause_of(event.job_failure_data.error))

    def _count(self, assets: int) -> None:
        self._done += assets
        self._progress(self._done, self._total)

    def _failed(self, step: str, error: Any) -> None:
        if error.cls_name == held_back.FileRefused.__name__:
            self.held_back.append(cause_of(error))
        elif error.cls_name != "DagsterAssetCheckFailedError":  # a gate that failed is in held_back already
            what = f"{step}, {self.file}" if self.file else step
            self.failures.append(f"{what}: {cause_of(error)}")


def _materialized(key: dg.AssetKey, partition: str | None, metadata: Mapping[str, Any]) -> str:
    rows = metadata.get("dagster/row_count")
    seconds = f"{metadata['seconds']:>6.1f} s" if "seconds" in metadata else ""
    written = ", ".join(f"{metadata[what]:,} {what}" for what in _WRITTEN if what in metadata)
    name = f"{key.to_user_string()}" + (f" {partition}" if partition else "")
    return f"{name:<18}{rows if rows is not None else '':>12,} rows {seconds}  {written}".rstrip()
