"""Waiting, and saying what is going on."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime


def until(condition: Callable[[], bool], seconds: float, *, often: float = 0.5) -> bool:
    """Waits until a condition holds; whether it does after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(often)
    return True


def say(line: str) -> None:
    """Says what happens now."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
