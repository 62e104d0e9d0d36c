"""The rejected rows, as people look at them: by file and by reason."""

from contextlib import suppress
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from spotify_graph.errors import UserError
from spotify_graph.io_managers.lake import Lake
from spotify_graph.transforms.cleaning import EVENT_REASONS, TRACK_REASONS

COLUMNS = ("file", "line", "reasons", "raw")
REASONS = tuple(dict.fromkeys((*EVENT_REASONS, *TRACK_REASONS)))
"""Every reason that there is."""


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
        UserError: nothing was cleaned yet.
    """
    paths = [lake.current(entry).path for entry in lake.entries("rejected_events")]
    with suppress(FileNotFoundError):
        paths.append(lake.current("rejected_tracks").path)
    if not paths:
        raise UserError("nothing is cleaned yet: run `spotify-graph materialize` first")
    rows = ds.dataset([ds.dataset(path, format="parquet") for path in paths])
    wanted = rows.to_table(columns=list(COLUMNS), filter=None if file is None else pc.field("file") == file)
    in_order = wanted.sort_by([("file", "ascending"), ("line", "ascending")]).to_pylist()
    matching = [row for row in in_order if reason is None or reason in row["reasons"]]
    return matching[:limit], len(matching)
