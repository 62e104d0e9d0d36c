"""`neo4j-admin`, which works on the server's files while the server does not run."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from spotify_graph.errors import UserError

MAIN = "org.neo4j.cli.AdminTool"
"""Its main class."""

_MESSAGE_EVERY_S = 5.0


def run(
    what: str, command: Sequence[str], *, home: Path, conf: Path, log: Path, tick: Callable[[float], None] | None = None
) -> None:
    """Runs it to its end.

    Args:
        what: what it means that it fails.
        command: its command line.
        home: the server's home.
        conf: the folder of the configuration.
        log: the file for what it says.
        tick: told every few seconds how many have passed.

    Raises:
        UserError: it fails.
    """
    environment = os.environ | {"NEO4J_HOME": str(home), "NEO4J_CONF": str(conf)}
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
                    if tick:
                        tick(time.monotonic() - began)
        finally:
            # It does not go on where this process is interrupted; where it has ended, this does nothing.
            process.kill()
            process.wait()
    if process.returncode:
        raise UserError(f"{what}: {reason(log.read_text(errors='replace'))} (see {log})")


def reason(output: str) -> str:
    """What a Java program said before it gave up, in one line."""
    noise = ("WARNING:", "Run with '--verbose'", "-----")
    # An import tells at length what it does before it fails.
    last_words = output.rpartition("Command Failed")[2]
    lines = [line.strip() for line in last_words.splitlines() if line.strip() and not line.startswith(noise)]
    return " ".join(lines)[:300] or "it gave no reason"
