"""The intake ledger: what became of each landed file. One JSON document for each, in the lake.

It outlives the landing folder and Dagster's run history: whoever asks whether a file is new, what it contributes to
the graph, or why it doesn't, asks here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from filelock import FileLock

from spotify_graph.code_versions import code_of
from spotify_graph.io_managers.lake import Lake, LakeVersion
from spotify_graph.io_managers.verdicts import Verdict, read_json, write_json
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, LandedTable, check_name

ROWS = {TRACKS.name: "raw_tracks", USER_EVENTS.name: "cleaned_events"}
"""For each kind of files, the asset by file whose versions the graph is made from."""
PARTITIONED = {TRACKS.name: ("raw_tracks",), USER_EVENTS.name: ("raw_user_events", "cleaned_events", "rejected_events")}
"""For each kind of files, every asset of the lake that is partitioned by them."""
REFUSED_ROWS = "refused_tracks"
"""The entries of the lake, by file, with the rejected rows of refused catalogue files, which nothing else examines."""

JUDGED_BY = {
    TRACKS.name: ("spotify_graph.transforms.cleaning",),
    USER_EVENTS.name: ("spotify_graph.tasks.events", "spotify_graph.checks.rules"),
}
"""For each kind of files, the modules that say what becomes of a file's rows; what they import tells how it is read."""
_TOLD_BY = {TRACKS.name: ("placeholders", "genre_separator"), USER_EVENTS.name: ("placeholders",)}
"""For each kind of files, the settings that these modules are told."""

_FORGOTTEN = ".forgotten.json"
_FAILED = ".failed"


@dataclass(frozen=True)
class Intake:
    """One content of a landed file, as it was examined.

    Attributes:
        digest: the SHA-256 of the file's bytes, in hexadecimal.
        bytes: the file's size.
        at: when it was examined, in ISO 8601 and UTC.
        verdict: what the gates found.
        version: the version in the lake that holds its rows; None where it could not be read.
        counts: rows_read, cleaned, duplicates, rejected, and the rejected rows by reason; empty where unreadable.
        code: the code that judged it, with its settings, as `IntakeLedger.code` names it; empty where unknown.
    """

    digest: str
    bytes: int
    at: str
    verdict: Verdict
    version: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    code: str = ""

    @property
    def refusal(self) -> str | None:
        """What keeps this content out of the graph, and the way on, in one line; None where nothing does."""
        if self.verdict.holds:
            return None
        found = "; ".join(f"check {it.check}: {it.description}" for it in self.verdict.refusals)
        return f"{found}; {way_on(self.version)}"

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        """The intake that `asdict` gave."""
        return cls(**{**known, "verdict": Verdict.from_json(known["verdict"])})


def way_on(version: str | None) -> str:
    """What a person can do about a refused version of a landed file, or about one that could not be read."""
    if version is None:
        return "correct it and land it again"
    return f"to let it through all the same: spotify-graph accept {version} --because ..."


@dataclass(frozen=True)
class FailedIntake:
    """A content of a landed file that could not be examined, for a reason that says nothing about the file.

    Attributes:
        digest: the SHA-256 of the file's bytes, in hexadecimal.
        at: when it was tried last, in ISO 8601 and UTC.
        reason: the error's own message.
        run_id: the run that failed.
    """

    digest: str
    at: str
    reason: str
    run_id: str


@dataclass(frozen=True)
class Entry:
    """What is known of a landed file.

    Attributes:
        file: its name.
        latest: the content that was examined last.
        in_force: the content that the graph is made from: the latest that the gates let through; None if there is none.
    """

    file: str
    latest: Intake
    in_force: Intake | None

    @property
    def state(self) -> str:
        """`passed`, `accepted` (refused, and let through by an operator) or `refused`."""
        if not self.latest.verdict.refusals:
            return "passed"
        return "accepted" if self.latest.verdict.accepted else "refused"


@dataclass(frozen=True)
class Forgotten:
    """A file that was taken out on purpose.

    Attributes:
        file: its name.
        digest: its last content, which stays out as long as it lies in the landing folder.
        at: when, in ISO 8601 and UTC.
        released: whether that content has left the landing folder since, and would be taken in if it landed again.
    """

    file: str
    digest: str
    at: str
    released: bool = False


