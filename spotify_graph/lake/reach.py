"""What of a lake is needed to go on from one manifest: the versions that it names, and those that the database has.

With each go those whose files it is made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from spotify_graph import storage
from spotify_graph.lake import indexes, manifest
from spotify_graph.lake.cleaning import bases
from spotify_graph.lake.lake import Lake
from spotify_graph.parts import SPOOL
from spotify_graph.storage import Address


def files(lake: Lake, in_database: Collection[str] = ()) -> Iterator[Address]:
    """The files that a lake needs which has one manifest, the pinned one, and no history.

    Args:
        lake: the lake, pinned; nobody changes it meanwhile.
        in_database: the names of the versions that the database was given, or whose names it keeps.

    Raises:
        FileNotFoundError: a version is lost that the manifest names.
    """
    root, now = lake.root, lake.manifest
    yield next(file for file in manifest.kept(root) if int(file.stem) == now.number)
    for folder in storage.matching(root, "_*"):
        if folder.is_dir() and folder.name not in {manifest.FOLDER, SPOOL}:
            yield from _files(folder)
    for folder in sorted(_versions(lake, in_database), key=str):
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no version {folder.name} in {folder.parent}")
        yield from _files(folder)


def _versions(lake: Lake, in_database: Collection[str]) -> set[Address]:
    root = lake.root
    named = {
        root / entry / version
        for entry, versions in lake.manifest.entries.items()
        for version in (versions.latest, versions.active)
        if version
    }
    given = {path for name in in_database for pattern in ("*", "*/*") for path in root.glob(f"{pattern}/{name}")}
    found = named | given
    return found | {base for path in found for base in bases(path)}


def _files(folder: Address) -> Iterator[Address]:
    """A folder's files but for indexes, which are made anew when they are asked for."""
    return (path for path in sorted(storage.files_in(folder), key=str) if path.parent.name != indexes.FOLDER)
