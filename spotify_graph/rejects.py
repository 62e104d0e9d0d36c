"""The rejected rows, as people look at them: by file and by reason."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.cells import cell_len, set_cell_size

from spotify_graph.errors import UserError
from spotify_graph.lake.intake import KINDS, REFUSED_ROWS, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Version
from spotify_graph.transforms.cleaning import EVENT_REASONS, TRACK_REASONS
from spotify_graph.transforms.landed_files import shown_name

COLUMNS = ("file", "line", "reasons", "raw")
REASONS = tuple(dict.fromkeys((*EVENT_REASONS, *TRACK_REASONS)))
"""Every reason that there is."""
_NAMED = 10
"""How many files a message names."""

_LEAST_TEXT = 20
_GAP = 2
"""How far apart columns stand."""


def rejected(lake: Lake, file: str | None, reason: str | None, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Finds rejected rows without Spark.

    Args:
        lake: where the rejected rows are kept.
        file: the file that they came in, or None for every file.
        reason: one of the reasons that apply to them, or None for any.
        limit: how many rows to return at most.

    Returns:
        The first rows by file and line (file, line, reasons, raw), and how many there are in all.

    Raises:
        UserError: nothing was cleaned yet, or the file was never taken in.
    """
    lake = lake.pin()
    refused = lake.files(REFUSED_ROWS)
    entries = [f"{asset}/{name}" for asset in ("rejected_events", REFUSED_ROWS) for name in lake.files(asset)]
    tables = [_read(lake.latest(entry), file) for entry in entries]
    if rest := lake.find("rejected_tracks"):
        # It has those of the refused files too, once it was computed since.
        rows = _read(rest, file)
        tables.append(rows.filter(pc.invert(pc.is_in(rows["file"], pa.array(refused, pa.string())))))
    if not tables:
        raise UserError("nothing is cleaned yet: run `spotify-graph materialize` first")
    if file is not None:
        known = [name for table in KINDS for name in Intake(lake, table).entries()]
        if file not in known:
            raise UserError(f"no file {shown_name(file)} was taken in; there are {_some(known)}")
    wanted = pa.concat_tables(tables)
    in_order = wanted.sort_by([("file", "ascending"), ("line", "ascending")]).to_pylist()
    matching = [row for row in in_order if reason is None or reason in row["reasons"]]
    return matching[:limit], len(matching)


def fitted(rows: Sequence[Mapping[str, Any]], width: int) -> list[dict[str, Any]]:
    """The rows for people: of their text what is left room for in a line, on one line, control characters escaped.

    Args:
        rows: from `rejected`.
        width: how many characters a line has; the other columns are shown whole, whatever they take.
    """
    shown = [{**row, "line": f"{row['line']:,}", "reasons": ", ".join(row["reasons"])} for row in rows]
    others = COLUMNS[:-1]
    taken = sum(max([len(name), *(cell_len(row[name]) for row in shown)]) + _GAP for name in others)
    room = max(width - taken, _LEAST_TEXT)
    return [{**row, "raw": _shortened(row["raw"], room)} for row in rows]


def _shortened(text: str, room: int) -> str:
    # Escaped, a character takes 10 at most; what is far beyond the room is not looked at.
    line = " ".join(text[: 10 * room].split())
    line = "".join(repr(it)[1:-1] if unicodedata.category(it).startswith("C") else it for it in line)
    if cell_len(line) <= room and len(text) <= 10 * room:
        return line
    return f"{set_cell_size(line, room - 3).rstrip()}..."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(names[:_NAMED]) or "none") + more


def _read(version: Version, file: str | None) -> pa.Table:
    return version.part.read(columns=COLUMNS, where=None if file is None else pc.field("file") == file)
