"""A person's rows out of the landed files that the lake holds: versions with them are written anew without them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from spotify_graph import storage
from spotify_graph.lake.intake import PARTITIONED, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.manifest import Manifest, Named
from spotify_graph.lake.traces import Traces
from spotify_graph.lake.verdicts import Verdict
from spotify_graph.lake.versions import Version
from spotify_graph.neo4j_io.staging import new_version
from spotify_graph.transforms.cleaning import EVENT_REASONS
from spotify_graph.transforms.landed_files import USER_EVENTS

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

WITHHELD = "withheld"
"""The count of raw records that are kept out, because they are of somebody who was forgotten."""
_RAW, _CLEANED, _REJECTED = PARTITIONED[USER_EVENTS.name]


def take_out(lake: Lake, user_id: str) -> int:
    """Writes anew, without a person's rows, what the lake holds of landed files.

    The interactions, in which old values stand beside new ones, are dropped: they are counted from scratch. What was
    written before is not named any more, and is there until the lake is cleaned. A second time does no harm.

    Args:
        lake: the lake.
        user_id: the person.

    Returns:
        How many good events were taken out of the files that the graph is made from.
    """
    # First, so that a process that dies after this has left nothing that could be revised.
    lake.change(lambda now: now.without("interactions"))
    return sum(_out_of(lake, user_id, file) for file in sorted({*lake.files(_RAW), *lake.files(_CLEANED)}))


def have_read_again(lake: Lake) -> list[str]:
    """Has files read again whose records were kept out. Gives their names."""
    intake, found = Intake(lake, USER_EVENTS), []
    for file, entry in intake.entries().items():
        raw = intake.raw(file)
        if raw and raw.record.counts.get(WITHHELD):
            entry.latest.but(made_from=replace(entry.latest.record.made_from, code=""))
            found.append(file)
    return found


def _out_of(lake: Lake, user_id: str, file: str) -> int:
    """The same for one landed file."""
    entries = lake.manifest.entries
    named = {asset: entries[f"{asset}/{file}"] for asset in _THEIRS if f"{asset}/{file}" in entries}
    new: dict[str, Version] = {}
    gone = 0
    for asset, it in named.items():
        for name in {it.latest, it.active} - {None}:
            version = lake.version(f"{asset}/{file}", str(name))
            if (without := _without(version, asset, user_id)) is not None:
                new[version.name] = without
                gone += version.rows - without.rows if asset == _CLEANED and name == it.active else 0
    if not new:
        return 0
    after = {
        f"{asset}/{file}": Named(_name(new, it.latest), _name(new, it.active) if it.active else None)
        for asset, it in named.items()
    }
    _count_anew(lake, file, new, after)

    def make(now: Manifest) -> Manifest:
        return replace(now, entries={**now.entries, **after})

    lake.change(make)
    return gone


def _name(new: Mapping[str, Version], name: str) -> str:
    return new[name].name if name in new else name


def _without(version: Version, asset: str, user_id: str) -> Version | None:
    """The version without a person's rows; None where it has none."""
    import pyarrow.compute as pc

    folder, rows = version.path.with_name(new_version()), 0
    kept = {}
    for name in version.record.files:
        table = storage.read(version.path / name)
        kept[name] = table.filter(pc.invert(_THEIRS[asset](table, user_id))) if table.num_rows else table
        rows += kept[name].num_rows
    if rows == sum(storage.metadata(version.path / name).num_rows for name in kept):
        return None
    storage.make_folder(folder)
    for name, table in kept.items():
        known = storage.metadata(version.path / name)
        # In groups as before: a task reads whole ones.
        size = known.row_group(0).num_rows if known.num_row_groups else None
        storage.write(table, folder / name, row_group_size=size)
    counts = dict(version.record.counts)
    if asset == _RAW:
        counts[WITHHELD] = counts.get(WITHHELD, 0) + version.rows - rows
    verdict = version.record.verdict
    told = Verdict.from_json(Traces(user_id).redacted(verdict.to_json())) if verdict else None
    return Version(folder, replace(version.record, rows=rows, counts=counts, verdict=told)).save()


def _count_anew(lake: Lake, file: str, new: Mapping[str, Version], after: Mapping[str, Named]) -> None:
    """Says of cleaned events what is true of them now: which raw version they are of, and the counts."""
    cleaned, rejected, raw = (after.get(f"{asset}/{file}") for asset in (_CLEANED, _REJECTED, _RAW))
    for name in {cleaned.latest, cleaned.active} - {None} if cleaned else ():
        version = lake.version(f"{_CLEANED}/{file}", str(name))
        inputs = {entry: _name(new, it) for entry, it in version.record.made_from.inputs.items()}
        counts = dict(version.record.counts)
        if rejected and raw and cleaned and name == cleaned.latest and inputs.get(f"{_RAW}/{file}") == raw.latest:
            bad = lake.version(f"{_REJECTED}/{file}", rejected.latest)
            reasons = Counter[str]()
            for path in bad.files:
                for listed in storage.read(path, columns=["reasons"])["reasons"].to_pylist():
                    reasons.update(listed)
            counts["rows_read"] = lake.version(f"{_RAW}/{file}", raw.latest).rows
            counts["rejected"] = bad.rows
            counts |= {reason: reasons[reason] for reason in EVENT_REASONS if reason in counts}
            counts["duplicates"] = counts["rows_read"] - counts["rejected"] - version.rows
        version.but(
            made_from=replace(version.record.made_from, inputs=inputs),
            counts={**counts, "cleaned": version.rows} if counts else counts,
        )


def _by_id(table: pa.Table, user_id: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.fill_null(pc.equal(table["user_id"], user_id), False)


def _by_id_or_text(table: pa.Table, user_id: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    from spotify_graph.transforms import fields

    trimmed = pa.chunked_array([fields.trimmed(chunk) for chunk in table["user_id"].chunks], pa.string())
    by_id = pc.fill_null(pc.equal(trimmed, user_id), False)
    return pc.or_(by_id, pc.and_(table["malformed"], _in_text(table["raw"], user_id)))


def _by_text(table: pa.Table, user_id: str) -> pa.ChunkedArray:
    return _in_text(table["raw"], user_id)


def _in_text(texts: pa.ChunkedArray, user_id: str) -> pa.ChunkedArray:
    """Whether a field of a line is the id, as far as a line that may be malformed has fields."""
    import pyarrow.compute as pc

    escaped = re.sub(r"([^0-9A-Za-z_\x80-\U0010ffff])", r"\\\1", user_id.replace('"', '""'))
    return pc.fill_null(pc.match_substring_regex(texts, rf'(^|[,"])\s*{escaped}\s*($|[,"])'), False)


_THEIRS: Mapping[str, Callable[[pa.Table, str], pa.ChunkedArray]] = {
    _RAW: _by_id_or_text,
    _CLEANED: _by_id,
    _REJECTED: _by_text,
}
"""For each asset by file, which of its rows are a person's."""
