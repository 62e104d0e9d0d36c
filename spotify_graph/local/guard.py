"""Ends a process, and all that it has started, as soon as whoever wants it ends, and however that ends.

A program of its own: `python -m spotify_graph.local.guard LOCK COMMAND...`. Its standard input is a pipe that nobody
writes to, and whose other end its starter holds. It holds the lock file as long as anything of the command may be left.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil
from filelock import FileLock

STOP_SECONDS = 30
"""How long a process may take to end when it's asked to."""
_LINGER_SECONDS = 5


def main(lock: str, *command: str) -> int:
    """Runs the command until it ends, or standard input does. Gives the command's exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, for what is ignored the command would ignore too.
        signal.signal(number, lambda *_: None)
    ends = threading.Event()

    def end_after(what: Callable[[], object]) -> None:
        def wait() -> None:
            what()
            ends.set()

        threading.Thread(target=wait, daemon=True).start()

    with FileLock(lock):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        end_after(process.wait)
        end_after(lambda: os.read(0, 1))
        ends.wait()
        _end(process)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends the process first, which may have its own way to end its children, and then who is left of them."""
    family = _session()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, orphans = psutil.wait_procs([it for it in family if it.pid != process.pid], timeout=_LINGER_SECONDS)
    for orphan in {*orphans, *_session()}:
        _send(orphan, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(_session(), timeout=STOP_SECONDS)
    for orphan in stubborn:
        _send(orphan, signal.SIGKILL)


def _session() -> list[psutil.Process]:
    """The other processes of this session, whoever their parents are: all that the command has started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and os.getsid(process.pid) == os.getsid(0):
                found.append(process)
        except OSError:
            continue
    return [process for process in found if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
