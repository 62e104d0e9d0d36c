"""Looks at the landing folder: what directory entries say, from one look to the next. Pure: it reads no file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple

from spotify_graph.landing_folder import Look
from spotify_graph.transforms.landed_files import is_being_written


def settled(now: Mapping[str, Look], before: Mapping[str, Look]) -> set[str]:
    """The files that are complete: unchanged since the look before, or renamed into place after it.

    Args:
        now: every file in the folder by path, those that are being written included.
        before: the same at the look before.
    """
    written_before = {look.identity for name, look in before.items() if is_being_written(name)}

    def was_renamed(look: Look) -> bool:
        # An inode's number is used again for new files. But in a file that is being written, the last change is a
        # write, which sets both times alike; after a rename it is not. A store renames nothing: both are alike there.
        return look.identity in written_before and look.ctime_ns > look.mtime_ns

    return {
        name
        for name, look in now.items()
        if not is_being_written(name) and (before.get(name) == look or was_renamed(look))
    }


def looks_to_json(looks: Mapping[str, Look]) -> str:
    """The looks as a JSON text in ASCII, whatever the files' names."""
    return json.dumps({"looks": {name: astuple(look) for name, look in looks.items()}})


def looks_from_json(text: str | None) -> dict[str, Look]:
    """The looks of a text that `looks_to_json` gave; none where it is another, or there is none."""
    try:
        return {name: look_from(look) for name, look in json.loads(text or "")["looks"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def look_from(values: Sequence[object]) -> Look:
    """A look of the values that it had in JSON.

    Raises:
        ValueError: they are none of a look's.
        TypeError: likewise.
    """
    identity, *numbers = values
    if not isinstance(identity, int | str):
        raise TypeError(f"{identity!r} identifies no file")
    return Look(identity, *(int(str(number)) for number in numbers))
