"""The doctor's look at the lake: whether what its manifest names is there, whole, and says how many rows it has."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote

from spotify_graph import storage
from spotify_graph.care.diagnosis import Diagnosis, ok, problem, reason, warning
from spotify_graph.errors import UserError
from spotify_graph.lake import cleaning, manifest, people
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.manifest import Manifest
from spotify_graph.lake.versions import Version
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.settings import Settings
from spotify_graph.storage import Address

_NAMED = 3
"""How many versions are named."""
_RESTORE = "spotify-graph restore FILE --replace (a backup)"


@dataclass(frozen=True)
class _Broken:
    """A version that is not as it should be.

    Attributes:
        entry: the entry of the lake.
        path: its folder.
        why: what is wrong with it.
    """

    entry: str
    path: Address
    why: str

    @property
    def mend(self) -> str:
        """What mends it: what is computed from landed files is computed anew, and those can't be."""
        if self.entry.startswith("graph/"):
            return "spotify-graph reconcile (it is staged anew)"
        if "/" in self.entry:
            return _RESTORE
        return f"rm -rf {quote(str(self.path))}, and then spotify-graph reconcile (it is computed anew)"


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Looks at the newest manifest, and at every version that it names."""
    root = settings.lake
    if not root.is_dir() or not any(root.iterdir()):
        yield warning("lake", f"there is none in {root} yet", "spotify-graph materialize")
        return
    now = None
    try:
        now = manifest.newest(root)
    except UserError as error:  # it is of an earlier version
        yield warning("lake", str(error), "spotify-graph materialize")
    except Exception as error:  # noqa: BLE001 whatever it holds
        yield _broken_manifest(root, error)
    if now is None:
        return
    if not now.entries:
        yield warning("lake", f"its manifest in {root} names nothing", "spotify-graph materialize")
        return
    named = sorted(
        {(entry, it) for entry, versions in now.entries.items() for it in (versions.latest, versions.active) if it}
    )
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda it: _examined(root, *it), named))
    broken = [it for it in found if it]
    whole = len(named) - len(broken)
    yield ok(
        "lake", f"manifest {now.number} of {now.at}: {whole:,} of the {len(named):,} versions that it names are whole"
    )
    for it in broken[:_NAMED]:
        yield problem("lake", f"{it.entry}, version {it.path.name}: {it.why}", it.mend)
    if len(broken) > _NAMED:
        yield problem("lake", f"{len(broken) - _NAMED:,} more versions are not whole", "as of those above")
    if people.leaving(root):
        yield warning("lake", "somebody is being forgotten, which was interrupted", "spotify-graph materialize")
    if cleaning.is_due(Lake(root), datetime.now(UTC)):
        yield warning("lake", "old versions were not removed for more than a day", "spotify-graph materialize")


def _broken_manifest(root: Address, error: Exception) -> Diagnosis:
    found = f"the newest manifest can't be read: {reason(error)}"
    with suppress(Exception):
        *before, newest = manifest.kept(root)
        found = f"{newest} can't be read: {reason(error)}"
        if before:
            former = manifest.at(root, int(before[-1].stem))
            instead = f"rm {quote(str(newest))} (the lake is as of {former.at} then)"
            return problem("lake", found, f"{_RESTORE}, or {instead}")
    return problem("lake", found, _RESTORE)


def _examined(root: Address, entry: str, name: str) -> _Broken | None:
    path = root / entry / name
    try:
        version = Version.load(path)
        files, rows = version.files, version.rows
        if entry.startswith("graph/"):
            snapshot = Snapshot.load(path)
            if snapshot.rows != rows:
                return _Broken(entry, path, f"its record says {rows:,} rows, its snapshot {snapshot.rows:,}")
            files, rows = ([], 0) if snapshot.revisions else (snapshot.paths(), snapshot.rows)
        for table in version.record.tables.values():
            for file in (*table.files, *table.changes):
                storage.metadata(path.parent / file)
        there = sum(storage.metadata(it).num_rows for it in files)
        return _Broken(entry, path, f"it has {there:,} rows of {rows:,}") if files and there != rows else None
    except FileNotFoundError as error:
        return _Broken(entry, path, reason(error))
    except Exception as error:  # noqa: BLE001 whatever files hold
        return _Broken(entry, path, f"{reason(error)} ({type(error).__name__})")


def read(settings: Settings) -> Manifest | None:
    """The newest manifest, or None where it can't be read."""
    with suppress(Exception):
        return manifest.newest(settings.lake)
    return None
