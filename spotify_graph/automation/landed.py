"""The one door for files: what lies in the landing folder, what the lake knows of it, and so what is to be done.

The sensor and the command both look here. `listed` is what lies there, with the digest of each complete file, which is
computed once for each look; `files_of` adds what the lake knows, and says of each file in which state it is.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spotify_graph.automation.digests import Digests, look_of
from spotify_graph.automation.exports import in_landing
from spotify_graph.automation.landing_watch import Look, is_being_written, settled, table_of
from spotify_graph.errors import UserError
from spotify_graph.imports import opening
from spotify_graph.imports.dropped import Dropped
from spotify_graph.lake.intake import KINDS, Entry, FailedIntake, Intake, is_stale, judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import (
    BadFile,
    LandedTable,
    digest,
    name_fault,
    shown_name,
    sub_folder_fault,
    unmatched_fault,
)

HASHED_BYTES = 2 << 30
"""How much is hashed at one look of the sensor: Dagster ends a sensor that takes longer than a minute."""

_STALE = "the rules for its rows have changed since it was taken in: it is taken in again"
_FORGOTTEN = "it was forgotten on purpose, and is taken in again once it lands anew"


@dataclass(frozen=True)
class Listing:
    """What lies in the landing folder.

    Attributes:
        folder: the folder.
        names: everything that lies there, by name, but for exports of people's listening.
        contents: the digest of each file of a kind that is complete, by name; None where it is left to the next look.
        looks: what is to be known of files at the next look, by name.
        others: what is no log file by its name or its place, and what to do about it.
    """

    folder: Path
    names: Set[str]
    contents: Mapping[str, str | None]
    looks: Mapping[str, Look]
    others: tuple[BadFile, ...]


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder, in the lake, or in both.

    Attributes:
        name: its name.
        table: the kind of file.
        path: where it lies; None where it has left the landing folder.
        state: new, changed (landed again with other content), failed (while it was taken in: it is tried again), stale
            (the code that judges files has changed since), passed, refused, accepted, forgotten, invalid name, being
            written, or waiting (to be hashed at the next look).
        note: why it is held back or failed, or None.
        entry: what is known of it, or None.
        code: names the code of now that judges it.
        digest: the digest of its content; None where it is not known.
    """

    name: str
    table: LandedTable
    path: Path | None
    state: str
    note: str | None
    entry: Entry | None
    code: str
    digest: str | None = None

    @property
    def pending(self) -> bool:
        """Whether it waits to be taken in."""
        return self.state in {"new", "changed", "failed", "stale"}

    @property
    def bytes(self) -> int:
        """How large it is, or was when it was taken in; 0 where it has gone."""
        if self.path:
            with suppress(FileNotFoundError):
                return self.path.lstat().st_size
            return 0
        content = self.entry.latest.record.content if self.entry else None
        return content.bytes if content else 0


def listed(settings: Settings, before: Mapping[str, Look] | None = None) -> Listing:
    """Lists the landing folder.

    Args:
        settings: the installation's settings.
        before: what was to be known at this look: a file is complete that has not been changed since, and only so much
            is hashed as a sensor has time for. None takes every file as it is, and hashes all of them.

    Raises:
        UserError: the folder can't be read.
    """
    folder, digests, exports = settings.landing, Digests.load(settings), in_landing(settings)
    try:
        # Names and no paths: a name need not be one that can be shown.
        names = set(os.listdir(folder))  # noqa: PTH208
    except OSError as error:
        raise UserError(
            f"The landing folder {folder} cannot be read ({error.strerror}): point SPOTIFY_GRAPH_LANDING to the folder"
            " that your logs land in, or write sample logs with `spotify-graph generate`."
        ) from None
    looks = {name: look for name in names - exports.keys() if (look := _look_at(folder / name))}
    complete = looks.keys() if before is None else settled(looks, {**digests.looks, **before})
    contents = _contents(folder, looks, complete, digests, bounded=before is not None)
    digests.save(looks.keys())
    known = digests.looks
    return Listing(
        folder,
        looks.keys(),
        contents,
        {name: look for name, look in looks.items() if known.get(name) != look},
        tuple(_others(folder, looks, exports)),
    )


def _look_at(path: Path) -> Look | None:
    """What a directory entry says, of what a link leads to where that is there; None where the entry has gone."""
    for status in (path.stat, path.lstat):
        with suppress(OSError):
            return look_of(status())
    return None


