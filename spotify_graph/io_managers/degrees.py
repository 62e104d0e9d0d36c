"""How many nodes have how many relationships of a type, as Dagster shows it.

All relationships are read for it: it is done anew only where their number has changed by a twentieth, or after a day,
and what was shown last is shown until then.
"""

from datetime import UTC, datetime

from spotify_graph import charts
from spotify_graph.lake import documents
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import RelationshipType
from spotify_graph.storage import Address

FILE = "_degrees.json"
"""What an asset's page shows of degrees, beside its snapshots; where it is missing it is made anew."""


def degrees(table: RelationshipType, version: Address) -> str | None:
    """The distribution of degrees at both ends, as a picture in Markdown, or a table where they are few.

    Args:
        table: the relationships.
        version: the folder of the snapshot that is published. What is drawn is kept beside it.

    Returns:
        The Markdown; None without a row.
    """
    now, snapshot = datetime.now(UTC), Snapshot.load(version)
    kept = documents.read(version.parent / FILE)
    if kept and not charts.is_due(snapshot.rows, kept["rows"], datetime.fromisoformat(kept["at"]), now):
        return str(kept["shown"])
    if not snapshot.rows:
        return None
    rows = snapshot.read(width=2)
    ends = (
        (f"{table.start.node.label}, outgoing", table.start.column),
        (f"{table.end.node.label}, incoming", table.end.column),
    )
    by_end = {
        name: rows.group_by(column).aggregate([([], "count_all")])["count_all"].to_pylist() for name, column in ends
    }
    title = f"Degrees of [:{table.type}], {snapshot.rows:,} relationships, {now:%Y-%m-%d}"
    shown = charts.of_degrees(title, by_end) if snapshot.rows > charts.FEW else charts.degrees_table(by_end)
    documents.write(version.parent / FILE, {"rows": snapshot.rows, "at": now.isoformat(), "shown": shown})
    return shown
