"""Which processes go first where there are fewer cores than work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

NICENESS = 10
"""Of work that nobody waits for: it gets a tenth of what somebody waits for that wants the same core."""


@contextmanager
def stepped_back() -> Iterator[None]:
    """Within the block, this process gives way to all that somebody waits for, and so does whatever it starts.

    After it, too, where this user may not take that back. Models are trained for minutes on every core that is
    there, while the service goes on answering from Neo4j.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    _set(max(NICENESS, before))
    try:
        yield
    finally:
        with suppress(PermissionError):
            _set(before)


def _set(niceness: int) -> None:
    # On Linux a priority is a thread's own: those of linear algebra are there already.
    for thread in psutil.Process().threads():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, thread.id, niceness)
