"""A diagnosis: what was looked at, whether it is as it should be, and how to mend it where it is not."""

from dataclasses import dataclass
from enum import StrEnum

COLUMNS = ("state", "what", "found", "mend")


class State(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should look at it."""
    PROBLEM = "problem"
    """Something does not work, or will not before long."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found of one thing.

    Attributes:
        what: the thing.
        state: how it is.
        found: what was found, in one line.
        mend: a command or what else mends it; None where nothing is to be done.
    """

    what: str
    state: State
    found: str
    mend: str | None = None


def ok(what: str, found: str) -> Diagnosis:
    """All is well."""
    return Diagnosis(what, State.OK, found)


def warning(what: str, found: str, mend: str) -> Diagnosis:
    """It works, and somebody should look at it."""
    return Diagnosis(what, State.WARNING, found, mend)


def problem(what: str, found: str, mend: str) -> Diagnosis:
    """It does not work, or will not before long."""
    return Diagnosis(what, State.PROBLEM, found, mend)


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
