"""Locks of a home that say who holds them. One that a process held goes with the process, however that ends."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from spotify_graph.errors import UserError
from spotify_graph.local import checkout, replacement, users
from spotify_graph.local.files import write_private
from spotify_graph.settings import Settings
from spotify_graph.times import utc

_LOOK_S = 0.5


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        who: what it is, in words.
        pid: its process.
        since: since when.
        user: whose process it is.
        path: the checkout that it runs from.
        code: changes with the code that it runs.
    """

    who: str
    pid: int
    since: str
    user: str = ""
    path: str = ""
    code: str = ""

    def __str__(self) -> str:
        whose = f" of {self.user}" if self.user not in {"", users.me()} else ""
        where = f", from {self.path}" if self.path not in {"", checkout.code().path} else ""
        return f"{self.who} (process {self.pid}{whose}, since {self.since}{where})"


@contextmanager
def turn(settings: Settings, who: str, say: Callable[[str], None]) -> Iterator[None]:
    """The one turn to work on a home's lake and graph, which every run takes, whoever starts it.

    Args:
        settings: the installation's settings.
        who: what is going to work, in words, for those who wait meanwhile.
        say: told whom this waits for, if it has to, and where other code works on the same home.

    Raises:
        UserError: the home, or a file of it, is another user's.
    """
    settings.make_home()
    lock = FileLock(settings.home / "runs.lock", timeout=0)
    told = None
    while not _acquired(lock):
        holder = _note(lock)
        if told is None or holder not in (None, told):
            told = holder
            say(f"Waiting for {holder or 'another run'}")
        time.sleep(_LOOK_S)
    with _held(lock, who):
        _tell_of_other_code(settings, say)
        _put_back(settings, say)
        yield


@contextmanager
def up(settings: Settings) -> Iterator[None]:
    """What `spotify-graph up` holds as long as it runs.

    Raises:
        UserError: another one does.
    """
    lock = FileLock(settings.home / "up.lock", timeout=0)
    if not _acquired(lock):
        raise UserError(
            f"{_note(lock) or '`spotify-graph up`'} runs already for {settings.home}: use it, or end it first"
        )
    with _held(lock, "`spotify-graph up`"):
        yield


@contextmanager
def alone(settings: Settings, who: str, say: Callable[[str], None]) -> Iterator[None]:
    """A home for this process alone: nobody works on it, `up` does not run, and neither begins meanwhile.

    Args:
        settings: the installation's settings.
        who: what is going to work, in words, for those who wait meanwhile.
        say: told what is put back of a restore that was interrupted.

    Raises:
        UserError: somebody uses it.
    """
    settings.make_home()
    with ExitStack() as held:
        for file in ("up.lock", "runs.lock"):
            lock = FileLock(settings.home / file, timeout=0)
            if not _acquired(lock):
                raise UserError(f"{_note(lock) or 'another process'} uses {settings.home}: wait for its end, or end it")
            held.enter_context(_held(lock, who))
        _put_back(settings, say)
        yield


def running_up(settings: Settings) -> Holder | None:
    """The `spotify-graph up` that runs for this home, or None."""
    return _holder(settings.home / "up.lock")


def running_run(settings: Settings) -> Holder | None:
    """Who works on this home's lake and graph, or None."""
    return _holder(settings.home / "runs.lock")


def _holder(file: Path) -> Holder | None:
    """Who holds a lock, which this looks at without making it."""
    if not file.exists():
        return None
    lock = FileLock(file, timeout=0)
    try:
        if _acquired(lock):
            lock.release()
            return None
    except UserError:  # it is another user's, whose note says whether anybody holds it
        return _note(lock)
    return _note(lock) or Holder("another process", 0, "just now")


def _put_back(settings: Settings, say: Callable[[str], None]) -> None:
    """Puts back what an interrupted restore has replaced; whoever calls has the turn, so that none is under way."""
    if not replacement.is_under_way(settings.home):
        return
    from spotify_graph.local.neo4j import LocalNeo4j

    say(f"A restore was interrupted: what {settings.home} held before is put back")
    with LocalNeo4j(settings).stopped(say):
        replacement.put_back(settings.home)


def _tell_of_other_code(settings: Settings, say: Callable[[str], None]) -> None:
    """Tells where another checkout, whose code differs from this one's, works on the home as well."""
    ours, file = checkout.code(), settings.home / "code.json"
    running = running_up(settings)
    if running and running.code not in {"", ours.digest}:
        say(
            f"warning: {running.who} runs from {running.path} with other code than {ours.path}: each takes in again"
            " what the other judged otherwise; end it, or work from there"
        )
        return
    try:
        before = checkout.Code(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        before = ours
    if before.path != ours.path and before.digest != ours.digest and Path(before.path).is_dir():
        say(
            f"warning: {settings.home} was used from {before.path} before, with other code than {ours.path}: what it"
            " judged otherwise is taken in again; give each checkout a SPOTIFY_GRAPH_HOME of its own, or update one"
        )
    if before != ours or not file.exists():
        write_private(file, json.dumps(asdict(ours)))


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    except PermissionError:
        file = Path(lock.lock_file)
        raise users.denied(file, file.parent) from None
    return True


@contextmanager
def _held(lock: FileLock, who: str) -> Iterator[None]:
    """Says within the block who holds the lock, and then releases it."""
    note = Path(lock.lock_file).with_suffix(".json")
    try:
        code, since = checkout.code(), utc(datetime.now(UTC), "seconds")
        write_private(note, json.dumps(asdict(Holder(who, os.getpid(), since, users.me(), code.path, code.digest))))
        note.chmod(0o644)  # whoever may look into the home may know whom they wait for
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _note(lock: FileLock) -> Holder | None:
    """Who holds a lock; None where that process has not said it yet."""
    try:
        return Holder(**json.loads(Path(lock.lock_file).with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
