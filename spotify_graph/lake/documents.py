"""JSON documents in files, each whole or not at all."""

import json
from typing import Any

from spotify_graph import storage
from spotify_graph.storage import Address


def write(file: Address, value: object, *, private: bool = False) -> None:
    """Writes a document in place of the one that is there, if any; a private one is readable by its owner only."""
    storage.put(file, _text(value), private=private)


def put_if_absent(file: Address, value: object) -> bool:
    """Writes a document unless there is one: of several that do it at once, one succeeds.

    Returns:
        Whether it was written.
    """
    return storage.put_if_absent(file, _text(value))


def read(file: Address) -> Any:
    """A document, or None where there is no such file."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _text(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