def _contents(
    folder: Path, looks: Mapping[str, Look], complete: Set[str], digests: Digests, *, bounded: bool
) -> dict[str, str | None]:
    """The digest of each complete file; None where that is left to the next look."""
    contents: dict[str, str | None] = {}
    hashed = 0
    for name in sorted(name for name in complete if table_of(name)):
        look = looks[name]
        contents[name] = digests.of(name, look)
        if contents[name] is not None or (bounded and hashed and hashed + look.size > HASHED_BYTES):
            continue
        hashed += look.size
        with suppress(FileNotFoundError):  # it has gone meanwhile
            contents[name] = (
                _digest_of_complete(folder / name, look, digests) if bounded else digests.now(folder / name)
            )
        if contents[name] is None:
            del contents[name]
    return contents


def _digest_of_complete(path: Path, look: Look, digests: Digests) -> str | None:
    """A file's digest, or that of why it can't be read; None where it is not any more as it was at a look."""
    try:
        return digests.under(path, look)
    except OSError:
        return digest(path)


def _others(folder: Path, names: Iterable[str], exports: Mapping[str, Dropped]) -> Iterator[BadFile]:
    for name, export in sorted(exports.items()):
        if not export.known:
            reason = export.fault or "an export of listening: `spotify-graph materialize` imports it"
            yield BadFile(opening.without_account(shown_name(name)), reason)
    for name in sorted(name for name in names if not is_being_written(name) and not table_of(name)):
        path = folder / name
        if not path.is_dir():
            yield BadFile(shown_name(name), unmatched_fault(name))
        elif fault := sub_folder_fault(path):
            yield BadFile(f"{shown_name(name)}/", fault)


def release(listing: Listing, lake: Lake) -> None:
    """Lets forgotten files be taken in again whose forgotten content has left the landing folder."""
    if not listing.names:
        return  # more likely a disk that is not mounted than a folder that everything has left
    for table in KINDS:
        Intake(lake, table).release(
            lambda file, it: file not in listing.names or listing.contents.get(file) not in {None, it.digest}
        )


def files_of(listing: Listing, settings: Settings) -> list[LandedFile]:
    """Every file of a kind that lies there or is in the lake, catalogue first, then by name."""
    lake = Lake(settings.lake).pin()
    return [file for table in KINDS for file in _files(listing, Intake(lake, table), judging_code(table, settings))]


def look(settings: Settings) -> list[LandedFile]:
    """Every file that has landed or is in the lake, catalogue first, then by name.

    Raises:
        UserError: the landing folder can't be read.
    """
    return files_of(listed(settings), settings)


def _files(listing: Listing, intake: Intake, code: str) -> Iterator[LandedFile]:
    entries, failures = intake.entries(), intake.failures()
    landed = {name for name in listing.names if table_of(name) == intake.table}
    for name in sorted({*entries, *landed}):
        path = listing.folder / name if name in landed else None
        state, note, content = _state(listing, intake, code, name, entries.get(name), failures.get(name))
        yield LandedFile(
            shown_name(name) if state == "invalid name" else name,
            intake.table,
            path,
            state,
            note,
            entries.get(name),
            code,
            content,
        )


def _state(
    listing: Listing, intake: Intake, code: str, name: str, entry: Entry | None, failure: FailedIntake | None
) -> tuple[str, str | None, str | None]:
    """A file's state, what is to be said of that, and the digest of its content."""
    if fault := name_fault(name):
        return "invalid name", fault, None
    if name in listing.names:
        if name not in listing.contents:
            return "being written", None, None
        content = listing.contents[name]
        if content is None:
            return "waiting", None, None
        return *_state_of_content(intake, code, name, content, entry, failure), content
    assert entry  # noqa: S101 else it is nowhere
    if is_stale(entry, code) and intake.is_kept(name):
        return "stale", _STALE, entry.digest
    return entry.state, entry.refusal, entry.digest


def _state_of_content(
    intake: Intake, code: str, name: str, content: str, entry: Entry | None, failure: FailedIntake | None
) -> tuple[str, str | None]:
    """The state of a file that lies there, and what is to be said of that."""
    if failure and failure.digest == content:
        return "failed", f"{failure.reason} (run {failure.run_id})"
    if entry is None:
        return ("forgotten", _FORGOTTEN) if intake.knows(name, content, code) else ("new", None)
    if content != entry.digest:
        return "changed", None
    return ("stale", _STALE) if is_stale(entry, code) else (entry.state, entry.refusal)
