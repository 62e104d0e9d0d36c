"""How a command that runs until it's told to end is told: by Ctrl-C, by SIGTERM, or by the end of its terminal."""

import os
import signal
from contextlib import suppress
from select import select
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Within the block, the first signal asks this process to end, and whatever follows leaves it to end in order.

    Attributes:
        asked: whether there was one.
        at_once: whether the first one raises KeyboardInterrupt, wherever that is; else somebody looks at `asked`.
        awaiting: what the end waits for, for people who ask again.
    """

    def __init__(self) -> None:
        self.asked = False
        self.at_once = True
        self.awaiting = "what is under way"

    def __enter__(self) -> Self:
        # A signal interrupts no wait for a time or a lock in Python, but for what comes out of a pipe.
        self._signalled, self._signal = os.pipe()
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._signalled)
        os.close(self._signal)

    def wait(self, seconds: float) -> None:
        """Waits for the first signal, at most so long."""
        select([self._signalled], [], [], seconds)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            _tell(f"Still stopping, in order: waiting for {self.awaiting}")
            return
        self.asked = True
        os.write(self._signal, b".")
        _tell("Stopping")
        if self.at_once:
            raise KeyboardInterrupt


def _tell(line: str) -> None:
    """Writes a line on stderr, past its buffer, which this may have interrupted."""
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        # The terminal is gone. What else would be said goes nowhere, and is no reason to break off.
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
