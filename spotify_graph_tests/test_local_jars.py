"""Fetching locked jars, from a repository that the test serves itself."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jgo.env import LockedDependency, LockFile

from spotify_graph.errors import UserError
from spotify_graph.local import jars

PATHS = ["org/one/one/1.0/one-1.0.jar", "org/two/sub/two/2.0/two-2.0-linux.jar", "org/one/three/3/three-3.jar"]


class Repository:
    """A Maven repository on this machine, that can misbehave.

    Attributes:
        files: what it holds, by path.
        asked: the paths that were asked for.
        cut: the paths that break off in the middle.
        stall: the paths whose second half is kept back until `resume` is set.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {path: path.encode() * 10_000 for path in PATHS}
        self.asked: list[str] = []
        self.cut: set[str] = set()
        self.stall: set[str] = set()
        self.stalled, self.resume = threading.Event(), threading.Event()
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                repository.asked.append(path)
                body = repository.files.get(path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                half = len(body or b"") // 2
                self.wfile.write((body or b"")[:half])
                if path in repository.stall:
                    repository.stalled.set()
                    repository.resume.wait(60)
                if path not in repository.cut:
                    self.wfile.write((body or b"")[half:])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.remote = {"test": f"http://127.0.0.1:{self.server.server_port}"}


@pytest.fixture
def repository() -> Iterator[Repository]:
    repository = Repository()
    thread = threading.Thread(target=repository.server.serve_forever, args=(0.05,))
    thread.start()
    yield repository
    repository.resume.set()
    repository.server.shutdown()
    repository.server.server_close()
    thread.join()


@pytest.fixture
def lock(tmp_path: Path, repository: Repository) -> Path:
    def sha(path: str) -> str:
        return hashlib.sha256(repository.files[path]).hexdigest()

    locked = [
        LockedDependency("org.one", "one", "1.0", sha256=sha(PATHS[0])),
        LockedDependency("org.two.sub", "two", "2.0", classifier="linux", sha256=sha(PATHS[1])),
        LockedDependency("org.one", "three", "3", sha256=sha(PATHS[2])),
    ]
    LockFile(locked).save(tmp_path / "lock.toml")
    return tmp_path / "lock.toml"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "a cache" / "jars"


def cached(cache: Path) -> dict[str, bytes]:
    """The files of a cache, except the lock that processes take turns with."""
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in cache.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_the_jars_come_in_the_order_of_the_lock(repository: Repository, lock: Path, cache: Path) -> None:
    said: list[str] = []
    found = jars.fetch(lock, said.append, cache=cache, repositories=repository.remote)
    assert found == [cache / path for path in PATHS]
    assert cached(cache) == repository.files
    assert said[0].startswith("3 of 3 jars")
    assert said[-1] == "Downloaded 3 of 3 jars, 1 MB"


def test_a_full_cache_is_used_without_the_network(repository: Repository, lock: Path, cache: Path) -> None:
    first = jars.fetch(lock, cache=cache, repositories=repository.remote)
    repository.asked.clear()
    said: list[str] = []
    assert jars.fetch(lock, said.append, cache=cache, repositories=repository.remote) == first
    assert repository.asked == said == []


def test_only_what_is_missing_is_downloaded(repository: Repository, lock: Path, cache: Path) -> None:
    jars.fetch(lock, cache=cache, repositories=repository.remote)
    (cache / PATHS[1]).unlink()
    repository.asked.clear()
    jars.fetch(lock, cache=cache, repositories=repository.remote)
    assert [path for path in repository.asked if path.endswith(".jar")] == [PATHS[1]]


def test_a_jar_with_another_checksum_is_refused_and_named(repository: Repository, lock: Path, cache: Path) -> None:
    right, repository.files[PATHS[1]] = repository.files[PATHS[1]], b"another jar"
    with pytest.raises(UserError, match=r"^two-2.0-linux.jar \(org.two.sub\) has the SHA-256 [^\n]*$"):
        jars.fetch(lock, cache=cache, repositories=repository.remote)
    assert PATHS[1] not in cached(cache)
    repository.files[PATHS[1]] = right
    jars.fetch(lock, cache=cache, repositories=repository.remote)
    assert cached(cache) == repository.files


def test_a_cached_jar_that_was_changed_is_refused_once(repository: Repository, lock: Path, cache: Path) -> None:
    jars.fetch(lock, cache=cache, repositories=repository.remote)
    # The same size and the same time: only its content gives it away.
    changed = cache / PATHS[0]
    times = changed.stat()
    changed.write_bytes(bytes(times.st_size))
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(UserError, match=r"^one-1.0.jar \(org.one\)"):
        jars.fetch(lock, cache=cache, repositories=repository.remote)
    jars.fetch(lock, cache=cache, repositories=repository.remote)
    assert cached(cache) == repository.files


def test_a_download_that_breaks_off_is_not_taken_for_a_whole_jar(
    repository: Repository, lock: Path, cache: Path
) -> None:
    repository.cut = {PATHS[0]}
    with pytest.raises(UserError, match=r"^one-1.0.jar \(org.one\) is not in the cache and cannot be downloaded"):
        jars.fetch(lock, cache=cache, repositories=repository.remote)
    assert PATHS[0] not in cached(cache)
    repository.cut = set()
    jars.fetch(lock, cache=cache, repositories=repository.remote)
    assert cached(cache) == repository.files


def test_a_process_that_is_killed_while_it_downloads_leaves_a_clean_cache(
    repository: Repository, lock: Path, cache: Path
) -> None:
    repository.stall = {PATHS[0]}
    code = (
        "import sys; from pathlib import Path; from spotify_graph.local import jars\n"
        "jars.fetch(Path(sys.argv[1]), cache=Path(sys.argv[2]), repositories={'test': sys.argv[3]})"
    )
    with subprocess.Popen([sys.executable, "-c", code, lock, cache, repository.remote["test"]]) as process:
        assert repository.stalled.wait(60)
        process.send_signal(signal.SIGKILL)
    assert not (cache / PATHS[0]).exists()
    repository.resume.set()
    assert jars.fetch(lock, cache=cache, repositories=repository.remote) == [cache / path for path in PATHS]
    assert cached(cache) == repository.files


def test_two_that_fetch_at_once_download_each_jar_once(repository: Repository, lock: Path, cache: Path) -> None:
    def fetch(_: int) -> list[Path]:
        return jars.fetch(lock, cache=cache, repositories=repository.remote)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(fetch, range(2))) == [[cache / path for path in PATHS]] * 2
    assert sorted(path for path in repository.asked if path.endswith(".jar")) == sorted(PATHS)


def test_without_a_network_a_missing_jar_is_one_clear_line(repository: Repository, lock: Path, cache: Path) -> None:
    jars.fetch(lock, cache=cache, repositories=repository.remote)
    (cache / PATHS[2]).unlink()
    nobody = {"test": "http://127.0.0.1:1"}
    with pytest.raises(
        UserError, match=r"^three-3.jar \(org.one\) is not in the cache [^\n]* check the network[^\n]*$"
    ):
        jars.fetch(lock, cache=cache, repositories=nobody)


def test_a_cache_that_cannot_be_written_is_named(repository: Repository, lock: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^the jar cache .*file/jars cannot be used"):
        jars.fetch(lock, cache=tmp_path / "file" / "jars", repositories=repository.remote)


@pytest.mark.parametrize("lock_file", jars.ROOTS)
def test_every_locked_jar_has_a_checksum_and_the_roots_are_locked(lock_file: Path) -> None:
    locked = LockFile.load(lock_file).dependencies
    assert all(jar.sha256 and len(jar.sha256) == 64 for jar in locked)
    assert set(jars.ROOTS[lock_file]) <= {f"{jar.groupId}:{jar.artifactId}:{jar.version}" for jar in locked}
