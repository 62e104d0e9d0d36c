"""Which landed files are taken in now, and by which runs: for the sensor and for the command alike."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Self

import dagster as dg

from spotify_graph.automation.jobs import ingest_catalogue, ingest_events
from spotify_graph.automation.landed import LandedFile
from spotify_graph.automation.partitions import FILES
from spotify_graph.automation.tags import ATTEMPT_TAG, CODE_TAG, DIGEST_TAG, FILE_TAG
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, BadFile, LandedTable

LIMIT = 25
"""How many files are taken in for each look."""
FAILED_RUNS = 3
"""After how many failed runs of its content a file is given up."""

_JOBS = {TRACKS.name: ingest_catalogue, USER_EVENTS.name: ingest_events}


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
        code: the code that will judge it.
        attempt: the attempt's number for this content and code, from 0.
    """

    file: str
    table: LandedTable
    digest: str
    code: str
    attempt: int = 0

    @property
    def key(self) -> str:
        """Names this attempt at this content by this code: no other run has it, however often they come back."""
        return f"{self.file}@{self.digest[:16]}/{self.code[:16]}#{self.attempt}"

    @property
    def job(self) -> str:
        """The name of the job that takes it in."""
        return _JOBS[self.table.name].name

    @property
    def partitions(self) -> dg.DynamicPartitionsDefinition:
        """The partitions that it is one of."""
        return FILES[self.table.name]

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its run."""
        return {
            FILE_TAG: self.file,
            DIGEST_TAG: self.digest,
            CODE_TAG: self.code,
            ATTEMPT_TAG: str(self.attempt),
        }

    @classmethod
    def of(cls, file: LandedFile, attempt: int = 0) -> Self:
        """A landed file, to be taken in as it lies there."""
        return cls(file.name, file.table, str(file.digest), file.code, attempt)


@dataclass(frozen=True)
class Decision:
    """What is to be done about landed files, each in their order.

    Attributes:
        ingest: the files to take in now.
        waiting: how many more there are for the next look.
        under_way: the files that a run is queued for, or is taking in.
        unsettled: the files that may still be being written.
        given_up: the files whose runs failed too often, and how to repeat them.
        refused: the files that cannot be taken in at all, and why.
        known: how many files there is nothing to do about.
    """

    ingest: tuple[Ingest, ...] = ()
    waiting: int = 0
    under_way: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    given_up: tuple[BadFile, ...] = ()
    refused: tuple[BadFile, ...] = ()
    known: int = 0


def decide(
    files: Iterable[LandedFile],
    *,
    in_flight: Set[str] = frozenset(),
    attempts: Callable[[LandedFile], Attempts] = lambda _file: Attempts(),
    limit: int = LIMIT,
) -> Decision:
    """Decides about every landed file.

    A file with a run in flight waits, even if its content has changed meanwhile: the run takes in what it finds, and
    the next look after it tells whether that is what lies there.

    Args:
        files: the files.
        in_flight: the names of those that a run is queued for, or is taking in.
        attempts: what became of earlier runs for a file's content and the code of now; asked for pending ones only.
        limit: how many files to take in at most.
    """
    ingest: list[Ingest] = []
    under_way: list[str] = []
    unsettled: list[str] = []
    given_up: list[BadFile] = []
    refused: list[BadFile] = []
    waiting = known = 0
    for file in files:
        if file.state == "invalid name":
            refused.append(BadFile(file.name, str(file.note)))
        elif file.state == "being written":
            unsettled.append(file.name)
        elif file.name in in_flight:
            under_way.append(file.name)
        elif file.state == "waiting":
            waiting += 1
        elif not file.pending:
            known += file.path is not None
        elif len(ingest) >= limit:
            waiting += 1
        elif (tried := attempts(file)).failed >= FAILED_RUNS:
            given_up.append(BadFile(file.name, _how_to_repeat(file.table, tried.failed)))
        else:
            ingest.append(Ingest.of(file, tried.next))
    return Decision(tuple(ingest), waiting, tuple(under_way), tuple(unsettled), tuple(given_up), tuple(refused), known)


def _how_to_repeat(table: LandedTable, failed: int) -> str:
    return (
        f"its last {failed} runs failed: their pages in the UI say why; then materialize this partition of"
        f" raw_{table.name} there, or run `spotify-graph materialize`"
    )
