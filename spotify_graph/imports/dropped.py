"""Exports that lie where they are looked for: each folder, archive or file is somebody's, and is imported once."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from shlex import quote

from spotify_graph.errors import UsageError
from spotify_graph.imports import opening
from spotify_graph.imports.naming import check_name, own_name
from spotify_graph.imports.opening import BadExport, Unopened

_LOOKED_AT = 50
"""How many files of a folder are looked at to tell whether it is an export."""


@dataclass(frozen=True)
class Dropped:
    """An export.

    Attributes:
        path: where it lies.
        name: whose it is; None where it can't be told.
        fault: why it can't be told, and the command that imports it; or None.
        mark: changes with what lies there.
        known: whether it was imported as it lies there.
    """

    path: Path
    name: str | None
    fault: str | None
    mark: str
    known: bool


def dropped(entries: Iterable[Path], seen: Mapping[str, str]) -> list[Dropped]:
    """Which of these folders and files are exports. What is told by content is looked into only where it is new.

    Args:
        entries: the folders, archives and files.
        seen: what `Seen` holds.
    """
    found = []
    for path in sorted(entries):
        mark = mark_of(path)
        known = seen.get(_key(path)) == mark
        if not known and not _is_export(path):
            continue
        try:
            name = own_name(path)
            check_name(name)
        except UsageError as error:
            # An account in its name is a *, by which a shell finds it.
            shown = "*".join(part and quote(part) for part in opening.without_account(str(path)).split("*"))
            fault = f"{error}: `spotify-graph import {shown} --user NAME`"
            found.append(Dropped(path, None, fault, mark, known))
        else:
            found.append(Dropped(path, name, None, mark, known))
    return found


def mark_of(path: Path) -> str:
    """Changes with the names, sizes and times of the files at a path."""
    digest = sha256()
    for file in sorted(_files(path)):
        try:
            status = file.stat()
        except OSError:
            continue
        digest.update(repr((str(file.relative_to(path.parent)), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [Path(root, name) for root, _, names in os.walk(path) for name in names]


def _is_export(path: Path) -> bool:
    for member in islice(opening.members(path), _LOOKED_AT):
        try:
            if not isinstance(member, Unopened) and opening.recognised(member, opening.start_of(member)):
                return True
        except BadExport:
            continue
    return False


class Seen:
    """What was imported: the mark of each path, neither of which says what it is called."""

    def __init__(self, root: Path) -> None:
        self._path = root / ".seen.json"

    def read(self) -> dict[str, str]:
        """All of them."""
        try:
            found: dict[str, str] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def add(self, path: Path, mark: str) -> None:
        """Remembers one."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self.read() | {_key(path): mark}, indent=0), encoding="utf-8")
        new.replace(self._path)


def _key(path: Path) -> str:
    return sha256(str(path.absolute()).encode(errors="surrogateescape")).hexdigest()[:32]
