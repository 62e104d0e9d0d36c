"""What an import did: what of each file was taken, what was set aside and why, and what became of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FILE_COLUMNS = ("name", "file", "holds", "rows", "taken", "set_aside", "why")
USER_COLUMNS = ("name", "events", "kinds", "tracks", "first", "last", "told_twice", "landed")


@dataclass
class FileReport:
    """A file of an export.

    Attributes:
        name: whose it is.
        file: its path from where the export begins.
        holds: what it holds, as `opening` names it; None where it can't be told.
        rows: how many rows were read.
        taken: how many of them became events.
        set_aside: how many did not, by reason.
        refused: why the file can't be used; nothing is taken of it then.
    """

    name: str | None
    file: str
    holds: str | None = None
    rows: int = 0
    taken: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    refused: str | None = None


@dataclass(frozen=True)
class UserReport:
    """What there is now of a person, or of a log of many, over all imports.

    Attributes:
        name: whose.
        landed: the file in the landing folder.
        events: how many events it has, by kind.
        users: how many users they are of.
        tracks: of how many tracks.
        first: when the first event was, in ISO 8601.
        last: when the last one was.
        elsewhere: how many events a better source tells, too.
        duplicates: how many events are in several files.
        undated: how many likes there is no time for.
        unknown: how many events are of tracks that nothing is known of.
        dated: how many likes were dated by the last event of their export.
    """

    name: str
    landed: str
    events: Mapping[str, int]
    users: int
    tracks: int
    first: str | None
    last: str | None
    elsewhere: int
    duplicates: int
    undated: int
    unknown: int
    dated: int


@dataclass(frozen=True)
class Report:
    """An import.

    Attributes:
        files: the files that hold histories, or should.
        users: whose files in the landing folder were written, or would be as they are.
        others: how many files hold something else, such as playlists; nothing is read of them.
        notes: what else to know.
    """

    files: list[FileReport]
    users: list[UserReport]
    others: int
    notes: list[str]

    @property
    def complete(self) -> bool:
        """Whether nothing was refused."""
        return not any(it.refused for it in self.files)

    @property
    def refusals(self) -> list[str]:
        """A line for each file that was refused."""
        return [f"{it.name + ': ' if it.name else ''}{it.file}: {it.refused}" for it in self.files if it.refused]

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        return asdict(self)

    def file_rows(self) -> list[dict[str, Any]]:
        """The files as lines of a table, by FILE_COLUMNS."""
        return [
            {
                "name": it.name,
                "file": it.file,
                "holds": it.holds or "?",
                "rows": it.rows,
                "taken": it.taken,
                "set_aside": sum(it.set_aside.values()),
                "why": f"refused: {it.refused}" if it.refused else _counts(it.set_aside),
            }
            for it in self.files
        ]

    def user_rows(self) -> list[dict[str, Any]]:
        """What there is now, as lines of a table, by USER_COLUMNS."""
        return [
            {
                "name": it.name,
                "events": sum(it.events.values()),
                "kinds": _counts(it.events),
                "tracks": it.tracks,
                "first": it.first,
                "last": it.last,
                "told_twice": it.elsewhere + it.duplicates,
                "landed": it.landed,
            }
            for it in self.users
        ]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items(), key=lambda it: (-it[1], it[0])))
