"""The contestant `bolt`: the bare driver sends prepared batches, and nothing else is timed.

Two threads with a session each create rows in batches of 20,000, sent as columns, times as integers. No claim, no
check, no progress: a failure in between would leave half a graph. Its statements are its own, so that it shows where
the project's cost more. Rows keep the order in which they are staged, so that a batch names few users. The commits take
turns: a commit locks what hangs on the same nodes as the new relationships, and two at once end in a deadlock now and
then.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
from neo4j import Driver, Session
from neo4j.exceptions import TransientError

from benchmarks.loading import graph, process, server, staged
from benchmarks.loading.measurement import Measurement, say
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType, Property, PropertyType
from spotify_graph.settings import Settings

_BATCH_ROWS = 20_000
_COMMIT_S = 120
_SENT = "sent.json"

_commits = threading.Lock()

Columns = dict[str, list[Any]]


def measure(home: Path, project: Path) -> Measurement:
    """Loads what is staged in the home of the contestant `project` into a new database."""
    with server.started(server.local(home)) as pid:
        _, peak_mb = process.run_module("bolt", str(project), server=lambda: pid)
        sent = json.loads((home / _SENT).read_text())
        with server.connected() as driver:
            return Measurement(
                None, sent["write_s"], peak_mb, graph.contents(driver), {"repeated_batches": sent["repeated"]}
            )


def main() -> None:
    """Sends everything; writes in the settings' home how many seconds each table took."""
    project = Path(sys.argv[1])
    prepared = {table.asset: list(_batches(staged.rows(project, table))) for table in FACTS}
    say("bolt: the batches are prepared")
    write_s, repeated = {}, 0
    with server.connected() as driver, ThreadPoolExecutor(2) as threads:
        for table in FACTS:
            began = time.monotonic()
            if isinstance(table, NodeType):
                graph.constrain(driver, table)
            statement = _statement(table)
            batches = prepared[table.asset]
            lanes = (batches[::2], batches[1::2])
            repeated += sum(threads.map(lambda lane: _send(driver, statement, lane), lanes))  # noqa: B023
            write_s[table.asset] = time.monotonic() - began
            say(f"bolt: {table.asset} written in {write_s[table.asset]:.1f} s")
    (Settings.load().home / _SENT).write_text(json.dumps({"write_s": write_s, "repeated": repeated}))


def _send(driver: Driver, statement: str, batches: list[Columns]) -> int:
    """Sends batches one after the other; gives how often one had to be repeated."""
    repeated = 0
    with driver.session() as session:
        for batch in batches:
            while not _create(session, statement, batch):
                repeated += 1
    return repeated


def _create(session: Session, statement: str, batch: Columns) -> bool:
    """Whether the batch is written; if not, another try may succeed."""
    try:
        with session.begin_transaction() as transaction:
            transaction.run(statement, batch).consume()
            if not _commits.acquire(timeout=_COMMIT_S):
                raise UserError(f"bolt: a commit is not done after {_COMMIT_S} s")
            try:
                transaction.commit()
            finally:
                _commits.release()
    except TransientError as error:
        say(f"bolt: a batch is repeated: {error.code}")
        return False
    return True


def _statement(table: GraphTable) -> str:
    if isinstance(table, NodeType):
        ends, first, pattern = "", 0, "(:{} {{{}}})"
        name = table.label
    else:
        ends = "".join(
            f" MATCH ({each}:{end.node.label} {{{end.node.key.name}: $c{i}[i]}})"
            for i, (each, end) in enumerate((("s", table.start), ("e", table.end)))
        )
        first, pattern, name = 2, "(s)-[:{} {{{}}}]->(e)", table.type
    values = ", ".join(f"{column.name}: {_sent(column, i)}" for i, column in enumerate(table.columns[first:], first))
    return f"UNWIND range(0, size($c0) - 1) AS i{ends} CREATE {pattern.format(name, values)}"


def _sent(column: Property, position: int) -> str:
    sent = f"$c{position}[i]"
    return f"datetime({{epochMillis: {sent}}})" if column.type is PropertyType.ZONED_DATETIME else sent


def _batches(rows: pa.Table) -> Iterator[Columns]:
    for start in range(0, rows.num_rows, _BATCH_ROWS):
        batch = rows.slice(start, _BATCH_ROWS)
        yield {f"c{i}": _values(column) for i, column in enumerate(batch.columns)}


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        # Fails on a time that is finer: milliseconds are what the sample logs have.
        column = column.cast(pa.timestamp("ms")).cast(pa.int64())
    return list(column.to_pylist())


if __name__ == "__main__":
    main()
