"""Which files land: their kinds, how they are named, and the key by which one is known everywhere else."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from spotify_graph.errors import UserError


@dataclass(frozen=True)
class LandedTable:
    """A kind of file in the landing folder.

    Attributes:
        name: what its rows are, and how its files' names begin.
        columns: the columns that its header must name, in any order; lower-case, as they are compared.
        optional_columns: the columns that its header may name.
    """

    name: str
    columns: tuple[str, ...]
    optional_columns: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """Its files' names for people, but for the ends of compressed ones."""
        return f"{self.name}*.csv"

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The columns of its raw records, in order."""
        return (*self.columns, *self.optional_columns)


_ENDING = re.compile(r"\.csv(\.(gz|bz2|zst))?\Z", re.IGNORECASE)

TRACKS = LandedTable(
    "tracks",
    ("track_id", "artist", "album", "duration_ms", "genre"),
    ("title",),
)
USER_EVENTS = LandedTable(
    "user_events",
    ("user_id", "track_id", "event_type", "event_ts", "session_id", "device"),
)


TAKEN_IN = f"{TRACKS.pattern} and {USER_EVENTS.pattern}, plain or with .gz, .bz2 or .zst"
"""Which files are taken in, for people."""


_BEING_WRITTEN = ("*.tmp", "*.part", ".*")


def is_being_written(path: str) -> bool:
    """Whether a name on a path says that the file is not complete yet: *.tmp, *.part, or a leading dot."""
    return any(fnmatchcase(part, pattern) for part in path.split("/") for pattern in _BEING_WRITTEN)


def is_passed_over(path: str) -> bool:
    """Whether a file is not looked at: it is being written, or lies in a sub-folder and a name is for nobody to read.

    Those begin with an underscore: what Spark and Hive write while they work, and about what they wrote.
    """
    return is_being_written(path) or ("/" in path and any(part.startswith("_") for part in path.split("/")))


def table_of(path: str) -> LandedTable | None:
    """What a file holds by its path within the landing folder, or None where it is not taken in.

    Its own name says it, else the nearest of its folders that does: how a name begins is case-sensitive, how the file's
    ends is not. Where none says it and a folder is named as Hive names partitions, `dt=2026-11-28`, it is user events.
    """
    *folders, name = path.split("/")
    if is_passed_over(path) or not _ENDING.search(name):
        return None
    for part in (name, *reversed(folders)):
        for table in (TRACKS, USER_EVENTS):
            if part.startswith(table.name):
                return table
    return USER_EVENTS if any("=" in folder for folder in folders) else None


_SLASH = "=="
"""What stands for a slash in a key. No part of a path that makes a key has it in it, or begins or ends with a sign of
it: so a key has one path, and a path one key."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)
_FOLDER_NAME = re.compile(r"(?=.{1,128}\Z)[A-Za-z0-9-][A-Za-z0-9._-]*(=[A-Za-z0-9._-]+)*", re.ASCII)
_LONGEST_KEY = 200


def key_of(path: str) -> str:
    """The key of a file: its path within the landing folder, with `==` for each slash.

    It is the key of its partition, and what it is called in the lake and in answers. A file that lies in no sub-folder
    has its name for a key.

    Raises:
        UserError: the path has a name in it that is not taken in.
    """
    if fault := path_fault(path):
        raise UserError(f"{shown_name(path)!r}: {fault}")
    return path.replace("/", _SLASH)


def path_of(key: str) -> str:
    """The path of a file within the landing folder.

    Raises:
        UserError: it is no key.
    """
    return check_name(key).replace(_SLASH, "/")


def path_fault(path: str) -> str | None:
    """Why a file of this path within the landing folder is not taken in, or None."""
    return _names_fault(path.split("/"))


def name_fault(key: str) -> str | None:
    """Why this is no key of a file, or None. A key becomes a folder of the lake and a partition's key."""
    return _names_fault(key.split(_SLASH))


def _names_fault(names: Sequence[str]) -> str | None:
    *folders, name = names
    if not folders:
        fits, of = bool(_FILE_NAME.fullmatch(name)), "a name has"
    else:
        fits = bool(_FILE_NAME.fullmatch(name)) and all(map(_FOLDER_NAME.fullmatch, folders))
        fits = fits and len(_SLASH.join(names)) <= _LONGEST_KEY
        of = f"a path has at most {_LONGEST_KEY} characters, a folder's name may have a value after =, and a name has"
    if fits:
        return None
    return f"rename it: {of} letters, digits, dots, dashes and underscores, no dot first, and at most 128 of them"


_ARCHIVE = re.compile(r"\.(zip|7z|rar|tar|tgz|xz|lz4)(\.\w+)?\Z", re.IGNORECASE)


def unmatched_fault(name: str) -> str:
    """Why a file whose name is of neither kind is not taken in, and what to do."""
    advice = "unpack it" if _ARCHIVE.search(name) else "rename it"
    return f"{advice}: what is taken in is {TAKEN_IN}"


def unmatched_in_folder_fault(names: Sequence[str]) -> str:
    """Why files in a sub-folder, of which these are some, are not taken in, and what to do."""
    return f"rename what is to be taken in ({', '.join(names)}), or a folder that it is in, to {TAKEN_IN}"


def check_name(name: str) -> str:
    """A file's key, if it is fit to be a partition's key and a folder of the lake.

    Raises:
        UserError: it isn't.
    """
    if fault := name_fault(name):
        raise UserError(f"{shown_name(name)!r}: {fault}")
    return name


def shown_name(name: str) -> str:
    """A file's name in printable characters."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character)[0] == "C" else character for character in text
    )
