"""What nobody reads any more goes: old manifests, and the versions that they alone name.

A manifest stays for `KEPT` after a newer one was put, and the newest stays. A version stays as long as a manifest does
that names it, and for `KEPT` after it was begun. So neither a reader of a manifest nor a writer who has not put a
version yet loses anything within that time. What the database was given stays, whatever its age, with the versions that
it differs from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spotify_graph import storage
from spotify_graph.lake import manifest
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Version
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.storage import Address

KEPT = timedelta(days=1)
"""Longer than any run takes."""

_VERSION = re.compile(r"(\d{8}T\d{6}\.\d{6})Z-[0-9a-f]{8}")
"""The name of a version, which begins with when it was begun."""


@dataclass(frozen=True)
class Cleaned:
    """What went.

    Attributes:
        manifests: how many manifests.
        versions: how many versions.
        bytes: how large they were.
    """

    manifests: int
    versions: int
    bytes: int


def is_due(lake: Lake, now: datetime) -> bool:
    """Whether there is a manifest that could have gone a day ago."""
    kept = manifest.kept(lake.root)
    return len(kept) > 1 and now - _time(manifest.at(lake.root, int(kept[1].stem)).at) > 2 * KEPT


def clean(lake: Lake, now: datetime, in_database: Iterable[str] = ()) -> Cleaned:
    """Removes what nobody reads any more.

    Args:
        lake: the lake.
        now: the time.
        in_database: the names of the versions that the database was given, or whose names it keeps.
    """
    kept = manifest.kept(lake.root)
    read = [manifest.at(lake.root, int(file.stem)) for file in kept]
    # Each stays for as long as it was the newest, and KEPT.
    old = [file for file, after in zip(kept, read[1:], strict=False) if now - _time(after.at) > KEPT]
    named = {
        (name, version)
        for it in read[len(old) :]
        for name, entry in it.entries.items()
        for version in (entry.latest, entry.active)
        if version
    }
    stays = set(in_database)
    found = [
        (path, (entry, path.name) in named or path.name in stays or now - begun <= KEPT)
        for entry, path, begun in _versions(lake.root)
    ]
    needed = {base for path, is_kept in found if is_kept for base in bases(path)}
    gone = [path for path, is_kept in found if not is_kept and path not in needed]
    size = sum(file.stat().st_size for path in gone for file in storage.files_in(path))
    for file in old:
        file.unlink(missing_ok=True)
    for path in gone:
        storage.remove(path)
        storage.remove_if_empty(path.parent)
    return Cleaned(len(old), len(gone), size)


def _versions(root: Address) -> Iterator[tuple[str, Address, datetime]]:
    """Every version there is: its entry, its folder, and when it was begun."""
    for path in (*root.glob("*/*"), *root.glob("*/*/*")):
        if (known := _VERSION.fullmatch(path.name)) and path.is_dir():
            begun = datetime.strptime(known[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
            yield str(path.parent.relative_to(root)), path, begun


def bases(path: Address) -> Iterator[Address]:
    """The versions whose files a version is made of, and those that a snapshot differs from, one by way of another."""
    with suppress(FileNotFoundError):
        for table in Version.load(path).record.tables.values():
            yield from (path.with_name(version) for version in table.versions)
    while True:
        try:
            snapshot = Snapshot.load(path)
        except FileNotFoundError:
            return
        if snapshot.base is None or not snapshot.revisions:
            return
        path = path.with_name(snapshot.base)
        yield path


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
