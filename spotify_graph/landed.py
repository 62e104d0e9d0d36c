"""What has landed, and what the lake knows of it."""

from dataclasses import dataclass
from pathlib import Path

from spotify_graph.automation.digests import Digests
from spotify_graph.automation.exports import in_landing
from spotify_graph.automation.landing_watch import is_being_written, table_of
from spotify_graph.imports import opening
from spotify_graph.lake.intake import KINDS, Entry, FailedIntake, Intake, is_stale, judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import (
    BadFile,
    LandedTable,
    landed_files,
    name_fault,
    shown_name,
    sub_folder_fault,
    unmatched_fault,
)

_STALE = "the rules for its rows have changed since it was taken in: it is taken in again"


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder, in the lake, or in both.

    Attributes:
        name: its name.
        table: the kind of file.
        path: where it lies; None where it has left the landing folder.
        state: new, changed (landed again with other content), failed (while it was taken in: it is tried again), stale
            (the code that judges files has changed since), passed, refused, accepted, forgotten or invalid name.
        note: why it is held back or failed, or None.
        entry: what is known of it, or None.
        digest: the digest of its content; None where its name is invalid.
    """

    name: str
    table: LandedTable
    path: Path | None
    state: str
    note: str | None
    entry: Entry | None
    digest: str | None = None

    @property
    def pending(self) -> bool:
        """Whether it waits to be taken in."""
        return self.state in {"new", "changed", "failed", "stale"}

    @property
    def bytes(self) -> int:
        """How large it is, or was when it was taken in."""
        if self.path:
            return self.path.lstat().st_size
        content = self.entry.latest.record.content if self.entry else None
        return content.bytes if content else 0


def look(settings: Settings) -> list[LandedFile]:
    """Every file that has landed or is in the lake, catalogue first, then by name.

    Raises:
        UserError: there is no landing folder.
    """
    digests = Digests.load(settings)
    lake = Lake(settings.lake).pin()
    files = [file for table in KINDS for file in _look(settings, Intake(lake, table), digests)]
    digests.save({path.name for path in settings.landing.iterdir()})
    return files


def unmatched(settings: Settings) -> list[BadFile]:
    """What lies in the landing folder and is no log file by its name or place, and what to do about it.

    What is still being written is not among it.
    """
    entries = sorted(path for path in settings.landing.iterdir() if not is_being_written(path.name))
    exports = in_landing(settings)
    found = []
    for path in entries:
        if table_of(path.name):
            continue
        if export := exports.get(path.name):
            if not export.known:
                reason = export.fault or "an export of listening: `spotify-graph materialize` imports it"
                found.append(BadFile(opening.without_account(shown_name(path.name)), reason))
        elif not path.is_dir():
            found.append(BadFile(shown_name(path.name), unmatched_fault(path.name)))
        elif fault := sub_folder_fault(path):
            found.append(BadFile(f"{shown_name(path.name)}/", fault))
    return found


def release_forgotten(settings: Settings) -> None:
    """Lets forgotten files be taken in again whose forgotten content has left the landing folder since."""
    if not settings.landing.is_dir() or not any(settings.landing.iterdir()):
        return  # more likely a disk that is not mounted than a folder that everything has left
    digests = Digests.load(settings)
    for table in KINDS:
        Intake(Lake(settings.lake), table).release(
            lambda file, it: not (settings.landing / file).exists() or digests.now(settings.landing / file) != it.digest
        )


def _look(settings: Settings, intake: Intake, digests: Digests) -> list[LandedFile]:
    entries, code = intake.entries(), judging_code(intake.table, settings)
    landed = {path.name: path for path in landed_files(settings.landing, intake.table)}
    failures = intake.failures()
    return [
        _file(intake, code, name, landed.get(name), entries.get(name), failures.get(name), digests)
        for name in sorted({**entries, **landed})
    ]


def _file(
    intake: Intake,
    code: str,
    name: str,
    path: Path | None,
    entry: Entry | None,
    failure: FailedIntake | None,
    digests: Digests,
) -> LandedFile:
    table = intake.table
    if fault := name_fault(name):
        return LandedFile(shown_name(name), table, path, "invalid name", fault, None)
    content = digests.now(path) if path else entry.digest if entry else ""
    if path and failure and failure.digest == content:
        note = f"{failure.reason} (run {failure.run_id})"
        return LandedFile(name, table, path, "failed", note, entry, content)
    if entry and is_stale(entry, code) and (content == entry.digest if path else intake.is_kept(name)):
        return LandedFile(name, table, path, "stale", _STALE, entry, content)
    if path is None or intake.knows(name, content, code):
        if entry is None:
            note = "it was forgotten on purpose, and is taken in again once it lands anew"
            return LandedFile(name, table, path, "forgotten", note, None, content)
        return LandedFile(name, table, path, entry.state, entry.refusal, entry, content)
    return LandedFile(name, table, path, "changed" if entry else "new", None, entry, content)
