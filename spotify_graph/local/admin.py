"""`neo4j-admin`, which works on the server's files while the server does not run."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from spotify_graph.errors import UserError
from spotify_graph.local import aot, neo4j_java, store
from spotify_graph.local.files import write_private
from spotify_graph.settings import Settings

_MAIN = "org.neo4j.cli.AdminTool"
_MESSAGE_EVERY_S = 5.0
_IMPORT_OFF_HEAP = "2g"


class Admin:
    """What `neo4j-admin` does with the files of one platform home's server.

    Args:
        settings: the installation's settings.
        root: the server's home.
        heap: the Java heap, in the JVM's notation.
    """

    def __init__(self, settings: Settings, root: Path, heap: str) -> None:
        self._settings = settings
        self._root = root
        self._heap = heap

    def import_full(self, arguments: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
        """Builds the database from files, in a folder of `store.new_folder`; the server may run.

        Args:
            arguments: the import's arguments, which name its files.
            folder: the folder.
            say: told of progress.

        Raises:
            UserError: it fails.
        """
        of_import = (
            *("import", "full", self._settings.neo4j_database, *arguments),
            *(f"--report-file={folder / 'import.report'}", f"--max-off-heap-memory={_IMPORT_OFF_HEAP}"),
        )
        failed = "neo4j-admin did not build the database"
        self._on_data(folder / "data", folder, of_import, failed, "Building the database", say, cache=aot.IMPORT)

    def dump(self, folder: Path, say: Callable[[str], None]) -> Path:
        """Writes all that the database holds into a file in a folder; the server must be `stopped`.

        Raises:
            UserError: it fails.
        """
        store.finish(self._root)
        arguments = ("dump", self._settings.neo4j_database, f"--to-path={folder}")
        failed = "neo4j-admin failed (dumping the database)"
        self._on_data(self._root / "data", folder, arguments, failed, "Dumping the database", say)
        return folder / f"{self._settings.neo4j_database}.dump"

    def load(self, dump: Path, data: Path, say: Callable[[str], None]) -> None:
        """Makes a database of what `dump` wrote, in another folder of data than the server's, which may run.

        Args:
            dump: the file, which is called as the database is.
            data: the folder of data.
            say: told of progress.

        Raises:
            UserError: it fails.
        """
        arguments = ("load", self._settings.neo4j_database, f"--from-path={dump.parent}")
        failed = "neo4j-admin failed (loading the database)"
        self._on_data(data, dump.parent, arguments, failed, "Loading the database", say)

    def set_initial_password(self, password_file: Path, say: Callable[[str], None]) -> None:
        """Gives the server, which is configured, the password that it has from its first start on.

        Args:
            password_file: the file that holds it.
            say: told of the progress of downloading missing jars.

        Raises:
            UserError: it fails.
        """
        # `@file` makes the tool read its argument there: process arguments are everybody's to see.
        arguments = ("dbms", "set-initial-password", f"@{password_file}")
        command = neo4j_java.command(self._settings, _MAIN, *arguments, say=say)
        self._run(command, self._root / "conf", "Neo4j cannot be set up", "set-up.log")

    def _on_data(
        self,
        data: Path,
        folder: Path,
        arguments: Sequence[str],
        failed: str,
        what: str,
        say: Callable[[str], None],
        cache: str | None = None,
    ) -> None:
        """Works on a folder of data, with a configuration of its own in another folder."""
        conf = folder / "conf"
        write_private(conf / "neo4j.conf", f"server.directories.data={data}\n")
        heap = (f"-Xmx{self._heap}",)
        command = neo4j_java.command(self._settings, _MAIN, "database", *arguments, jvm=heap, cache=cache, say=say)
        self._run(command, conf, failed, "admin.log", lambda seconds: say(f"{what} ({seconds:.0f} s)"))
        shutil.rmtree(conf)

    def _run(
        self,
        command: Sequence[str],
        conf: Path,
        failed: str,
        log_name: str,
        tick: Callable[[float], None] = lambda _: None,
    ) -> None:
        log = self._root / "logs" / log_name
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = os.environ | {"NEO4J_HOME": str(self._root), "NEO4J_CONF": str(conf)}
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
            try:
                while process.poll() is None:
                    try:
                        process.wait(_MESSAGE_EVERY_S)
                    except subprocess.TimeoutExpired:
                        tick(time.monotonic() - began)
            finally:
                # It does not go on where this process is interrupted; where it has ended, this does nothing.
                process.kill()
                process.wait()
        if process.returncode:
            raise UserError(f"{failed}: {reason(log.read_text(errors='replace'))} (see {log})")


def reason(output: str) -> str:
    """What a Java program said before it gave up, in one line."""
    noise = ("WARNING:", "Run with '--verbose'", "-----")
    # An import tells at length what it does before it fails.
    last_words = output.rpartition("Command Failed")[2]
    lines = [line.strip() for line in last_words.splitlines() if line.strip() and not line.startswith(noise)]
    return " ".join(lines)[:300] or "it gave no reason"
