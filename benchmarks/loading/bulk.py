"""The contestant `bulk`: `neo4j-admin database import full` of prepared CSV files.

The database must be empty and its server stopped; the files are written before the clock starts, and the start of the
server comes after it stops. The community edition imports without constraints, so these come last, apart.
"""

import os
import time
from pathlib import Path

from benchmarks.loading import graph, process, server, staged
from benchmarks.loading.measurement import Measurement, say
from spotify_graph.graph_model import FACTS, NODES
from spotify_graph.local import neo4j_java
from spotify_graph.neo4j_io import bulk
from spotify_graph.settings import Settings

_ADMIN = "org.neo4j.cli.AdminTool"
_HEAP = "2g"


def measure(home: Path, project: Path) -> Measurement:
    """Imports what is staged in the home of the contestant `project` as a new database, then starts its server."""
    files = home / "files"
    files.mkdir(parents=True)
    prepared = bulk.write_input([(table, staged.snapshot(project, table)) for table in FACTS], files)
    say("bulk: the files are prepared")
    neo4j = server.local(home)
    root = home / "neo4j"
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "neo4j.conf").touch()
    report = f"--report-file={home / 'import.report'}"
    arguments = ("database", "import", "full", "neo4j", *prepared, report)
    command = neo4j_java.command(Settings.load(), _ADMIN, *arguments, jvm=(f"-Xmx{_HEAP}",), say=say)
    environment = os.environ | {"NEO4J_HOME": str(root), "NEO4J_CONF": str(root / "conf")}
    import_s, peak_mb = process.run(command, "bulk", java="import", environment=environment, log=home / "import.log")
    say(f"bulk: imported in {import_s:.1f} s")
    began = time.monotonic()
    with server.started(neo4j), server.connected() as driver:
        start_s = time.monotonic() - began
        for node in NODES:
            graph.constrain(driver, node)
        constraints_s = time.monotonic() - began - start_s
        notes = {"server_start_s_not_counted": round(start_s, 1), "constraints_s_not_counted": round(constraints_s, 1)}
        return Measurement(None, {"import": import_s}, peak_mb, graph.contents(driver), notes)
