"""Whose an export is: what a person calls it says so, what a service calls it does not."""

import re
from collections.abc import Collection
from pathlib import Path

from spotify_graph.errors import UsageError
from spotify_graph.imports import opening

# What services and their downloads call files and folders: no names of people.
_OF_A_SERVICE = re.compile(
    r"my[ _-]?(spotify[ _-]?)?data.*|spotify.*|listenbrainz.*|last\.?fm.*|listens|stream\w*[ _-]?history.*|endsong.*"
    r"|scrobbles.*|recent ?tracks.*|your ?library.*|feedback|\d{1,4}|extended.*|account ?data.*",
    re.IGNORECASE,
)
_LONGEST = 64


def check_name(name: str, placeholders: Collection[str] = ()) -> None:
    """Checks that a person's name may be a user's id.

    Raises:
        UsageError: it may not.
    """
    if not name.strip() or name != name.strip() or not name.isprintable() or name in placeholders:
        raise UsageError(f"{name!r} is no name for a user: take one of visible characters, and say it with --user")
    if len(name.encode()) > _LONGEST:
        raise UsageError(f"{name!r} is longer than {_LONGEST} bytes: take a shorter name, and say it with --user")


def is_of_a_service(path: Path) -> bool:
    """Whether a folder or file is called what a service calls its downloads."""
    return _OF_A_SERVICE.fullmatch(_stem(path)) is not None


def own_name(path: Path) -> str:
    """The person that a folder, an archive or a file is named after.

    Raises:
        UsageError: it isn't named after anybody.
    """
    name = _stem(path.absolute())
    if not name or is_of_a_service(path.absolute()):
        raise UsageError(
            f"{opening.without_account(path.name)}: say whose it is with --user NAME, or put it into a folder so named"
        )
    return name


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else re.sub(r"(\.[A-Za-z]+)+\Z", "", path.name)
