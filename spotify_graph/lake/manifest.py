"""The manifest: which versions belong together. Each change of the lake is one new manifest, with the next number.

`<root>/_manifests/<number>.json` names for every entry the version that was written last and the active one. What no
manifest names is not there: a version that is being written, or was left half written, is seen by nobody. A manifest is
put where there is none of its number, in one operation, and never changed. So of two writers at once one finds the
number taken, and makes its change anew on what the other left; and a reader who holds a manifest sees the lake as it
was then, for as long as manifests and what they name are kept (`lake.cleaning`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self

from spotify_graph.errors import UserError
from spotify_graph.lake import documents
from spotify_graph.storage import Address
from spotify_graph.times import utc

FOLDER = "_manifests"
"""Where manifests are, within the lake's root."""
OF_EARLIER_VERSION = "intake"
"""What a lake has that has no manifests yet, within its root."""


@dataclass(frozen=True)
class Named:
    """The versions of an entry.

    Attributes:
        latest: the version that was written last.
        active: the version that others are computed from, the last that the gates let through; None if there is none.
    """

    latest: str
    active: str | None


@dataclass(frozen=True)
class Forgotten:
    """A landed file that was taken out on purpose.

    Attributes:
        digest: its last content, which stays out as long as it lies in the landing folder.
        at: when, in ISO 8601 and UTC.
        released: whether that content has left the landing folder since, and would be taken in if it landed again.
    """

    digest: str
    at: str
    released: bool = False


@dataclass(frozen=True)
class Manifest:
    """The lake at one moment.

    Attributes:
        number: how many changes there were.
        at: when it was put, in ISO 8601 and UTC.
        entries: the versions of each entry, by its name.
        forgotten: the landed files that were taken out on purpose, by kind and name, as `kind/name`.
    """

    number: int = 0
    at: str = ""
    entries: Mapping[str, Named] = field(default_factory=dict)
    forgotten: Mapping[str, Forgotten] = field(default_factory=dict)

    def put(self, name: str, version: str, *, holds: bool) -> Self:
        """The manifest with a new version of an entry, which is the active one if its gates let it through."""
        before = self.entries.get(name)
        named = Named(version, version if holds else before.active if before else None)
        return replace(self, entries={**self.entries, name: named})

    def without(self, *names: str) -> Self:
        """The manifest without entries."""
        return replace(self, entries={name: it for name, it in self.entries.items() if name not in names})

    def of(self, asset: str) -> dict[str, Named]:
        """The entries of an asset that is partitioned by landed file, by the files' names, in their order."""
        start = f"{asset}/"
        found = {name.removeprefix(start): it for name, it in self.entries.items() if name.startswith(start)}
        return dict(sorted(found.items()))


def newest(root: Address) -> Manifest:
    """The newest manifest of a lake; one that names nothing where there is none.

    Raises:
        UserError: the lake is of an earlier version, and is to be taken over first.
    """
    numbers = _numbers(root)
    if not numbers and (root / OF_EARLIER_VERSION).is_dir():
        raise UserError(
            f"the lake at {root} is of an earlier version: `spotify-graph materialize` takes it over, and so does"
            " `spotify-graph up`"
        )
    while numbers:
        try:
            return at(root, max(numbers))
        except FileNotFoundError:  # it was old when the folder was listed, and has been removed since
            numbers = _numbers(root)
    return Manifest()


def at(root: Address, number: int) -> Manifest:
    """The manifest of a number.

    Raises:
        FileNotFoundError: it is not kept, or was never put.
    """
    return _read(_file(root, number))


def change(root: Address, make: Callable[[Manifest], Manifest]) -> Manifest:
    """Makes a change of a lake, and gives the manifest that it is in.

    Args:
        root: the lake's root.
        make: makes the change on a manifest; called again where another writer was faster.
    """
    while True:
        before = newest(root)
        after = make(before)
        if after == before:
            return before
        after = replace(after, number=before.number + 1, at=_now())
        if documents.put_if_absent(_file(root, after.number), asdict(after)):
            return after


def first(root: Address, manifest: Manifest) -> None:
    """Puts the first manifest of a lake, unless there is one."""
    documents.put_if_absent(_file(root, 1), asdict(replace(manifest, number=1, at=_now())))


def _now() -> str:
    return utc(datetime.now(UTC), "microseconds")


def kept(root: Address) -> list[Address]:
    """The files of the manifests that are kept, oldest first."""
    return [_file(root, number) for number in sorted(_numbers(root))]


def _numbers(root: Address) -> list[int]:
    return [int(file.stem) for file in (root / FOLDER).glob("[0-9]*.json")]


def _file(root: Address, number: int) -> Address:
    return root / FOLDER / f"{number:012}.json"


@lru_cache(maxsize=32)
def _of_text(text: str) -> Manifest:
    known: dict[str, Any] = json.loads(text)
    return Manifest(
        known["number"],
        known["at"],
        {name: Named(**it) for name, it in known["entries"].items()},
        {name: Forgotten(**it) for name, it in known["forgotten"].items()},
    )


def _read(file: Address) -> Manifest:
    return _of_text(file.read_text(encoding="utf-8"))
