"""Runs that lose what they need, in processes of their own."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable
from spotify_graph.settings import Settings
from spotify_graph.storage import Address
from spotify_graph_tests.disturbed import SELECTION

_KEEPER = """
import sys
from spotify_graph.local.spark import Keeper
from spotify_graph.settings import Settings
with Keeper(Settings.load()) as keeper:
    keeper.lend()
    print(keeper._jvm.process.split(":")[0], flush=True)
    sys.stdin.read()
"""
_DISK_BYTES = 4 << 20


@contextmanager
def little_room(folder: Path, room: int) -> Iterator[None]:
    """A folder on a file system of its own that has hardly any room left, with what is in it; the room comes back.

    Where no file system may be mounted, files of the processes that follow may not become larger than the room.

    Args:
        folder: the folder.
        room: how many bytes are left.
    """
    beside = folder.with_name(f"{folder.name}.beside")
    folder.rename(beside)
    folder.mkdir()
    mounted = _mount(folder)
    shutil.copytree(beside, folder, dirs_exist_ok=True)
    if not mounted:
        os.environ[_LIMIT] = str(room)
    else:
        _fill(folder, room)
    try:
        yield
    finally:
        os.environ.pop(_LIMIT, None)
        (folder / "filler").unlink(missing_ok=True)
        shutil.rmtree(beside)
        shutil.copytree(folder, beside)
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)  # noqa: S607
        shutil.rmtree(folder)
        beside.rename(folder)


_LIMIT = "TESTS_FILE_BYTES"


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tests", str(folder)]
    return bool(shutil.which("mount")) and subprocess.run(command, check=False, capture_output=True).returncode == 0


def _fill(folder: Path, room: int) -> None:
    free = shutil.disk_usage(folder).free
    with (folder / "filler").open("wb", buffering=0) as file:
        for _ in range((free - room) // 4096):
            file.write(bytes(4096))


def materialize_where_there_is_no_room() -> None:
    """A run that fails, and says why."""
    from spotify_graph import runs

    if limit := os.environ.get(_LIMIT):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        report = runs.materialize(Settings.load(), SELECTION, lambda _: None, lambda _: None)
        problems = list(report.failures)
    except OSError as error:
        problems = [str(error)]
    assert problems
    told = os.strerror(errno.EFBIG if limit else errno.ENOSPC)
    assert all(told in problem or "left as before" in problem or "needs" in problem for problem in problems), problems


@contextmanager
def kept_jvm(environment: dict[str, str]) -> Iterator[int]:
    """The JVM that a process keeps for runs, by its id."""
    with subprocess.Popen(
        [sys.executable, "-c", _KEEPER],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as keeper:
        assert keeper.stdout
        yield int(keeper.stdout.readline())
        keeper.kill()


def materialize_and_kill(jvm: int) -> None:
    """A run that borrows a JVM, which is killed once tasks are to be run in it."""
    from spotify_graph import runs
    from spotify_graph.resources import jobs

    work = jobs.run

    def killing(session: object, *arguments: object) -> object:
        os.kill(jvm, signal.SIGKILL)
        return work(session, *arguments)  # type: ignore[arg-type]

    jobs.run = killing  # type: ignore[assignment]
    report = runs.materialize(Settings.load(), SELECTION, lambda _: None, lambda _: None)
    assert report.failures
    assert all("Spark's JVM has ended" in line for line in report.failures), report.failures


def build_database(table: GraphTable, path: Address, *, die: bool = False) -> None:
    """Builds the local database of one snapshot; or is killed as soon as neo4j-admin has begun to write it."""
    from spotify_graph.neo4j_io import bulk

    settings = Settings.load()
    if die:
        threading.Thread(
            target=_die_once, args=(settings.home / "neo4j", "import-*/data/databases/*/*"), daemon=True
        ).start()
    with TemporaryDirectory() as folder:
        arguments = bulk.write_input([(table, Snapshot.load(path))], Path(folder))
        LocalNeo4j(settings, heap="512m").import_database(arguments, lambda _: None)


def _die_once(folder: Path, there: str) -> None:
    while not any(folder.glob(there)):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
