"""Which landed files are taken in now, and by which runs: for the sensor and for the command alike."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import dagster as dg

from spotify_graph.automation.jobs import ingest_catalogue, ingest_events
from spotify_graph.automation.landed import LandedFile
from spotify_graph.automation.partitions import FILES
from spotify_graph.automation.tags import ATTEMPT_TAG, CODE_TAG, DIGEST_TAG, FILE_TAG, FILES_TAG, together
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable
from spotify_graph.transforms.landing import BadFile

LIMIT = 25
"""For how many files a look asks for runs of their own."""
MANY = 5
"""From how many event files on one run takes them in together: fewer have a run each, on the pages of which is all."""
MOST = 250
"""How many files one run takes in at most: so long nobody else has a turn."""
MOST_BYTES = 64 << 20
"""How large they may be together. A larger file has a run of its own."""
FAILED_RUNS = 3
"""After how many failed runs of its content a file is given up."""
INGEST_MANY = "ingest_many"
"""The job that takes in many files of user events by one run."""

_JOBS = {TRACKS.name: ingest_catalogue, USER_EVENTS.name: ingest_events}


@dataclass(frozen=True)
class Attempts:
    """What became of the runs that took in one content of a file.

    Attributes:
        next: the number of the next attempt; none has used it before.
        failed: how many runs of this file alone failed or were cancelled since one succeeded.
        alone: whether it needs a run of its own: a run of many has left it out, or such runs failed too often.
    """

    next: int = 0
    failed: int = 0
    alone: bool = False


@dataclass(frozen=True)
class Ingest:
    """A file to take in.

    Attributes:
        file: its name.
        table: what it holds.
        digest: the SHA-256 of its content, in hexadecimal.
        code: the code that will judge it.
        attempt: the attempt's number for this content and code, from 0.
        alone: whether it needs a run of its own.
        bytes: how large it is.
    """

    file: str
    table: LandedTable
    digest: str
    code: str
    attempt: int = 0
    alone: bool = False
    bytes: int = 0

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
    def partition_key(self) -> str | None:
        """The partition that its run is of."""
        return self.file

    @property
    def run_config(self) -> dict[str, Any]:
        """The configuration of its run."""
        return {}

    @property
    def files(self) -> "tuple[Ingest, ...]":
        """The files of its run."""
        return (self,)

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
    def of(cls, file: LandedFile, attempts: Attempts = Attempts()) -> Self:
        """A landed file, to be taken in as it lies there."""
        return cls(file.name, file.table, str(file.digest), file.code, attempts.next, attempts.alone, file.bytes)


@dataclass(frozen=True)
class IngestMany:
    """Files of user events to take in by one run.

    It is a run of its own job and not one of `ingest_events` over a range of partitions: files that land need not be
    neighbours among the partitions, and a run over a range shows all of them as materialized or none. What this run
    can't let into the graph it leaves to a run of that file alone, whose failure is then that of its partition.

    Attributes:
        files: the files.
    """

    files: tuple[Ingest, ...]

    @property
    def key(self) -> str:
        """Names this attempt at these contents: no other run has it."""
        contents = sha256(" ".join(it.key for it in self.files).encode()).hexdigest()[:16]
        return f"{len(self.files)} files@{contents}"

    @property
    def job(self) -> str:
        """The name of the job that takes them in."""
        return INGEST_MANY

    @property
    def partition_key(self) -> str | None:
        """None: the job has no partitions, and says of which it has materialized something."""
        return None

    @property
    def run_config(self) -> dict[str, Any]:
        """The configuration of the run."""
        return {"ops": {"take_in_files": {"config": {"files": [it.file for it in self.files]}}}}

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the run."""
        tags = {FILES_TAG: str(len(self.files)), ATTEMPT_TAG: str(max(it.attempt for it in self.files))}
        for it in self.files:
            tags |= together(it.file, it.digest, it.code)
        return tags


def runs_of(ingests: Iterable[Ingest]) -> list[Ingest | IngestMany]:
    """The runs that take files in: many small files of user events share one, the others have one each."""
    alone: list[Ingest | IngestMany] = []
    groups: list[list[Ingest]] = []
    free = 0
    for it in ingests:
        if it.alone or it.table is not USER_EVENTS or it.bytes > MOST_BYTES:
            alone.append(it)
            continue
        if not groups or len(groups[-1]) == MOST or it.bytes > free:
            groups.append([])
            free = MOST_BYTES
        groups[-1].append(it)
        free -= it.bytes
    for group in groups:
        alone += group if len(group) < MANY else [IngestMany(tuple(group))]
    return alone


@dataclass(frozen=True)
class Decision:
    """What is to be done about landed files, each in their order.

    Attributes:
        runs: the runs that take files in now.
        waiting: how many more files there are for the next look.
        under_way: the files that a run is queued for, or is taking in.
        unsettled: the files that may still be being written.
        given_up: the files whose runs failed too often, and how to repeat them.
        refused: the files that cannot be taken in at all, and why.
        known: how many files there is nothing to do about.
    """

    runs: tuple[Ingest | IngestMany, ...] = ()
    waiting: int = 0
    under_way: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    given_up: tuple[BadFile, ...] = ()
    refused: tuple[BadFile, ...] = ()
    known: int = 0

    @property
    def files(self) -> list[Ingest]:
        """The files to take in now."""
        return [file for run in self.runs for file in run.files]


def decide(
    files: Iterable[LandedFile],
    *,
    in_flight: Set[str] = frozenset(),
    many_in_flight: bool = False,
    attempts: Callable[[LandedFile], Attempts] = lambda _file: Attempts(),
    limit: int = LIMIT,
) -> Decision:
    """Decides about every landed file.

    While a run of many files is in flight, others wait until they are many again, or it has ended: so the graph has its
    turn between two such runs, however fast files land.

    A file with a run in flight waits, even if its content has changed meanwhile: the run takes in what it finds, and
    the next look after it tells whether that is what lies there.

    Args:
        files: the files.
        in_flight: the names of those that a run is queued for, or is taking in.
        many_in_flight: whether one of these runs takes in many.
        attempts: what became of earlier runs for a file's content and the code of now; asked for pending ones only.
        limit: how many files are given runs of their own at most.
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
            known += file.look is not None
        elif len(ingest) >= MOST:
            waiting += 1
        elif (tried := attempts(file)).failed >= FAILED_RUNS:
            given_up.append(BadFile(file.name, _how_to_repeat(file.table, tried.failed)))
        else:
            ingest.append(Ingest.of(file, tried))
    runs, left = _in_turn(runs_of(ingest), many_in_flight, limit)
    waiting += left
    return Decision(tuple(runs), waiting, tuple(under_way), tuple(unsettled), tuple(given_up), tuple(refused), known)


def _in_turn(
    wanted: Iterable[Ingest | IngestMany], many_in_flight: bool, limit: int
) -> tuple[list[Ingest | IngestMany], int]:
    """The runs to ask for now, and how many files the others would take in."""
    runs: list[Ingest | IngestMany] = []
    alone = left = 0
    for run in wanted:
        if many_in_flight if isinstance(run, IngestMany) else alone >= limit:
            left += len(run.files)
            continue
        runs.append(run)
        if isinstance(run, IngestMany):
            many_in_flight = True
        else:
            alone += 1
    return runs, left


def _how_to_repeat(table: LandedTable, failed: int) -> str:
    return (
        f"its last {failed} runs failed: their pages in the UI say why; then materialize this partition of"
        f" raw_{table.name} there, or run `spotify-graph materialize`"
    )
