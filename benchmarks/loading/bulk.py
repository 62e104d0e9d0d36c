"""The contestant `bulk`: `neo4j-admin database import full` of prepared CSV files.

The database must be empty and its server stopped; the files are written before the clock starts, and the start of the
server comes after it stops. The community edition imports without constraints, so these come last, apart.
"""

import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from benchmarks.loading import graph, process, server, staged
from benchmarks.loading.measurement import Measurement, say
from spotify_graph.graph_model import FACTS, NODES, RELATIONSHIPS, GraphTable, NodeType, Property, PropertyType

_ADMIN = "org.neo4j.cli.AdminTool"
_HEAP = "2g"
_LIST = "\x1f"
_TYPES = {
    PropertyType.STRING: "string",
    PropertyType.INTEGER: "long",
    PropertyType.FLOAT: "double",
    PropertyType.BOOLEAN: "boolean",
    PropertyType.ZONED_DATETIME: "datetime",
    PropertyType.STRING_LIST: "string[]",
}


def measure(home: Path, project: Path) -> Measurement:
    """Imports what is staged in the home of the contestant `project` as a new database, then starts its server."""
    files = home / "files"
    files.mkdir(parents=True)
    for table in FACTS:
        _prepare(table, staged.rows(project, table), files)
    say("bulk: the files are prepared")
    neo4j = server.local(home)
    root = home / "neo4j"
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "neo4j.conf").touch()
    named = [f"--nodes={table.label}={files / table.asset}.csv" for table in NODES]
    named += [f"--relationships={edge.type}={files / edge.asset}.csv" for edge in RELATIONSHIPS]
    options = ["--array-delimiter=U+001F", f"--report-file={home / 'import.report'}"]
    command = neo4j.java_command(
        _ADMIN, "database", "import", "full", "neo4j", *named, *options, jvm=(f"-Xmx{_HEAP}",), say=say
    )
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


def _prepare(table: GraphTable, rows: pa.Table, folder: Path) -> None:
    """Writes a table as a CSV file with the tool's header."""
    if isinstance(table, NodeType):
        header = [f"{table.key.name}:ID({table.label})", *map(_header, table.properties)]
    else:
        ends = [f":START_ID({table.start.node.label})", f":END_ID({table.end.node.label})"]
        header = [*ends, *map(_header, table.properties)]
    columns = [_text(column, of) for column, of in zip(rows.columns, table.columns, strict=True)]
    pyarrow.csv.write_csv(pa.table(columns, names=header), folder / f"{table.asset}.csv")


def _header(column: Property) -> str:
    return f"{column.name}:{_TYPES[column.type]}"


def _text(column: pa.ChunkedArray, of: Property) -> pa.ChunkedArray:
    match of.type:
        case PropertyType.STRING_LIST:
            return pc.binary_join(column, _LIST)
        case PropertyType.ZONED_DATETIME:
            # Without a time zone, because Arrow's cast to text is many times slower with one.
            text = column.cast(pa.timestamp("us")).cast(pa.string())
            return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")
        case _:
            return column
