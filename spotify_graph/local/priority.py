"""Which processes go first where there are fewer cores than work."""

import os

import psutil

_NICENESS = 10
"""Of work that nobody waits for: it gets a tenth of what somebody waits for that wants the same core."""


def step_back() -> None:
    """Has this process give way to all that somebody waits for, and whatever it starts from now on; for good.

    Models are trained for minutes on every core that is there, while the service goes on answering from Neo4j.
    """
    # On Linux a priority is a thread's own: those of linear algebra are there already.
    for thread in psutil.Process().threads():
        os.setpriority(os.PRIO_PROCESS, thread.id, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread.id)))
