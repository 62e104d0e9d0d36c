"""The machine's users: who runs this, and what is said to whoever may not open a file of somebody else's home."""

import os
from pathlib import Path

from spotify_graph.errors import UserError
from spotify_graph.settings import name_of


def me() -> str:
    """The user that this process is of, by name where there is one."""
    return name_of(os.geteuid())


def denied(path: Path, home: Path) -> UserError:
    """What to say where this user may not open a file of a home.

    Args:
        path: the file.
        home: the home.
    """
    owner, mine = _owner(path), _owner(home) == os.geteuid()
    if owner in {None, os.geteuid()}:
        return UserError(f"{path} can't be opened (Permission denied): give yourself the right to read and write it")
    whose, advice = name_of(int(owner)), f"`sudo chown -R {me()} {home}` gives it back to you"
    if not mine:
        advice = f"run it as {whose}, or set SPOTIFY_GRAPH_HOME to a home of your own"
    return UserError(f"{path} belongs to {whose}, and you are {me()}: {advice}")


def _owner(path: Path) -> int | None:
    """Who owns a file, or the first folder above it that can be looked at."""
    for it in (path, *path.parents):
        try:
            return it.stat().st_uid
        except OSError:
            continue
    return None
