"""The landed files that stay out of the graph, in one place of Dagster's UI: what the asset `held_back_files` shows."""

import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

import dagster as dg

from spotify_graph.errors import UserError
from spotify_graph.io_managers.intake import Intake, IntakeLedger
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, LandedTable, landed_files, name_fault, shown_name

ASSET = "held_back_files"
"""The asset's key. No run computes it: whoever refuses a file or lets one in reports it."""

_MARKUP = re.compile(r"[&<>|\\`*~\[\]!$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What means something in Markdown or in HTML, within a line."""


@dataclass(frozen=True)
class HeldBack:
    """A landed file that stays out of the graph.

    Attributes:
        file: its name, in printable characters.
        state: refused (by a gate, or unreadable), failed (tried again) or unfit (by its name).
        why: the reason, and the way on.
    """

    file: str
    state: str
    why: str


class FileRefused(dg.Failure):
    """A landed file that a gate refuses, or that can't be read, fails its run: its partition shows as failed then."""

    def __init__(self, file: str, refusal: str | None) -> None:
        super().__init__(f"{file}: {refusal}", metadata={"file": file}, allow_retries=False)


def held_back(settings: Settings) -> list[HeldBack]:
    """Every landed file that is held back, catalogue first, then by name."""
    return [file for table in (TRACKS, USER_EVENTS) for file in _held_back(settings, table)]


def _held_back(settings: Settings, table: LandedTable) -> Iterator[HeldBack]:
    ledger = IntakeLedger(settings.lake, table)
    entries, failures = ledger.entries(), ledger.failures()
    for name in sorted({*entries, *_landed(settings, table)}):
        entry, failure = entries.get(name), failures.get(name)
        if fault := name_fault(name):
            yield HeldBack(shown_name(name), "unfit", fault)
        elif failure:
            why = f"{failure.reason} (run {failure.run_id}); to try it again: spotify-graph materialize"
            yield HeldBack(name, "failed", why)
        elif entry and (refusal := entry.latest.refusal):
            yield HeldBack(name, "refused", refusal)


def _landed(settings: Settings, table: LandedTable) -> set[str]:
    try:
        return {path.name for path in landed_files(settings.landing, table)}
    except UserError:
        return set()


def record(instance: dg.DagsterInstance, settings: Settings, ledger: IntakeLedger, file: str, intake: Intake) -> None:
    """Records what was found of a landed file, and shows it in Dagster where the file is held back, or was."""
    before = ledger.find(file)
    was_held_back = file in ledger.failures() or (before is not None and before.state == "refused")
    after = ledger.record(file, intake)
    if was_held_back or after.state == "refused":
        report(instance, settings)


def report(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Shows in Dagster which files are held back now, if that has changed."""
    files = held_back(settings)
    table = _table(files)
    latest = instance.get_latest_materialization_event(dg.AssetKey(ASSET))
    shown = latest.asset_materialization if latest else None
    if shown is None and not files:
        return
    if shown is None or shown.metadata["files"].value != table:
        metadata = {"files": dg.MetadataValue.md(table), "dagster/row_count": dg.MetadataValue.int(len(files))}
        instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, metadata=metadata))


def _table(files: list[HeldBack]) -> str:
    if not files:
        return "No file is held back."
    head = [field.name for field in fields(HeldBack)]
    rows = [head, ["---"] * len(head), *(map(_cell, astuple(file)) for file in files)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(text: str) -> str:
    # What a file holds is quoted in the reason: it is no markup, and has no line of the table to itself.
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.splitlines()))
