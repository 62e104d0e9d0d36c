"""Where the platform stands: what has landed, what the lake holds, what is published."""

import warnings
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from neo4j import Driver

from spotify_graph.automation.landed import LandedFile, files_of, listed
from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import NODES, RELATIONSHIPS, TABLES
from spotify_graph.lake.intake import KINDS, PARTITIONED, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import additions as of_others
from spotify_graph.neo4j_io import publication
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph.times import utc

ASSET_COLUMNS = ("group", "asset", "rows", "inserted", "changed", "deleted", "at")
FILE_COLUMNS = ("file", "state", "landed", "rows", "rejected", "in_graph", "note")
ADDITION_COLUMNS = ("kind", "name", "count")
COUNT_COLUMNS = ("what", "count")


def files(settings: Settings) -> list[dict[str, Any]]:
    """Every file that has landed or is in the lake, and every sub-folder that holds something.

    Returns:
        For each: file, state (as in `landed.LandedFile`, or unmatched), landed (when it was changed last; None where it
        has left the landing folder), rows and rejected (of the content that was examined last), in_graph (how many good
        rows the graph is made from), note (why it is held back).

    Raises:
        UserError: there is no landing folder.
    """
    listing, nothing = listed(settings), dict.fromkeys(FILE_COLUMNS)
    rows = [_file(file) for file in files_of(listing, settings)]
    return rows + [{**nothing, "file": it.file, "state": "unmatched", "note": it.reason} for it in listing.others]


def _file(file: LandedFile) -> dict[str, Any]:
    entry = file.entry
    counts = entry.counts if entry else {}
    return {
        "file": file.name,
        "state": file.state,
        "landed": _time(file.look.mtime_ns / 1e9) if file.look else None,
        "rows": counts.get("rows_read"),
        "rejected": counts.get("rejected"),
        "in_graph": entry.in_graph if entry else None,
        "note": file.note,
    }


def assets(instance: dg.DagsterInstance, settings: Settings) -> list[dict[str, Any]]:
    """Every asset with what its latest materialization says: rows (of all files), what was written, when."""
    by_file = _rows_by_file(settings)
    with warnings.catch_warnings():
        # Dagster itself uses a beta parameter of Dagster's.
        warnings.simplefilter("ignore", dg.BetaWarning)
        graph = build_defs().resolve_asset_graph()
    rows = []
    for key in graph.toposorted_asset_keys:
        record = instance.get_latest_materialization_event(key)
        latest = record.asset_materialization if record else None
        found = {name: value.value for name, value in latest.metadata.items()} if latest else {}
        rows.append(
            {
                "group": graph.get(key).group_name,
                "asset": key.to_user_string(),
                "rows": by_file.get(key.to_user_string(), found.get("dagster/row_count")),
                "inserted": found.get("inserted"),
                "changed": found.get("changed"),
                "deleted": found.get("deleted"),
                "at": _time(record.timestamp) if record else None,
            }
        )
    return rows


def _rows_by_file(settings: Settings) -> dict[str, int]:
    """For each asset that is partitioned by file, the rows of all files' latest contents."""
    counted = {"raw_tracks": "rows_read", "raw_user_events": "rows_read"}
    counted |= {"cleaned_events": "cleaned", "rejected_events": "rejected"}
    rows: dict[str, int] = {}
    lake = Lake(settings.lake).pin()
    for table in KINDS:
        latest = [entry.counts for entry in Intake(lake, table).entries().values()]
        rows |= {name: sum(counts.get(counted[name], 0) for counts in latest) for name in PARTITIONED[table.name]}
    return rows


def additions(settings: Settings) -> list[dict[str, Any]] | None:
    """What of the graph is not the platform's: each label, relationship type, property and foreign row of others.

    Returns:
        For each: kind, name, count; None where Neo4j is local and does not run: it is not started for this.

    Raises:
        UserError: Neo4j can't be reached.
    """
    if settings.neo4j_uri is None and LocalNeo4j(settings).find() is None:
        return None
    with connect(settings) as driver:
        found = of_others.find(driver, settings.neo4j_database, TABLES.values())
    return [asdict(addition) for addition in found]


def counts(driver: Driver, database: str) -> list[dict[str, Any]]:
    """How many nodes of each label and relationships of each type the graph holds."""
    rows = [{"what": f"(:{node.label})", "count": publication.count(driver, database, node)} for node in NODES]
    rows += [{"what": f"[:{edge.type}]", "count": publication.count(driver, database, edge)} for edge in RELATIONSHIPS]
    return rows


def _time(seconds: float) -> str:
    return utc(datetime.fromtimestamp(seconds, UTC), "seconds")
