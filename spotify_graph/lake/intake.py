"""What became of each landed file: the part of the lake that is partitioned by them.

It outlives the landing folder and Dagster's run history: whoever asks whether a file is new, what it contributes to
the graph, or why it doesn't, asks here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

from spotify_graph import storage
from spotify_graph.code_versions import code_of
from spotify_graph.lake import documents
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.manifest import Forgotten, Manifest
from spotify_graph.lake.versions import Version
from spotify_graph.storage import Address
from spotify_graph.times import utc
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable, check_name

KINDS = (TRACKS, USER_EVENTS)
"""The kinds of landed files."""
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

_FAILED = "_failed"


class Rules(Protocol):
    """What the code that judges files is told."""

    @property
    def placeholders(self) -> Sequence[str]:
        """The words that stand for a missing value."""

    @property
    def genre_separator(self) -> str | None:
        """What stands between the genres of a field."""


def judging_code(table: LandedTable, rules: Rules) -> str:
    """Names the code that judges files of a kind, with what it is told: what other code judged is stale."""
    values = {"placeholders": list(rules.placeholders), "genre_separator": rules.genre_separator}
    told = [values[name] for name in _TOLD_BY[table.name]]
    return sha256(json.dumps([code_of(*JUDGED_BY[table.name]), told]).encode()).hexdigest()[:16]


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
        active: the content that the graph is made from: the latest that the gates let through; None if there is none.
    """

    file: str
    latest: Version
    active: Version | None

    @property
    def state(self) -> str:
        """`passed`, `accepted` (refused, and let through by an operator) or `refused`."""
        verdict = self.latest.verdict
        if verdict is None or not verdict.refusals:
            return "passed"
        return "accepted" if verdict.accepted else "refused"

    @property
    def digest(self) -> str:
        """The digest of the content that was examined last."""
        return self.latest.record.content.digest if self.latest.record.content else ""

    @property
    def counts(self) -> Mapping[str, int]:
        """rows_read, cleaned, duplicates, rejected, and rejected rows by reason; empty where it could not be read."""
        return self.latest.record.counts

    @property
    def refusal(self) -> str | None:
        """What keeps the latest content out of the graph, and the way on, in one line; None where nothing does."""
        return refusal_of(self.latest)

    @property
    def in_graph(self) -> int | None:
        """How many good rows the graph is made from; None where it is made from none of its contents."""
        return self.active.record.counts["cleaned"] if self.active else None


def refusal_of(version: Version) -> str | None:
    """What keeps a version of a landed file out of the graph, and the way on, in one line; None where nothing does."""
    if version.verdict is None or version.verdict.holds:
        return None
    found = "; ".join(f"check {it.check}: {it.description}" for it in version.verdict.refusals)
    return f"{found}; {way_on(version.name if version.files else None)}"


def way_on(version: str | None) -> str:
    """What a person can do about a refused version of a landed file, or about one that could not be read."""
    if version is None:
        return "correct it and land it again"
    return f"to let it through all the same: spotify-graph accept {version} --because ..."


