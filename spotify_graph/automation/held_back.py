"""The landed files that stay out of the graph, in one place of Dagster's UI: what the asset `held_back_files` shows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields

import dagster as dg

from spotify_graph import landing_folder, markdown
from spotify_graph.errors import UserError
from spotify_graph.lake.intake import KINDS, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Version
from spotify_graph.storage import Address
from spotify_graph.transforms.landed_files import key_of, path_fault, path_of, shown_name, table_of

ASSET = "held_back_files"
"""The asset's key. No run computes it: whoever refuses a file or lets one in reports it."""


@dataclass(frozen=True)
class HeldBack:
    """A landed file that stays out of the graph.

    Attributes:
        file: its name, in printable characters.
        state: refused (by a gate, or unreadable), failed (tried again) or invalid name.
        why: the reason, and the way on.
    """

    file: str
    state: str
    why: str


class FileRefused(dg.Failure):
    """A landed file that a gate refuses, or that can't be read, fails its run: its partition shows as failed then."""

    def __init__(self, file: str, refusal: str | None) -> None:
        super().__init__(f"{file}: {refusal}", metadata={"file": file}, allow_retries=False)


def held_back(folder: Address, lake: Lake, landed: Iterable[str] | None = None) -> list[HeldBack]:
    """Every landed file that is held back, catalogue first, then by name.

    Args:
        folder: the landing folder.
        lake: the lake.
        landed: the paths of the files that lie there; None looks.
    """
    lake, paths = lake.pin(), list(_lying(folder) if landed is None else landed)
    return [file for table in KINDS for file in _held_back(paths, Intake(lake, table))]


def _held_back(paths: Iterable[str], intake: Intake) -> Iterator[HeldBack]:
    entries, failures = intake.entries(), intake.failures()
    landed = {path: path_fault(path) for path in paths if table_of(path) == intake.table}
    for path in sorted({*map(path_of, entries), *landed}):
        if fault := landed.get(path):
            yield HeldBack(shown_name(path), "invalid name", fault)
            continue
        name = key_of(path)
        entry, failure = entries.get(name), failures.get(name)
        if failure:
            why = f"{failure.reason} (run {failure.run_id}); to try it again: spotify-graph materialize"
            yield HeldBack(name, "failed", why)
        elif entry and (refusal := entry.refusal):
            yield HeldBack(name, "refused", refusal)


def _lying(folder: Address) -> Iterable[str]:
    try:
        return landing_folder.listed(folder).files
    except UserError:
        return ()


def record(
    instance: dg.DagsterInstance,
    folder: Address,
    intake: Intake,
    file: str,
    version: Version,
    *others: tuple[str, Version],
) -> None:
    """Records what was found of a landed file, and shows it in Dagster where the file is held back, or was.

    Args:
        instance: Dagster's.
        folder: the landing folder.
        intake: the files of its kind.
        file: the file.
        version: the version of its rows, with its verdict.
        others: what else was written of this content: the asset, and its version.
    """
    was_held_back = file in intake.failures() or _is_refused(intake, file)
    after = intake.record(file, version, *others)
    if was_held_back or after.state == "refused":
        report(instance, folder, intake.lake)


def _is_refused(intake: Intake, file: str) -> bool:
    entry = intake.find(file)
    return entry is not None and entry.state == "refused"


def record_all(
    instance: dg.DagsterInstance, folder: Address, intake: Intake, files: Mapping[str, Mapping[str, Version]]
) -> None:
    """The same for many files that the gates let through, by one change of the lake.

    Args:
        instance: Dagster's.
        folder: the landing folder.
        intake: the files of their kind.
        files: for each file the versions that were written of its content, by asset.
    """
    failures = intake.failures()
    were_held_back = any(file in failures or _is_refused(intake, file) for file in files)
    intake.record_all(files)
    if were_held_back:
        report(instance, folder, intake.lake)


def report(instance: dg.DagsterInstance, folder: Address, lake: Lake, landed: Iterable[str] | None = None) -> None:
    """Shows in Dagster which files of the landing folder are held back now, if that has changed.

    Args:
        instance: Dagster's.
        folder: the landing folder.
        lake: the lake.
        landed: the paths of the files that lie there; None looks.
    """
    files = held_back(folder, lake, landed)
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
    # What a file holds is quoted in the reason: it is no markup.
    return markdown.table([field.name for field in fields(HeldBack)], [astuple(file) for file in files])
