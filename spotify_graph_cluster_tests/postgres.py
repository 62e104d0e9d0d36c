"""PostgreSQL as a process of this machine: Debian's package."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, text

from spotify_graph_cluster_tests import containers

_PLACES = Path("/usr/lib/postgresql")
_USER = "postgres"
"""The user of Debian's package: the server refuses to be root's."""


def program(name: str) -> str:
    """Where a program of the server is."""
    known = sorted(_PLACES.glob(f"*/bin/{name}"), reverse=True)
    found = str(known[0]) if known else shutil.which(name)
    assert found, f"there is no {name}: `apt-get install postgresql`"
    return found


@contextmanager
def running(folder: Path, password: str) -> Iterator[int]:
    """A server with the database and the user of compose.yaml; gives its port.

    Args:
        folder: where it has its files; others must be let into the folder above.
        password: the user's.
    """
    environment = containers.SERVICES["postgres"]["environment"]
    root = os.geteuid() == 0
    user = _USER if root else None
    folder.mkdir(mode=0o700)
    secret = folder / "password"
    secret.write_text(password, encoding="utf-8")
    if root:
        shutil.chown(folder, _USER)
        shutil.chown(secret, _USER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def run(command: Sequence[str]) -> None:
        subprocess.run(
            command, user=user, cwd=folder, check=True, capture_output=True, env={"PATH": os.environ["PATH"]}
        )

    name, database = environment["POSTGRES_USER"], environment["POSTGRES_DB"]
    initdb = [program("initdb"), "-D", str(folder / "data"), "-U", name, "--auth=scram-sha-256", "--no-sync"]
    run([*initdb, f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"])
    # Nothing of a test has to outlive a power cut.
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    control = [program("pg_ctl"), "-D", str(folder / "data"), "-w", "-l", str(folder / "log")]
    run([*control, "-o", options, "start"])
    try:
        server = URL.create("postgresql+psycopg2", name, password, "127.0.0.1", port, "postgres")
        engine = create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{database}"'))
        engine.dispose()
        yield port
    finally:
        run([*control, "-m", "immediate", "stop"])
