"""From which checkout a process runs, and which code that is: said where several checkouts meet in one home."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from spotify_graph.settings import PACKAGE


@dataclass(frozen=True)
class Code:
    """The code that a process runs.

    Attributes:
        path: the checkout, or where a wheel is installed.
        digest: changes with every file of it.
    """

    path: str
    digest: str


@cache
def code() -> Code:
    """The code of this process, as it was when this was asked for first."""
    digest = sha256()
    for file in sorted(PACKAGE.rglob("*")):
        if file.suffix in {".py", ".cypher"}:
            digest.update(str(file.relative_to(PACKAGE)).encode() + b"\0" + file.read_bytes() + b"\0")
    return Code(str(PACKAGE.parent), digest.hexdigest()[:16])
