"""Java archives: locked by coordinates and SHA-256 in a committed file, fetched from there into the user's cache.

`python -m spotify_graph.local.jars` resolves the coordinates in `ROOTS` and writes the lock files anew.
"""

import hashlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import platformdirs
import requests
from filelock import FileLock
from jgo.env import LockedDependency, LockFile
from jgo.maven import Artifact, MavenContext, PythonResolver

from spotify_graph.errors import UserError

NEO4J = Path(__file__).with_name("neo4j.lock.toml")
"""The lock file of the Neo4j server, its administration tools and Neo4j Browser."""

ROOTS = {
    NEO4J: (
        "org.neo4j:neo4j:2026.08.1",
        "org.neo4j.app:neo4j-server:2026.08.1",
        "org.neo4j.client:neo4j-browser:5.24.0",
    ),
}
"""What each lock file is resolved from, as group:artifact:version."""

_THREADS = 16
_TIMEOUT_S = 60
_ATTEMPTS = 3
_MESSAGE_EVERY_S = 2.0


def default_cache() -> Path:
    """Where fetched jars are kept, laid out as in a Maven repository."""
    return platformdirs.user_cache_path("spotify-graph") / "jars"


def fetch(
    lock: Path,
    say: Callable[[str], None] | None = None,
    *,
    cache: Path | None = None,
    repositories: dict[str, str] | None = None,
) -> list[Path]:
    """Gives the jars of a lock file, in its order, downloading those that are not in the cache.

    Every jar is checked against its SHA-256, a cached one too. With a full cache no network is touched. A jar enters
    the cache whole and checked, by a rename, so that neither an interruption nor another process leaves half of one.

    Args:
        lock: a lock file in jgo's format.
        say: told of the progress of a download, every few seconds.
        cache: the folder of the cache; None means `default_cache()`.
        repositories: the Maven repositories to download from, by name; None means jgo's own default.

    Raises:
        UserError: a jar differs from its SHA-256 (it is removed, so that the next try starts clean), it cannot be
            downloaded, or the cache cannot be written.
    """
    cache = cache or default_cache()
    say = say or (lambda _: None)
    locked = LockFile.load(lock).dependencies
    try:
        missing = _missing(locked, cache)
        if missing:
            say(f"{len(missing)} of {len(locked)} jars have to be downloaded to {cache}")
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / ".lock"):
                # The process that held the lock before may have brought them.
                _download(_missing(missing, cache), cache, repositories, say)
    except OSError as error:
        raise UserError(
            f"the jar cache {cache} cannot be used ({error.strerror or error}): make it writable"
        ) from error
    return [_path(jar, cache) for jar in locked]


def lock(coordinates: Iterable[str], path: Path) -> None:
    """Resolves Maven coordinates with all that they need at run time, and writes the lock file.

    Args:
        coordinates: each as group:artifact:version.
        path: the lock file.
    """
    with tempfile.TemporaryDirectory() as repository:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(repository), timeout=_TIMEOUT_S)
        roots, others = context.resolver.resolve([context.create_dependency(each) for each in coordinates])
        jars = [*roots, *(each for each in others if each.scope in {"compile", "runtime"})]
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(lambda jar: jar.artifact.resolve(), jars))
        LockFile.from_resolved_dependencies(jars).save(path)


def _artifact(jar: LockedDependency, repository: Path, remote: dict[str, str] | None = None) -> Artifact:
    context = MavenContext(repo_cache=repository, remote_repos=remote, timeout=_TIMEOUT_S)
    component = context.project(jar.groupId, jar.artifactId).at_version(jar.version)
    return component.artifact(jar.classifier or "", jar.packaging)


def _path(jar: LockedDependency, repository: Path) -> Path:
    artifact = _artifact(jar, repository)
    return repository / artifact.component.path_prefix / artifact.cached_filename


def _missing(jars: list[LockedDependency], cache: Path) -> list[LockedDependency]:
    """Gives the jars that are not in the cache, and verifies those that are."""

    def is_missing(jar: LockedDependency) -> bool:
        path = _path(jar, cache)
        if not path.exists():
            return True
        _verify(jar, path)
        return False

    with ThreadPoolExecutor(_THREADS) as threads:
        return [jar for jar, missing in zip(jars, threads.map(is_missing, jars), strict=True) if missing]


def _verify(jar: LockedDependency, path: Path) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != jar.sha256:
        path.unlink(missing_ok=True)
        raise UserError(
            f"{path.name} ({jar.groupId}) has the SHA-256 {actual} where {jar.sha256} is locked: "
            "it is removed, try again; if it differs again, do not trust where it comes from"
        )


def _download(
    jars: list[LockedDependency], cache: Path, repositories: dict[str, str] | None, say: Callable[[str], None]
) -> None:
    # In the cache's own file system, where a rename is atomic; what an interrupted process left there goes.
    incoming = cache / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    stop = threading.Event()

    def bring(jar: LockedDependency) -> int:
        if stop.is_set():
            return 0
        new, path = _resolve(jar, incoming, repositories), _path(jar, cache)
        _verify(jar, new)
        size = new.stat().st_size
        path.parent.mkdir(parents=True, exist_ok=True)
        new.replace(path)
        return size

    size, said = 0, time.monotonic()
    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            for done, brought in enumerate(as_completed([threads.submit(bring, jar) for jar in jars]), 1):
                size += brought.result()
                if time.monotonic() - said > _MESSAGE_EVERY_S or done == len(jars):
                    said = time.monotonic()
                    say(f"Downloaded {done} of {len(jars)} jars, {size / 1e6:.0f} MB")
        finally:
            stop.set()
    shutil.rmtree(incoming, ignore_errors=True)


def _resolve(jar: LockedDependency, repository: Path, repositories: dict[str, str] | None) -> Path:
    artifact = _artifact(jar, repository, repositories)
    for _ in range(_ATTEMPTS):
        # jgo writes as it reads, and takes what is there for a whole jar.
        _path(jar, repository).unlink(missing_ok=True)
        try:
            return artifact.resolve()
        except (requests.RequestException, RuntimeError) as error:
            failure = error
    raise UserError(
        f"{artifact.filename} ({jar.groupId}) is not in the cache and cannot be downloaded "
        f"({type(failure).__name__}): check the network and try again"
    ) from failure


if __name__ == "__main__":
    for lock_path, lock_roots in ROOTS.items():
        lock(lock_roots, lock_path)