@dataclass(frozen=True)
class IntakeLedger:
    """The entries of one kind of files.

    Attributes:
        lake: the lake's root.
        table: the kind of files.
    """

    lake: Path
    table: LandedTable

    @property
    def _folder(self) -> Path:
        return self.lake / "intake" / self.table.name

    @cached_property
    def code(self) -> str:
        """Names the code that files are judged by, with its settings: a file that was judged by other code is stale."""
        settings = Settings.load()
        told = [getattr(settings, name) for name in _TOLD_BY[self.table.name]]
        return sha256(json.dumps([code_of(*JUDGED_BY[self.table.name]), told]).encode()).hexdigest()[:16]

    def entries(self) -> dict[str, Entry]:
        """Every file that was ever taken in and not forgotten, by name, in the names' order."""
        files = sorted(file.name.removesuffix(".json") for file in self._folder.glob("[!.]*.json"))
        return {name: entry for name in files if (entry := self.find(name))}

    def in_force(self, entries: Mapping[str, Entry]) -> dict[str, LakeVersion]:
        """The versions in the lake of what is in force, by file: what the graph is made from."""
        lake, asset = Lake(self.lake), ROWS[self.table.name]
        return {
            file: lake.version(f"{asset}/{file}", entry.in_force.version)
            for file, entry in entries.items()
            if entry.in_force and entry.in_force.version
        }

    def find(self, file: str) -> Entry | None:
        """A file's entry, or None where it was never examined, or is forgotten."""
        known = read_json(self._path(file))
        if known is None:
            return None
        in_force = known["in_force"]
        return Entry(file, Intake.from_json(known["latest"]), Intake.from_json(in_force) if in_force else None)

    def knows(self, file: str, digest: str) -> bool:
        """Whether this content of a file was judged already, by the code of now, or is forgotten: nothing is to do."""
        if entry := self.find(file):
            return digest == entry.latest.digest and not self.is_stale(entry)
        forgotten = self.forgotten().get(file)
        return forgotten is not None and not forgotten.released and digest == forgotten.digest

    def is_stale(self, entry: Entry) -> bool:
        """Whether a file was judged by other code than that of now."""
        return entry.latest.code != self.code

    def is_kept(self, file: str) -> bool:
        """Whether the lake holds a file's raw records, from which it can be judged anew once it has left its folder."""
        return Lake(self.lake).find(f"raw_{self.table.name}/{file}") is not None

    def record(self, file: str, intake: Intake) -> Entry:
        """Records what the code of now found of a file's content. One that is refused leaves in force what was."""
        before, intake = self.find(file), replace(intake, code=self.code)
        previous = before.in_force if before else None
        in_force = intake if intake.verdict.holds else previous
        self._failure_path(file).unlink(missing_ok=True)
        return self._write(Entry(file, intake, in_force))

    def fail(self, file: str, failure: FailedIntake) -> None:
        """Records that a file could not be examined, until it is examined or forgotten."""
        write_json(self._failure_path(file), asdict(failure))

    def failures(self) -> dict[str, FailedIntake]:
        """The files whose content could not be examined when that was tried last, by name."""
        files = sorted(self._folder.joinpath(_FAILED).glob("[!.]*.json"))
        return {file.name.removesuffix(".json"): FailedIntake(**known) for file in files if (known := read_json(file))}

    def accept(self, version: str, because: str) -> Entry | None:
        """Lets the refused version through that a file's latest content has; None where there is none of that name."""
        for entry in self.entries().values():
            if entry.latest.version == version and entry.latest.verdict.refusals:
                accepted = replace(entry.latest, verdict=entry.latest.verdict.accept(because))
                return self._write(Entry(entry.file, accepted, accepted))
        return None

    def forget(self, file: str) -> Entry | None:
        """Takes a file's entry and rows out of the lake, and remembers that this was on purpose.

        Returns:
            What was known of it, or None where it is not known.
        """
        entry = self.find(file)
        if entry is None:
            return None
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        with self._forgotten_locked():
            self._write_forgotten({**self.forgotten(), file: Forgotten(file, entry.latest.digest, at)})
        self._path(file).unlink()
        self._failure_path(file).unlink(missing_ok=True)
        for asset in (*PARTITIONED[self.table.name], REFUSED_ROWS):
            Lake(self.lake).remove(f"{asset}/{file}")
        return entry

    def forgotten(self) -> dict[str, Forgotten]:
        """The files that were taken out on purpose, by name."""
        return {file: Forgotten(**known) for file, known in (read_json(self._folder / _FORGOTTEN) or {}).items()}

    def release(self, is_gone: Callable[[Forgotten], bool]) -> None:
        """Lets forgotten files be taken in again, once their forgotten content has left the landing folder."""
        if not self.forgotten():
            return
        with self._forgotten_locked():
            before = self.forgotten()
            after = {file: replace(it, released=it.released or is_gone(it)) for file, it in before.items()}
            if after != before:
                self._write_forgotten(after)

    def last_forgotten(self) -> datetime | None:
        """When a file was taken out on purpose last, or None."""
        return max((datetime.fromisoformat(known.at) for known in self.forgotten().values()), default=None)

    def _write(self, entry: Entry) -> Entry:
        known = {"latest": asdict(entry.latest), "in_force": entry.in_force and asdict(entry.in_force)}
        write_json(self._path(entry.file), known)
        return entry

    def _forgotten_locked(self) -> FileLock:
        # The command and the daemon's sensor both change the list.
        return FileLock(self._folder / f"{_FORGOTTEN}.lock")

    def _write_forgotten(self, forgotten: Mapping[str, Forgotten]) -> None:
        write_json(self._folder / _FORGOTTEN, {file: asdict(known) for file, known in forgotten.items()})

    def _failure_path(self, file: str) -> Path:
        return self._folder / _FAILED / f"{check_name(file)}.json"

    def _path(self, file: str) -> Path:
        return self._folder / f"{check_name(file)}.json"
