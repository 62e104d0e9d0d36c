"""The one door for files: what lies in the landing folder, what the lake knows of it, and so what is to be done.

The sensor and the command both look here. `listed` is what lies there, with the digest of each complete file, which is
computed once for each look; `files_of` adds what the lake knows, and says of each file in which state it is.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time_ns

from spotify_graph import landing_folder
from spotify_graph.automation.digests import Digests
from spotify_graph.automation.exports import in_landing
from spotify_graph.automation.landing_watch import settled
from spotify_graph.errors import UserError
from spotify_graph.imports import opening
from spotify_graph.imports.dropped import Dropped
from spotify_graph.lake.intake import KINDS, Entry, FailedIntake, Intake, is_stale, judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.landing_folder import Look
from spotify_graph.settings import Settings
from spotify_graph.storage import Address
from spotify_graph.transforms.landed_files import (
    LandedTable,
    is_being_written,
    is_passed_over,
    key_of,
    path_fault,
    path_of,
    shown_name,
    table_of,
    unmatched_fault,
    unmatched_in_folder_fault,
)
from spotify_graph.transforms.landing import BadFile

HASHED_BYTES = 2 << 30
"""How much is hashed at one look of the sensor: Dagster ends a sensor that takes longer than a minute."""
HASHING_SECONDS = 20
"""How long a look of the sensor goes on hashing: thousands of small files of a store take minutes."""
_RENAMED_WITHIN_NS = 3600 * 10**9
"""How long a file that is being written is told from others by its number, once nothing is done to it any more."""
_NAMED = 3
"""How many files of a sub-folder are named."""

_STALE = "the rules for its rows have changed since it was taken in: it is taken in again"
_FORGOTTEN = "it was forgotten on purpose, and is taken in again once it lands anew"


@dataclass(frozen=True)
class Listing:
    """What lies in the landing folder, but for exports of people's listening; files by their paths within it.

    Attributes:
        folder: the folder.
        looks: what is known of every file without opening it.
        contents: the digest of each file of a kind that is complete; None where it is left to the next look.
        unknown: what is to be known at the next look: the looks under which no digest is known.
        others: what is no log file by its name or its place, and what to do about it.
        whole: whether every folder in it could be looked into.
    """

    folder: Address
    looks: Mapping[str, Look]
    contents: Mapping[str, str | None]
    unknown: Mapping[str, Look]
    others: tuple[BadFile, ...]
    whole: bool


@dataclass(frozen=True)
class LandedFile:
    """A file in the landing folder, in the lake, or in both.

    Attributes:
        name: its key: the path within the landing folder, with `==` for each slash.
        table: the kind of file.
        look: what is known of it without opening it; None where it has left the landing folder.
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
    look: Look | None
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
        """How large it is, or was when it was taken in."""
        if self.look:
            return self.look.size
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
    lying = landing_folder.listed(folder, without=exports.keys())
    looks = lying.files
    complete = looks.keys() if before is None else settled(looks, {**digests.looks, **before})
    try:
        contents = _contents(looks, complete, digests, bounded=before is not None)
    except ConnectionError as error:
        raise UserError(f"The landing folder {folder} cannot be read ({error})") from None
    finally:
        digests.save(looks.keys())
    known = digests.looks
    closed = (BadFile(f"{shown_name(path)}/", why) for path, why in lying.faults.items())
    return Listing(
        folder,
        looks,
        contents,
        {path: look for path, look in looks.items() if known.get(path) != look and _is_awaited(path, look)},
        (*_exports(exports), *_others(looks), *closed),
        whole=not lying.faults,
    )


def _is_awaited(path: str, look: Look) -> bool:
    """Whether a file is one to take in, or may be renamed to one: not what Spark leaves beside each of its files."""
    return table_of(path) is not None or (is_being_written(path) and time_ns() - look.ctime_ns < _RENAMED_WITHIN_NS)


def _contents(
    looks: Mapping[str, Look], complete: Set[str], digests: Digests, *, bounded: bool
) -> dict[str, str | None]:
    """The digest of each complete file; None where that is left to the next look."""
    contents: dict[str, str | None] = {}
    hashed, began = 0, monotonic()
    for path in sorted(path for path in complete if table_of(path)):
        look = looks[path]
        contents[path] = digests.of(path, look)
        if contents[path] is not None:
            continue
        if bounded and hashed and (hashed + look.size > HASHED_BYTES or monotonic() - began > HASHING_SECONDS):
            continue
        hashed += look.size
        with suppress(FileNotFoundError):  # it has gone meanwhile
            contents[path] = _digest_of_complete(path, look, digests) if bounded else digests.now(path)
        if contents[path] is None:
            del contents[path]
    return contents


def _digest_of_complete(path: str, look: Look, digests: Digests) -> str | None:
    """A file's digest, or that of why it can't be read; None where it is not any more as it was at a look."""
    try:
        return digests.under(path, look)
    except ConnectionError:
        raise
    except OSError:
        return landing_folder.digest(digests.folder, path)


def _exports(exports: Mapping[str, Dropped]) -> Iterator[BadFile]:
    for name, export in sorted(exports.items()):
        if not export.known:
            reason = export.fault or "an export of listening: `spotify-graph materialize` imports it"
            yield BadFile(opening.without_account(shown_name(name)), reason)


def _others(paths: Mapping[str, Look]) -> Iterator[BadFile]:
    """The files of no kind; those of a sub-folder together."""
    in_folders: dict[str, list[str]] = defaultdict(list)
    for path in sorted(path for path in paths if not is_passed_over(path) and not table_of(path)):
        folder, slash, name = path.partition("/")
        if slash:
            in_folders[folder].append(shown_name(name))
        else:
            yield BadFile(shown_name(path), unmatched_fault(path))
    for folder, names in in_folders.items():
        more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
        yield BadFile(f"{shown_name(folder)}/", unmatched_in_folder_fault([*names[:_NAMED], *more]))


def release(listing: Listing, lake: Lake) -> None:
    """Lets forgotten files be taken in again whose forgotten content has left the landing folder."""
    if not listing.looks or not listing.whole:
        return  # more likely a disk that is not mounted than a folder that everything has left
    for table in KINDS:
        Intake(lake, table).release(
            lambda file, it: (
                path_of(file) not in listing.looks or listing.contents.get(path_of(file)) not in {None, it.digest}
            )
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
    landed = {path: path_fault(path) for path in listing.looks if table_of(path) == intake.table}
    for path in sorted({*map(path_of, entries), *landed}):
        look = listing.looks.get(path)
        if fault := landed.get(path):
            yield LandedFile(shown_name(path), intake.table, look, "invalid name", fault, None, code)
            continue
        name = key_of(path)
        entry = entries.get(name)
        state, note, content = _state(listing, intake, code, path, entry, failures.get(name))
        yield LandedFile(name, intake.table, look, state, note, entry, code, content)


def _state(
    listing: Listing, intake: Intake, code: str, path: str, entry: Entry | None, failure: FailedIntake | None
) -> tuple[str, str | None, str | None]:
    """A file's state, what is to be said of that, and the digest of its content."""
    name = key_of(path)
    if path in listing.looks:
        if path not in listing.contents:
            return "being written", None, None
        content = listing.contents[path]
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
