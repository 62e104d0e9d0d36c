"""What can go wrong between rows and the database, apart from the errors that the driver raises itself."""

from collections.abc import Iterable, Sequence
from enum import Enum, auto

EXAMPLES = 5
"""How many rows at fault an error names at most."""

_SHOWN = 80


class At(Enum):
    """What of a connection is at fault."""

    ADDRESS = auto()
    TLS = auto()
    CERTIFICATE = auto()
    USER = auto()
    DATABASE = auto()


class ServerError(Exception):
    """The server can't be reached, or does not let us in.

    Attributes:
        at: what to look at.
    """

    def __init__(self, at: At, problem: str) -> None:
        self.at = at
        super().__init__(problem)


class StagingError(Exception):
    """Rows do not fit their table: nothing was staged, nothing was written.

    Attributes:
        asset: whose data it is.
        examples: the keys of up to five rows at fault.
    """

    def __init__(self, asset: str, problem: str, examples: Iterable[Sequence[object]] = ()) -> None:
        self.asset = asset
        self.examples = [tuple(example) for example in examples]
        super().__init__(f"{asset}: {problem}{shown(self.examples)}")


class PublicationError(Exception):
    """A publication can't continue. What it has written stays, and the next publication of the asset puts it right.

    Attributes:
        asset: whose publication it is.
        examples: the keys of up to five rows at fault.
    """

    def __init__(self, asset: str, problem: str, examples: Iterable[Sequence[object]] = (), advice: str = "") -> None:
        self.asset = asset
        self.examples = [tuple(example) for example in examples]
        super().__init__(f"{asset}: {problem}{shown(self.examples)}{advice and f'; {advice}'}")


class EndsMissingError(PublicationError):
    """Relationships can't be written, because nodes that the ledger says are published aren't there."""


def shown(examples: Sequence[Sequence[object]]) -> str:
    """Lists keys for a message, on one line and none at length."""
    if not examples:
        return ""
    return ", e.g. " + ", ".join("-".join(_short(value) for value in example) for example in examples)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
