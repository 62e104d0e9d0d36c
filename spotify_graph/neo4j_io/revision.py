"""Revisions: a snapshot that is staged as what differs from one before it, at the cost of what differs.

Rows, nulls, checksum and fingerprint are sums: those of the old rows are subtracted and those of the new rows added.
The rows themselves are written in full only when their files are asked for, or when much differs by then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spotify_graph import storage
from spotify_graph.neo4j_io import difference, part, staging
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.neo4j_io.vocabulary import GraphTable

if TYPE_CHECKING:
    import pyarrow as pa

MAX_REVISIONS = 64
"""After so many revisions in a row, a snapshot is written in full."""
_MAX_SHARE, _FEW_ROWS = 0.1, 100
"""A snapshot is also written in full once this share of its rows differs from the full files, unless they are few."""


def revise(base: Snapshot, were: pa.Table, are: pa.Table, table: GraphTable) -> Snapshot:
    """Stages what becomes of a snapshot, and audits what is new.

    Args:
        base: the snapshot to start from, with `sums`.
        were: the rows that are changed or deleted, as they are in the base. Unchanged rows of the base may be among
            them if they are in `are` as well.
        are: the rows that are changed or new, as they are now.
        table: what they are rows of.

    Raises:
        StagingError: columns are missing or of another type, or a row breaks a rule; nothing is left.
    """
    were, are = part.selected(were, table), part.selected(are, table)
    for rows in (were, are):
        staging.audit_keys(part.repeated_keys(rows.select(range(len(table.keys)))), table)
    lost, gained = part.measure(were, table), part.measure(are, table)
    staging.audit(gained, table)
    path = base.sibling(staging.new_version())
    found = difference.compare(difference.Base(were), are, table)
    checksum, nulls = Counter(base.checksum), Counter(base.nulls)
    checksum.subtract(lost.checksum)
    checksum.update(gained.checksum)
    nulls.subtract(lost.nulls)
    nulls.update(gained.nulls)
    assert base.sums  # noqa: S101 the caller's promise
    sums = [(it - out + in_) % 2**64 for it, out, in_ in zip(base.sums, lost.sums, gained.sums, strict=True)]
    rows = base.rows - lost.rows + gained.rows
    storage.make_folder(path)
    try:
        written = difference.write(found, path)
        revised = replace(
            base,
            path=path,
            rows=rows,
            fingerprint=staging.fingerprint(rows, sums, table),
            nulls=dict(nulls),
            created=datetime.now(UTC).isoformat(),
            files={},
            checksum=dict(checksum),
            sums=sums,
            base=base.version,
            revisions=base.revisions + 1,
            revised_rows=base.revised_rows + lost.rows + gained.rows,
            differs={
                kind: {str(file.relative_to(path)): each.count for file in each.files}
                for kind, each in vars(written).items()
                if each.count
            },
        )
        revised.save()
        if revised.revisions >= MAX_REVISIONS or revised.revised_rows > max(_MAX_SHARE * rows, _FEW_ROWS):
            return revised.written_whole()
    except BaseException:
        storage.remove(path)
        raise
    return revised
