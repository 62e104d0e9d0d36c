"""What a JSON answer looks like, whichever command gives it."""

import re
from typing import Any

_KEY = re.compile(r"[a-z][a-z0-9_]*")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def misspelt(value: Any) -> str | None:
    """The first key that is not in snake case, or time that is not ISO 8601 with a Z; None where there is none."""
    match value:
        case dict():
            inner = [key for key in value if not _KEY.fullmatch(key)] + [misspelt(it) for it in value.values()]
        case list():
            inner = [misspelt(it) for it in value]
        case str() if _TIME.fullmatch(value) and not _UTC.fullmatch(value):
            inner = [value]
        case _:
            inner = []
    return next((fault for fault in inner if fault), None)
