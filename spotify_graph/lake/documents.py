"""JSON documents in files, each whole or not at all."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4


def write(file: Path, value: object, *, private: bool = False) -> None:
    """Writes a document in place of the one that is there, if any; a private one is readable by its owner only."""
    new = _written_beside(file, value, 0o600 if private else 0o666)
    new.replace(file)


def put_if_absent(file: Path, value: object) -> bool:
    """Writes a document unless there is one: of several that do it at once, one succeeds.

    An object store has the same, as a conditional put.

    Returns:
        Whether it was written.
    """
    new = _written_beside(file, value)
    try:
        os.link(new, file)
    except FileExistsError:
        return False
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
    return True


def read(file: Path) -> Any:
    """A document, or None where there is no such file."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _written_beside(file: Path, value: object, mode: int = 0o666) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{uuid4().hex[:8]}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as opened:
        opened.write(json.dumps(value, indent=1, ensure_ascii=False))
    return new