@dataclass(frozen=True)
class Intake:
    """The landed files of one kind.

    Attributes:
        lake: the lake.
        table: the kind of files.
    """

    lake: Lake
    table: LandedTable

    def entries(self) -> dict[str, Entry]:
        """Every file that was ever taken in and not forgotten, by name, in the names' order."""
        now = replace(self, lake=self.lake.pin())
        return {file: now._entry(file) for file in now.lake.files(ROWS[self.table.name])}

    def active(self, entries: Mapping[str, Entry]) -> dict[str, Version]:
        """The versions that the graph is made from, of these files, by the entries of the lake that they are of."""
        return {self._name(file): entry.active for file, entry in entries.items() if entry.active}

    def find(self, file: str) -> Entry | None:
        """A file's entry, or None where it was never examined, or is forgotten."""
        return self._entry(file) if self._name(file) in self.lake.manifest.entries else None

    def _entry(self, file: str) -> Entry:
        name = self._name(file)
        named = self.lake.manifest.entries[name]
        latest = self.lake.version(name, named.latest)
        if named.active in {None, named.latest}:
            return Entry(file, latest, latest if named.active else None)
        return Entry(file, latest, self.lake.version(name, str(named.active)))

    def _name(self, file: str) -> str:
        return f"{ROWS[self.table.name]}/{check_name(file)}"

    def knows(self, file: str, digest: str, code: str) -> bool:
        """Whether this content of a file was judged already, by this code, or is forgotten: nothing is to do."""
        if entry := self.find(file):
            return digest == entry.digest and not is_stale(entry, code)
        forgotten = self.forgotten().get(file)
        return forgotten is not None and not forgotten.released and digest == forgotten.digest

    def is_kept(self, file: str) -> bool:
        """Whether the lake holds a file's raw records, from which it can be judged anew once it has left its folder."""
        return self.raw(file) is not None

    def raw(self, file: str) -> Version | None:
        """The newest raw records of a file that the lake holds, or None."""
        raw = f"raw_{self.table.name}/{check_name(file)}"
        latest = self.lake.find(raw)
        return latest if latest is None or latest.files else self.lake.active(raw)

    def record(self, file: str, version: Version, *others: tuple[str, Version]) -> Entry:
        """Records what was found of a file's content. One that is refused leaves the active one as it was.

        Args:
            file: the file.
            version: the version of its rows, with its verdict.
            others: what else was written of this content: the asset, and its version.
        """
        self.record_all({file: {ROWS[self.table.name]: version, **dict(others)}})
        return self._entry(file)

    def record_all(self, files: Mapping[str, Mapping[str, Version]]) -> None:
        """Records what was found of the contents of files, all at once.

        Args:
            files: for each file the versions that were written of its content, by asset.
        """
        versions = {f"{asset}/{check_name(file)}": it for file, found in files.items() for asset, it in found.items()}
        gone = {f"{REFUSED_ROWS}/{file}" for file in files}
        self.lake.put(versions, without=sorted(gone - versions.keys()))
        for file in files:
            self._failure_file(file).unlink(missing_ok=True)

    def fail(self, file: str, failure: FailedIntake) -> None:
        """Records that a file could not be examined, until it is examined or forgotten."""
        documents.write(self._failure_file(file), asdict(failure))

    def failures(self) -> dict[str, FailedIntake]:
        """The files whose content could not be examined when that was tried last, by name."""
        files = storage.matching(self._failures, "[!.]*.json")
        found = {file.name.removesuffix(".json"): documents.read(file) for file in files}
        return {name: FailedIntake(**known) for name, known in found.items() if known}

    @property
    def _failures(self) -> Address:
        return self.lake.root / _FAILED / self.table.name

    def _failure_file(self, file: str) -> Address:
        return self._failures / f"{check_name(file)}.json"

    def forget(self, file: str) -> Entry | None:
        """Takes a file out of the lake, and remembers that this was on purpose.

        Returns:
            What was known of it, or None where it is not known.
        """
        entry = self.find(file)
        if entry is None:
            return None
        forgotten = Forgotten(entry.digest, utc(datetime.now(UTC), "microseconds"))
        names = [f"{asset}/{file}" for asset in (*PARTITIONED[self.table.name], REFUSED_ROWS)]

        def make(now: Manifest) -> Manifest:
            return replace(now.without(*names), forgotten={**now.forgotten, self._key(file): forgotten})

        self.lake.change(make)
        self._failure_file(file).unlink(missing_ok=True)
        return entry

    def unknow(self, file: str) -> None:
        """Drops what is remembered of a file that was forgotten, its name among it."""
        key = self._key(file)
        self.lake.change(
            lambda now: replace(now, forgotten={name: it for name, it in now.forgotten.items() if name != key})
        )

    def _key(self, file: str) -> str:
        return f"{self.table.name}/{file}"

    def forgotten(self) -> dict[str, Forgotten]:
        """The files that were taken out on purpose, by name."""
        start = self._key("")
        found = self.lake.manifest.forgotten.items()
        return {name.removeprefix(start): it for name, it in found if name.startswith(start)}

    def release(self, is_gone: Callable[[str, Forgotten], bool]) -> None:
        """Lets forgotten files be taken in again, once their forgotten content has left the landing folder."""
        waiting = {file: it for file, it in self.forgotten().items() if not it.released}
        gone = {self._key(file): it for file, it in waiting.items() if is_gone(file, it)}
        if not gone:
            return

        def make(now: Manifest) -> Manifest:
            # One that was forgotten anew meanwhile waits anew.
            released = {
                name: replace(it, released=True) if it == gone.get(name) else it for name, it in now.forgotten.items()
            }
            return replace(now, forgotten=released)

        self.lake.change(make)

    def last_forgotten(self) -> datetime | None:
        """When a file was taken out on purpose last, or None."""
        return max((datetime.fromisoformat(known.at) for known in self.forgotten().values()), default=None)


def is_stale(entry: Entry, code: str) -> bool:
    """Whether a file was judged by other code than this."""
    return entry.latest.record.made_from.code != code
