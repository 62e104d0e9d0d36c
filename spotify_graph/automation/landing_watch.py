"""The watch on the landing folder: which files are to be taken in now. Pure: it reads no file and knows no Dagster.

A look at the folder goes through three questions. Is a file `settled`, or still being written? If it is, what is its
digest (the caller computes it, once for each `Look`)? And what does `decide` make of that content: content decides,
not the clock, so a file with a new time and the same bytes is known, and one with an old time and new bytes is new.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import astuple, dataclass
from fnmatch import fnmatchcase

from spotify_graph.transforms.landing import (
    TRACKS,
    USER_EVENTS,
    BadFile,
    LandedTable,
    name_fault,
    shown_name,
    unmatched_fault,
)

LIMIT = 25
"""How many files are taken in for each look."""
FAILED_RUNS = 3
"""After how many failed runs of its content a file is given up."""

_TABLES = (TRACKS, USER_EVENTS)
_BEING_WRITTEN = ("*.tmp", "*.part", ".*")


@dataclass(frozen=True)
class Look:
    """What a file's directory entry said at one look. The file has not been changed while it stays equal.

    Attributes:
        inode: its number in the file system; it goes with the file when that is renamed.
        size: in bytes.
        mtime_ns: when its bytes were written last, in nanoseconds; anyone may set it to anything.
        ctime_ns: when anything about it was changed last, its name and its mtime included; nobody can set it.
    """

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True)
class Attempts:
    """What became of the runs that took in one content of a file.

    Attributes:
        next: the number of the next attempt; none has used it before.
        failed: how many runs failed or were cancelled since one succeeded.
    """

    next: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Ingest:
    """A file to take in.

    Attributes:
        file: its name.
        table: what it holds.
        digest: the SHA-256 of its content, in hexadecimal.
        attempt: the attempt's number, from 0.
        code: the code that will judge it.
    """

    file: str
    table: LandedTable
    digest: str
    attempt: int
    code: str = ""

    @property
    def key(self) -> str:
        """Names this attempt at this content by this code: no other run has it, however often they come back."""
        return f"{self.file}@{self.digest[:16]}/{self.code[:16]}#{self.attempt}"


@dataclass(frozen=True)
class Decision:
    """What is to be done about the landing folder. Names are as `shown_name` gives them, in their order.

    Attributes:
        ingest: the files to take in now.
        waiting: how many more there are for the next look.
        under_way: the files that a run is queued for, or is taking in.
        unsettled: the files that may still be being written.
        given_up: the files whose runs failed too often, and how to repeat them.
        refused: the files that cannot be taken in at all, and why.
        unmatched: the files that are neither a catalogue nor user events, by their names, and what to do about them.
        known: how many files there is nothing to do about.
    """

    ingest: tuple[Ingest, ...] = ()
    waiting: int = 0
    under_way: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    given_up: tuple[BadFile, ...] = ()
    refused: tuple[BadFile, ...] = ()
    unmatched: tuple[BadFile, ...] = ()
    known: int = 0


def is_being_written(name: str) -> bool:
    """Whether the name says that the file is not complete yet: *.tmp, *.part, or a leading dot."""
    return any(fnmatchcase(name, pattern) for pattern in _BEING_WRITTEN)


def table_of(name: str) -> LandedTable | None:
    """What a file of this name holds, or None where it is not taken in."""
    if is_being_written(name):
        return None
    return next((table for table in _TABLES if table.matches(name)), None)


def settled(now: Mapping[str, Look], before: Mapping[str, Look]) -> set[str]:
    """The files that are complete: unchanged since the look before, or renamed into place after it.

    Args:
        now: every file in the folder by name, those that are being written included.
        before: the same at the look before.
    """
    written_before = {look.inode for name, look in before.items() if is_being_written(name)}

    def was_renamed(look: Look) -> bool:
        # An inode's number is used again for new files. But in a file that is being written, the last change is a
        # write, which sets both times alike; after a rename it is not.
        return look.inode in written_before and look.ctime_ns > look.mtime_ns

    return {
        name
        for name, look in now.items()
        if not is_being_written(name) and (before.get(name) == look or was_renamed(look))
    }


def decide(
    names: Iterable[str],
    contents: Mapping[str, str | None],
    *,
    knows: Callable[[LandedTable, str, str], bool],
    in_flight: Set[str] = frozenset(),
    attempts: Callable[[str, str], Attempts] = lambda _file, _digest: Attempts(),
    unreadable: Mapping[str, str] | None = None,
    code: Callable[[LandedTable], str] = lambda _table: "",
    limit: int = LIMIT,
) -> Decision:
    """Decides about every file in the landing folder.

    A file with a run in flight waits, even if its content has changed meanwhile: the run takes in what it finds, and
    the next look after it tells whether that is what lies there.

    Args:
        names: every file's name.
        contents: the digest of each settled file; None where it is left to the next look.
        knows: whether this table's file of this name was judged with this digest, by the code of now, or is forgotten
            with it.
        in_flight: the files that a run is queued for, or is taking in.
        attempts: what became of earlier runs for this file and digest; asked for unknown contents only.
        unreadable: why a file cannot be read, by name.
        code: the code of now for a table.
        limit: how many files to take in at most.
    """
    ingest: list[Ingest] = []
    under_way: list[str] = []
    unsettled: list[str] = []
    given_up: list[BadFile] = []
    refused: list[BadFile] = []
    unmatched: list[BadFile] = []
    waiting = known = 0
    for name in sorted(name for name in names if not is_being_written(name)):
        table = table_of(name)
        if table is None:
            unmatched.append(BadFile(shown_name(name), unmatched_fault(name)))
        elif fault := name_fault(name) or (unreadable or {}).get(name):
            refused.append(BadFile(shown_name(name), fault))
        elif name not in contents:
            unsettled.append(name)
        elif name in in_flight:
            under_way.append(name)
        elif (digest := contents[name]) is None:
            waiting += 1
        elif knows(table, name, digest):
            known += 1
        elif len(ingest) >= limit:
            waiting += 1
        elif (tried := attempts(name, digest)).failed >= FAILED_RUNS:
            given_up.append(BadFile(name, _how_to_repeat(table, tried.failed)))
        else:
            ingest.append(Ingest(name, table, digest, tried.next, code(table)))
    return Decision(
        tuple(ingest),
        waiting,
        tuple(under_way),
        tuple(unsettled),
        tuple(given_up),
        tuple(refused),
        tuple(unmatched),
        known,
    )


def _how_to_repeat(table: LandedTable, failed: int) -> str:
    return (
        f"its last {failed} runs failed: their pages in the UI say why; then materialize this partition of"
        f" raw_{table.name} there, or run `spotify-graph materialize`"
    )


def looks_to_json(looks: Mapping[str, Look]) -> str:
    """The looks as a JSON text in ASCII, whatever the files' names."""
    return json.dumps({"looks": {name: astuple(look) for name, look in looks.items()}})


def looks_from_json(text: str | None) -> dict[str, Look]:
    """The looks of a text that `looks_to_json` gave; none where it is another, or there is none."""
    try:
        return {name: Look(*map(int, look)) for name, look in json.loads(text or "")["looks"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
