"""A reconciliation: the graph is read back, compared with the lake table by table, and mended where it differs.

It is the job that the schedule `hourly_reconciliation` runs, run now; what is told here is what its checks found.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster import ExecuteInProcessResult

from spotify_graph import runs
from spotify_graph.automation.jobs import reconcile as job
from spotify_graph.checks.gates import BY_TABLE, UNTOUCHED
from spotify_graph.errors import UserError
from spotify_graph.graph_model import FACTS, TABLES
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.preparation import prepare
from spotify_graph.local import locks
from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.ledger import Publication, Status
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.resources.neo4j import connect
from spotify_graph.run_report import RunReport
from spotify_graph.settings import Settings

COLUMNS = ("table", "rows", "found", "done", "equal")


@dataclass(frozen=True)
class TableReport:
    """What a reconciliation found of a table, and did about it.

    Attributes:
        table: the asset that publishes it.
        before: how the ledger had it before; None where it was not there.
        rows: how many rows are published now.
        missing: how many of them somebody else had deleted.
        changed: how many somebody else had changed.
        foreign: how many rows somebody else had added.
        kept: how many of somebody else's rows there are now.
        inserted: how many rows were written that were not there.
        updated: how many were changed.
        deleted: how many were deleted.
        equal: whether the database was read back in the end, and found to hold what is published.
    """

    table: str
    before: Status | None
    rows: int
    missing: int
    changed: int
    foreign: int
    kept: int
    inserted: int
    updated: int
    deleted: int
    equal: bool

    @property
    def record(self) -> dict[str, Any]:
        """For a table: what was found and done in words."""
        found = [
            "not published" if self.before is None else "" if self.before is Status.PUBLISHED else str(self.before),
            *_counted(missing=self.missing, changed=self.changed, foreign=self.foreign),
        ]
        done = _counted(inserted=self.inserted, changed=self.updated, deleted=self.deleted, kept=self.kept)
        return {
            "table": self.table,
            "rows": self.rows,
            "found": ", ".join(filter(None, found)) or "as published",
            "done": ", ".join(done) or "nothing",
            "equal": self.equal,
        }


def _counted(**numbers: int) -> list[str]:
    return [f"{number:,} {what}" for what, number in numbers.items() if number]


@dataclass(frozen=True)
class Reconciliation:
    """What a reconciliation came to.

    Attributes:
        tables: the report of each table that is published, in the graph model's order.
        run: how its run ended.
    """

    tables: Sequence[TableReport]
    run: RunReport

    @property
    def is_equal(self) -> bool:
        """Whether graph and lake are equal in the end, and nothing went wrong."""
        return not self.run.failures and all(table.equal for table in self.tables)


def reconcile(
    settings: Settings,
    say: Callable[[str], None],
    working: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Reconciliation:
    """Compares every published table of the graph with the lake, and mends what differs.

    What has been taken in since, and is not published yet, is published as well. Where another run of this home is
    under way, this waits for it.

    Args:
        settings: the installation's settings.
        say: told a line for each asset that is done.
        working: told what is being worked on now.
        progress: told how many assets are done, and of how many.

    Raises:
        UserError: the lake holds nothing; Neo4j does not answer.
    """
    with locks.turn(settings, "`spotify-graph reconcile`", say):
        prepare(settings.lake, say)
        if not Lake(settings.lake).manifest.entries:
            raise UserError(f"there is nothing in the lake at {settings.lake}: `spotify-graph materialize` first")
        _disown_lost(settings, say)
        before, began = _entries(settings, say), datetime.now(UTC)
        result, report = runs.run_job(settings, job.name, say, working, progress)
        after = _entries(settings, say)
    found = _found(result)
    return Reconciliation(
        [
            _table(asset, before.get(asset), after.get(asset), began, found.get(asset, {}), report.written)
            for asset in TABLES
            if asset in after or asset in {table.asset for table in FACTS}
        ],
        report,
    )


def _disown_lost(settings: Settings, say: Callable[[str], None]) -> None:
    """Puts tables out of sync whose published snapshots are lost: else the same content would count as published."""
    with connect(settings, say) as driver, driver.session(database=settings.neo4j_database) as session:
        for asset, entry in ledger.read(driver, settings.neo4j_database).items():
            try:
                Snapshot.load(settings.lake / "graph" / asset / entry.version)
            except FileNotFoundError as error:
                if entry.status is Status.PUBLISHED and ledger.verify(session, entry, equal=False):
                    say(f"{asset}: {error}; it is staged anew, and compared with every row of the graph")


def _entries(settings: Settings, say: Callable[[str], None]) -> Mapping[str, Publication]:
    with connect(settings, say) as driver:
        return ledger.read(driver, settings.neo4j_database)


def _found(result: ExecuteInProcessResult) -> dict[str, Counter[str]]:
    """For each table, how many rows were missing, changed and added: what all its checks found together."""
    found: dict[str, Counter[str]] = {}
    for evaluation in result.get_asset_check_evaluations():
        if evaluation.check_name == UNTOUCHED.name and BY_TABLE in evaluation.metadata:
            by_table: Any = evaluation.metadata[BY_TABLE].value
            for asset, numbers in by_table.items():
                found.setdefault(asset, Counter()).update(numbers)
    return found


def _table(
    asset: str,
    before: Publication | None,
    after: Publication | None,
    began: datetime,
    found: Mapping[str, int],
    written: Mapping[str, Mapping[str, int]],
) -> TableReport:
    missing, changed, foreign = (found.get(name, 0) for name in ("missing", "changed", "added"))
    kept = after.kept_rows if after else 0
    # What a publication writes has what was mended in it; of what models say, nothing but that is written.
    mended = {"inserted": missing, "changed": changed, "deleted": 0 if kept else foreign}
    done = {name: max(number, written.get(asset, {}).get(name, 0)) for name, number in mended.items()}
    is_verified = after is not None and after.verified_at is not None and after.verified_at >= began
    return TableReport(
        table=asset,
        before=before.status if before else None,
        rows=after.rows if after else 0,
        missing=missing,
        changed=changed,
        foreign=foreign,
        kept=kept,
        inserted=done["inserted"],
        updated=done["changed"],
        deleted=done["deleted"],
        equal=is_verified and after is not None and after.status is Status.PUBLISHED,
    )
