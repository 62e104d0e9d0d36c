"""Looks at the landing folder: what directory entries say, from one look to the next. Pure: it reads no file."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from fnmatch import fnmatchcase

from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, LandedTable

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


def looks_to_json(looks: Mapping[str, Look]) -> str:
    """The looks as a JSON text in ASCII, whatever the files' names."""
    return json.dumps({"looks": {name: astuple(look) for name, look in looks.items()}})


def looks_from_json(text: str | None) -> dict[str, Look]:
    """The looks of a text that `looks_to_json` gave; none where it is another, or there is none."""
    try:
        return {name: Look(*map(int, look)) for name, look in json.loads(text or "")["looks"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
