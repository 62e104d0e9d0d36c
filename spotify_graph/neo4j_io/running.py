"""Where work on a table's parts is done: in this process, or wherever the caller wants it done."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


class Runner(Protocol):
    """Does one task for each part."""

    def __call__(self, task: Callable[[_T], _R], parts: Sequence[_T], /) -> list[_R]:
        """Returns the task's results in the order of the parts.

        Args:
            task: may run in another process, more than once for the same part; only one result of each part counts.
                It can be pickled if the caller's parts can.
            parts: what the task is given, one at a time.
        """


def in_process(task: Callable[[_T], _R], parts: Sequence[_T], /) -> list[_R]:
    """Does one part after the other, here."""
    return [task(part) for part in parts]
