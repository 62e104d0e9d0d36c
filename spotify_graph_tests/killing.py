"""Processes that are really killed, with SIGKILL, right before a step of their work.

A step is an operation on a file of the home or a transaction of Neo4j's. A child that is told where to die notes the
steps that it takes, and kills itself at that one: no code of the platform knows of it. Children are forked from a
process that has imported everything and started nothing, so that each costs no more than its work.
"""

import multiprocessing
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["spotify_graph_tests.killing_preload", "spotify_graph_tests.disturbed"])
_SECONDS = 300

# What tells apart versions, manifests and files of the same kind that are written at another time.
_VARYING = (
    (re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}"), "<version>"),
    (re.compile(r"[0-9a-f]{32}"), "<id>"),
    (re.compile(r"\b\d{12}\b"), "<number>"),
    (re.compile(r"\.[0-9a-f]{8}\.new$"), ".new"),
    (re.compile(r"\b(restore|import)-[0-9a-f]{8}"), r"\1-<id>"),
    (re.compile(r"\.[0-9a-f]{8}\.part$"), ".part"),
    (re.compile(r"\btmp\w{8}\b"), "<scratch>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"), "<run>"),
)
_FILES = {
    "open": "write",
    "os.rename": "rename to",
    "os.link": "link",
    "os.remove": "remove",
    "os.mkdir": "make folder",
    "os.rmdir": "remove folder",
    "shutil.rmtree": "remove all of",
}
_WRITING = os.O_WRONLY | os.O_RDWR

Work = Callable[..., object]
"""What a child does: a function of a module, or a partial of one."""


class Steps:
    """The steps that this process takes, written down as it goes, and the one at which it dies.

    Attributes:
        place: what is being done, in the words of whoever does it.
    """

    def __init__(self, home: Path, noted: Path, deadly: str | None) -> None:
        self.place = ""
        self._home = f"{home}/"
        self._deadly = deadly
        self._seen = Counter[str]()
        self._lock = Lock()
        self._noted = os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def take(self, what: str) -> None:
        """A step is about to be taken."""
        with self._lock:
            step = f"{self.place}: {what}" if self.place else what
            self._seen[step] += 1
            step = f"{step} #{self._seen[step]}" if self._seen[step] > 1 else step
            os.write(self._noted, f"{step}\n".encode())
            if step == self._deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    def heed(self, event: str, arguments: tuple[Any, ...]) -> None:
        """What Python tells of everything that it asks the system for."""
        if event not in _FILES or (event == "open" and not arguments[2] & _WRITING):
            return
        path = str(arguments[1] if event in {"os.rename", "os.link"} else arguments[0])
        if path.startswith(self._home):
            self.take(f"{_FILES[event]} {self.named(path)}")

    def named(self, path: str) -> str:
        """A path within the home, without what is another at another time."""
        name = path.removeprefix(self._home)
        for pattern, instead in _VARYING:
            name = pattern.sub(instead, name)
        return name


def took(home: Path, work: Work, environment: Mapping[str, str], *, until: str | None = None) -> list[str]:
    """Has a child do some work, and gives the steps that it took.

    Args:
        home: the folder whose files count.
        work: the work; it is given the `Steps`.
        environment: what the child's environment has besides.
        until: the step before which it is killed, or None.
    """
    noted = home.with_name(f"{home.name}.steps")
    noted.unlink(missing_ok=True)
    child = _FORKSERVER.Process(target=_work, args=(home, noted, work, dict(environment), until))
    child.start()
    child.join(_SECONDS)
    steps = noted.read_text().splitlines()
    assert child.exitcode == (0 if until is None else -signal.SIGKILL), (child.exitcode, until, steps[-5:])
    return steps


def begun(work: Callable[[], object], environment: Mapping[str, str]) -> Any:
    """Has a child do some work that nobody watches; it is to be joined."""
    child = _FORKSERVER.Process(target=_unwatched, args=(work, {**os.environ, **environment}))
    child.start()
    return child


def done(work: Callable[[], object], environment: Mapping[str, str]) -> None:
    """Has a child do some work that nobody watches, to its end."""
    child = begun(work, environment)
    child.join(_SECONDS)
    assert child.exitcode == 0


def _unwatched(work: Callable[[], object], environment: Mapping[str, str]) -> None:
    os.environ |= environment
    work()


def _work(home: Path, noted: Path, work: Work, environment: Mapping[str, str], deadly: str | None) -> None:
    os.environ |= environment
    steps = Steps(home, noted, deadly)
    _watch_neo4j(steps)
    _watch_parquet(steps)
    sys.addaudithook(steps.heed)
    work(steps)


def _watch_neo4j(steps: Steps) -> None:
    """Transactions: before each begins, and when its work is done and is not committed."""
    import neo4j

    session: Any = neo4j.Session
    begin, run = session.execute_write, session.run

    @wraps(begin)
    def execute_write(self: neo4j.Session, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        name = work.__qualname__.replace(".<locals>", "")
        steps.take(f"Neo4j: begin {name}")

        @wraps(work)
        def watched(*given: Any, **named: Any) -> Any:
            result = work(*given, **named)
            steps.take(f"Neo4j: commit {name}")
            return result

        return begin(self, watched, *args, **kwargs)

    @wraps(run)
    def run_apart(self: neo4j.Session, query: Any, *args: Any, **kwargs: Any) -> Any:
        first = " ".join(str(query).split()[:2])
        if not first.startswith(("SHOW", "RETURN")):
            steps.take(f"Neo4j: run {first}")
        return run(self, query, *args, **kwargs)

    session.execute_write, session.run = execute_write, run_apart


def _watch_parquet(steps: Steps) -> None:
    """Arrow opens its files itself: when one has no rows yet, and when it has them and no end."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    begin, write, end, stream = (
        pq.ParquetWriter.__init__,
        pq.ParquetWriter.write_table,
        pq.ParquetWriter.close,
        pa.ipc.new_file,
    )
    where: dict[int, str] = {}

    def opened(self: Any, file: Any, *args: Any, **kwargs: Any) -> None:
        where[id(self)] = steps.named(str(file))
        begin(self, file, *args, **kwargs)

    def written(self: Any, *args: Any, **kwargs: Any) -> None:
        steps.take(f"write rows of {where[id(self)]}")
        write(self, *args, **kwargs)

    def closed(self: Any) -> None:
        if self.is_open:
            steps.take(f"end {where[id(self)]}")
        end(self)

    def index(sink: Any, *args: Any, **kwargs: Any) -> Any:
        steps.take(f"write index {steps.named(str(sink))}")
        return stream(sink, *args, **kwargs)

    pq.ParquetWriter.__init__ = opened
    pq.ParquetWriter.write_table = written
    pq.ParquetWriter.close = closed
    pa.ipc.new_file = index
