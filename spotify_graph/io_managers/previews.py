"""A few rows of a version, as Dagster shows them.

What Dagster is shown stays in its history, and would outlive the forgetting of a person. So no preview has what tells
who somebody is: users' ids, sessions and devices are left out, and the text of rows of event files, which has them.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from spotify_graph import markdown, storage
from spotify_graph.lake import documents
from spotify_graph.storage import Address

ROWS = 5
"""How many rows are shown."""
LEFT_OUT = frozenset({"user_id", "similar_user_id", "session_id", "device", "devices"})
"""The columns that no preview shows."""
_OF_EVENT_FILES = frozenset({"raw_user_events", "rejected_events"})
_IN_EVENT_FILES = frozenset({"raw", "file"})
"""Left out there, too: a row's text names its user, and the file's name may; the partition has it."""
_SHOWN = 60


def preview(asset: str, version: Address) -> str | None:
    """A few rows of a version as a table in Markdown, in which nothing is markup; None where it has none.

    Of a version that is kept as a change, those are rows that are new or changed in it.

    Args:
        asset: the asset's name.
        version: the version's folder.
    """
    hidden = LEFT_OUT | (_IN_EVENT_FILES if asset in _OF_EVENT_FILES else frozenset())
    names = _names(version)
    for file in _files(version):
        known = storage.parquet(file)
        there = {it: names.get(it, it) for it in known.schema_arrow.names if not it.startswith("old_")}
        columns = [it for it, name in there.items() if name not in hidden]
        found = next(known.iter_batches(ROWS, columns=columns), None) if columns else None
        if found is None or not found.num_rows:
            continue
        rows = found.slice(0, ROWS).to_pylist()
        left_out = [name for name in there.values() if name in hidden]
        note = f"\n\nLeft out, because it may tell who somebody is: {', '.join(left_out)}" if left_out else ""
        heads = [there[it] for it in columns]
        return markdown.table(heads, [[_cell(row[it]) for it in columns] for row in rows]) + note
    return None


def _names(version: Address) -> dict[str, str]:
    """What a snapshot's columns are called, which its files have by their numbers alone."""
    snapshot = documents.read(version / "_snapshot.json")
    return {f"c{number}": name for number, name in enumerate(snapshot["columns"])} if snapshot else {}


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            text = f"{value:.6g}"
        case list():
            text = ", ".join(map(str, value))
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _files(version: Address) -> Iterator[Address]:
    """The files that a version's rows are in, those first that are new in it."""
    if snapshot := documents.read(version / "_snapshot.json"):
        changed = (file for kind in ("inserted", "changed") for file in snapshot["differs"].get(kind, ()))
        yield from (version / file for file in (*changed, *snapshot["files"]))
    elif record := documents.read(version / "_version.json"):
        tables = islice(record["tables"].values(), 1)
        of_tables = [file for it in tables for file in ((it["change"],) if it["change"] else it["files"])]
        yield from (version.parent / file for file in of_tables)
        yield from (version / file for file in record["files"])
