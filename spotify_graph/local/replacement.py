"""What is restored takes the place of what a home has, as a whole or not at all.

The new parts are made beside the home's, in a folder `restore-...`. Then a note says that they are put in place of the
former ones, which that folder keeps, and the note goes when all is well: from then on the new ones are the home's.
Where that fails, or the process is killed, the former ones are put back: the next run does that if nobody did before.
"""

import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spotify_graph.local.files import write_private

_FOLDER = "restore-"
_NOTE = "restoring.json"
_NEW, _FORMER = "new", "former"


def is_under_way(home: Path) -> bool:
    """Whether new parts are put in place, or were and nobody has said yet that all is well."""
    return (home / _NOTE).exists()


@contextmanager
def new_folder(home: Path) -> Iterator[Path]:
    """A new folder for the new parts, until the block ends. Those of processes that were killed go.

    Nothing may be under way.
    """
    for stale in home.glob(f"{_FOLDER}*"):
        shutil.rmtree(stale, ignore_errors=True)
    folder = home / f"{_FOLDER}{secrets.token_hex(4)}"
    (folder / _NEW).mkdir(mode=0o700, parents=True)
    try:
        yield folder / _NEW
    finally:
        # What could not be put back is not removed with it.
        if not is_under_way(home):
            shutil.rmtree(folder, ignore_errors=True)


def install(home: Path, new: Path, parts: Sequence[str]) -> None:
    """Puts new parts in place of the former ones, which are kept until it is `done`.

    Args:
        home: the home.
        new: the folder that `new_folder` gave.
        parts: paths of files and folders within both; the new ones are all there.
    """
    write_private(home / _NOTE, json.dumps({"folder": new.parent.name, "parts": list(parts)}))
    for part in parts:
        _move(home / part, new.parent / _FORMER / part)
        _move(new / part, home / part)


def done(home: Path) -> None:
    """Says that all is well: the new parts are the home's."""
    (home / _NOTE).unlink()


def put_back(home: Path) -> None:
    """Puts the former parts back. However often this is interrupted, the next time goes on with it."""
    known: dict[str, Any] = json.loads((home / _NOTE).read_text())
    folder = home / known["folder"]
    for part in known["parts"]:
        if not (folder / _NEW / part).exists():  # it is in the former one's place
            _move(home / part, folder / _NEW / part)
        _move(folder / _FORMER / part, home / part)
    done(home)
    shutil.rmtree(folder, ignore_errors=True)


def _move(path: Path, to: Path) -> None:
    if path.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
