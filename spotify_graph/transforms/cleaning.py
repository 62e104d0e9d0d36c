"""The input contract: which raw records are good, what they say, and every reason why the others are rejected.

Pure functions over Arrow tables, whole or in parts: in process, or in Spark's tasks.
Trimmed means without Unicode white space at both ends. Ids keep their case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable
from spotify_graph.transforms.landing import raw_text

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: with NumPy it takes half a second, and definitions are loaded often.

EVENT_REASONS = (
    "malformed_row",
    "missing_user_id",
    "missing_track_id",
    "unknown_event_type",
    "bad_event_ts",
    "event_ts_out_of_range",
    "bad_encoding",
    "control_character",
    "id_too_long",
)
"""Why a row of user_events is rejected, in the order in which the reasons are listed."""
TRACK_REASONS = (
    "malformed_row",
    "missing_track_id",
    "bad_encoding",
    "control_character",
    "id_too_long",
    "bad_duration_ms",
)
"""Why a row of tracks is rejected, in the order in which the reasons are listed."""
EVENT_VALUES = ("user_id", "track_id", "event_type", "event_ts", "session_id", "device")
"""The columns that make two rows the same event."""
TRACK_VALUES = ("track_id", "title", "artist", "album", "duration_ms", "genre")
"""The columns of a track."""

_COLUMN_OF = {
    "unknown_event_type": "event_type",
    "bad_event_ts": "event_ts",
    "event_ts_out_of_range": "event_ts",
    "bad_duration_ms": "duration_ms",
}
"""The column that a reason is about, where that holds something."""
_ID_BYTES = 512
_NAME_BYTES = 4096
_EARLIEST = "2000-01-01 00:00:00"
_BATCH_ROWS = 100_000
_MONTH, _MOST_DAYS = len("YYYY-MM"), 366


def judge_events(raw: pa.Table, now: datetime, placeholders: Sequence[str] = ()) -> pa.Table:
    """Reads the values of user events and finds what is wrong with them.

    Args:
        raw: records of USER_EVENTS, as `landing.read_landed` gives them.
        now: the present, with a time zone; an event more than a day ahead of it is out of range.
        placeholders: what stands for a missing id, session or device, such as NULL.

    Returns:
        One row for each record, in their order: file, line, raw (the record's text; null for a good row), reasons
        (those of EVENT_REASONS that apply; empty for a good row), placeholders (the columns that held one, with commas
        between them; empty where none did), and the values as far as they could be read: user_id, track_id,
        event_type, event_ts (microseconds, UTC), session_id and device (null where empty).
    """
    import pyarrow.compute as pc

    from spotify_graph.transforms import fields

    types = [event.name for event in EVENT_TYPES]

    def judged(records: pa.RecordBatch) -> pa.RecordBatch:
        text = {name: fields.trimmed(records[name]) for name in EVENT_VALUES}
        held = _take_out(placeholders, text, ("user_id", "track_id", "session_id", "device"))
        text["event_type"] = fields.lower(text["event_type"])
        times = fields.times(text["event_ts"])
        time_in_range = in_range(times, now)
        faults = {
            "missing_user_id": pc.equal(text["user_id"], ""),
            "missing_track_id": pc.equal(text["track_id"], ""),
            "unknown_event_type": pc.invert(fields.is_one_of(text["event_type"], types)),
            "bad_event_ts": pc.is_null(times),
            "event_ts_out_of_range": pc.invert(time_in_range),
            "control_character": _any_of(fields.has_control(column) for column in text.values()),
            "id_too_long": _any_of(
                [
                    *(fields.is_longer(text[name], _ID_BYTES) for name in ("user_id", "track_id", "session_id")),
                    fields.is_longer(text["device"], _NAME_BYTES),
                ]
            ),
        }
        values = {
            **text,
            # Python cannot hold every time that Arrow can.
            "event_ts": pc.if_else(time_in_range, times, None),
            **{name: fields.non_empty(text[name]) for name in ("session_id", "device")},
        }
        return _judged(records, USER_EVENTS, EVENT_REASONS, faults, held, values)

    return _in_batches(raw, judged)


def judge_tracks(raw: pa.Table, placeholders: Sequence[str] = (), genre_separator: str | None = None) -> pa.Table:
    """Reads the values of catalogue rows and finds what is wrong with them.

    Args:
        raw: records of TRACKS, as `landing.read_landed` gives them.
        placeholders: what stands for a missing value, such as NULL.
        genre_separator: what stands between the genres of a field; None where a field is one genre.

    Returns:
        One row for each record, in their order: file, line, raw (the record's text; null for a good row), reasons
        (those of TRACK_REASONS that apply; empty for a good row), placeholders (the columns that held one, with commas
        between them; empty where none did), and the values as far as they could be read, null where empty: track_id,
        title and album (trimmed), artist and genre (NFC, trimmed, each run of inner white space one space, without
        invisible characters; of several genres with `names.SEVERAL` between them), duration_ms (int64).
    """
    import pyarrow.compute as pc

    from spotify_graph.transforms import fields

    names = ("title", "artist", "album", "genre")

    def judged(records: pa.RecordBatch) -> pa.RecordBatch:
        text = {
            name: (fields.names if name in {"artist", "genre"} else fields.trimmed)(records[name])
            for name in TRACK_VALUES
        }
        held = _take_out(placeholders, text, ("track_id", *names, "duration_ms"))
        if genre_separator is not None:
            text["genre"] = fields.genres(text["genre"], genre_separator, placeholders)
        duration = fields.whole_number(text["duration_ms"])
        faults = {
            "missing_track_id": pc.equal(text["track_id"], ""),
            "control_character": _any_of(
                fields.has_control(text[name], white_space=name not in names) for name in TRACK_VALUES
            ),
            "id_too_long": _any_of(
                [
                    fields.is_longer(text["track_id"], _ID_BYTES),
                    *(fields.is_longer(text[name], _NAME_BYTES) for name in ("title", "artist", "album")),
                    fields.has_longer_genre(text["genre"], _NAME_BYTES),
                ]
            ),
            "bad_duration_ms": pc.and_(
                pc.not_equal(text["duration_ms"], ""), pc.less_equal(pc.fill_null(duration, 0), 0)
            ),
        }
        values = {
            "track_id": text["track_id"],
            **{name: fields.non_empty(text[name]) for name in ("title", "artist", "album")},
            "duration_ms": duration,
            "genre": fields.non_empty(text["genre"]),
        }
        return _judged(records, TRACKS, TRACK_REASONS, faults, held, values)

    return _in_batches(raw, judged)


def counts(judged: pa.Table, reasons: Sequence[str]) -> dict[str, int]:
    """What is counted of judged rows; of several parts the counts add up.

    Args:
        judged: judged rows.
        reasons: EVENT_REASONS or TRACK_REASONS.

    Returns:
        rows_read, good, rejected, placeholders (rows that held one), and one count for each reason, by its name.
    """
    import pyarrow.compute as pc

    good = pc.sum(_is_good(judged)).as_py() or 0
    listed = {it["values"]: it["counts"] for it in pc.value_counts(pc.list_flatten(judged["reasons"])).to_pylist()}
    return {
        "rows_read": judged.num_rows,
        "good": good,
        "rejected": judged.num_rows - good,
        "placeholders": pc.sum(_holds_placeholder(judged)).as_py() or 0,
        **{reason: listed.get(reason, 0) for reason in reasons},
    }


def rejected(judged: pa.Table) -> pa.Table:
    """The rejected rows: file, line, raw, reasons."""
    import pyarrow.compute as pc

    return judged.select(["file", "line", "raw", "reasons"]).filter(pc.invert(_is_good(judged)))


def days(events: pa.Table) -> dict[str, dict[str, int]]:
    """How many events of each type there are by day (UTC), or by month where there are more than a year's days.

    Args:
        events: event_type and event_ts.

    Returns:
        For each type the counts by YYYY-MM-DD, or by YYYY-MM.
    """
    import pyarrow as pa

    day = pa.table({"type": events["event_type"], "day": events["event_ts"].cast(pa.timestamp("us")).cast(pa.date32())})
    counted = day.group_by(["type", "day"]).aggregate([([], "count_all")])
    found: dict[str, dict[str, int]] = {}
    for type_, when, count in zip(*(column.to_pylist() for column in counted.columns), strict=True):
        found.setdefault(type_, {})[str(when)] = count
    return added_days([found])


def added_days(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """What `days` found in several parts, added up."""
    parts = list(parts)
    when = {day for part in parts for counts in part.values() for day in counts}
    length = _MONTH if len(when) > _MOST_DAYS or any(len(it) == _MONTH for it in when) else None
    total: dict[str, dict[str, int]] = {}
    for part in parts:
        for type_, counts in part.items():
            of_type = total.setdefault(type_, {})
            for day, count in counts.items():
                of_type[day[:length]] = of_type.get(day[:length], 0) + count
    return total


def with_placeholders(judged: pa.Table) -> pa.Table:
    """The rows that held placeholders: line, and placeholders, the columns' names."""
    return judged.select(["line", "placeholders"]).filter(_holds_placeholder(judged))


def example(raw: pa.Table, judged: pa.Table, reason: str) -> str:
    """A value that was rejected for a reason: what the column holds that the reason is about, or else the row's text.

    Args:
        raw: the records of one file, or of a part of it.
        judged: the same, judged; a row of them is rejected for the reason.
        reason: one of EVENT_REASONS or TRACK_REASONS.
    """
    import pyarrow.compute as pc

    rows = rejected(judged)
    reasons = pc.index(pc.list_flatten(rows["reasons"]), reason).as_py()
    row = rows.slice(pc.list_parent_indices(rows["reasons"])[reasons].as_py(), 1).to_pylist()[0]
    column = _COLUMN_OF.get(reason)
    return str(row["raw"] if column is None else raw.filter(pc.equal(raw["line"], row["line"]))[column][0])


COPIES = "copies"
"""The column that says how many good rows became one."""


def good_events(judged: pa.Table) -> pa.Table:
    """The good events: file and EVENT_VALUES."""
    return judged.select(["file", *EVENT_VALUES]).filter(_is_good(judged))


def clean_events(good: pa.Table) -> pa.Table:
    """The good events, each once for each file.

    Args:
        good: `good_events` of whole files: of a file that was judged in parts, all of them.

    Returns:
        file, EVENT_VALUES and COPIES, sorted by event_ts.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    times = good["event_ts"].cast(pa.int64()).to_numpy()
    order = np.argsort(times, kind="stable")
    # Equal events have equal times: where a time is there once, nothing need be compared.
    equals_next = np.diff(times[order]) == 0
    suspects = np.flatnonzero(np.append(equals_next, False) | np.append(False, equals_next))
    suspected = good.take(order[suspects])
    # Numbers are grouped several times faster than text.
    values = [
        pc.dictionary_encode(column.combine_chunks(), null_encoding="encode").indices for column in suspected.columns
    ]
    numbered = pa.table([*values, pa.array(suspects, pa.int64())], [*suspected.column_names, "at"])
    equal = numbered.group_by(good.column_names, use_threads=False).aggregate([("at", "min"), ("at", "count")])
    copies = np.ones(len(order), np.int64)
    copies[suspects] = 0
    copies[equal["at_min"].to_numpy()] = equal["at_count"].to_numpy()
    return good.take(order[copies > 0]).append_column(COPIES, pa.array(copies[copies > 0]))


def clean_tracks(judged: pa.Table) -> pa.Table:
    """The catalogue: of each track_id's good rows the one of the last file by name and in it of the last line.

    Returns:
        track_id, title, artist, album, duration_ms, genre, file and line that they come from, and COPIES; sorted by
        file and line.
    """
    import pyarrow as pa

    rows = judged.select([*TRACK_VALUES, "file", "line"]).filter(_is_good(judged))
    rows = rows.sort_by([("file", "ascending"), ("line", "ascending")])
    placed = rows.select(["track_id"]).append_column("at", pa.arange(0, rows.num_rows))
    tracks = (
        placed.group_by("track_id", use_threads=False).aggregate([("at", "max"), ("at", "count")]).sort_by("at_max")
    )
    return rows.take(tracks["at_max"]).append_column(COPIES, tracks["at_count"])


def kept_counts(rows: pa.Table) -> dict[str, int]:
    """What is kept, counted apart from what is judged; of several files the counts add up.

    Args:
        rows: of `clean_events` or `clean_tracks`.

    Returns:
        kept, and duplicates: good rows beyond the first of their kind.
    """
    import pyarrow.compute as pc

    return {"kept": rows.num_rows, "duplicates": (pc.sum(rows[COPIES]).as_py() or 0) - rows.num_rows}


def in_range(times: pa.Array | pa.ChunkedArray, now: datetime) -> pa.Array | pa.ChunkedArray:
    """Whether a time is one that an event can have: after 1999, and at most a day ahead of `now`. Null stays null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    earliest = datetime.fromisoformat(_EARLIEST).replace(tzinfo=UTC)
    first, last = pa.scalar(earliest, times.type), pa.scalar(now + timedelta(days=1), times.type)
    return pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last))


def _in_batches(raw: pa.Table, judged: Callable[[pa.RecordBatch], pa.RecordBatch]) -> pa.Table:
    import pyarrow as pa

    # A kernel costs as much for a few rows as for thousands; many rows at once take much memory.
    batches = raw.combine_chunks().to_batches(max_chunksize=_BATCH_ROWS)
    batches = batches or [pa.RecordBatch.from_pylist([], raw.schema)]
    return pa.Table.from_batches(map(judged, batches))


def _take_out(placeholders: Sequence[str], text: dict[str, pa.Array], columns: Sequence[str]) -> pa.Array:
    """Empties the fields that hold a placeholder, and gives the names of their columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from spotify_graph.transforms import fields

    nothing = pa.scalar("", pa.string())
    names = pa.repeat(nothing, len(text[columns[0]]))
    for name in columns if placeholders else ():
        holds = fields.is_one_of(text[name], placeholders)
        # Few columns hold any.
        if pc.any(holds).as_py():
            text[name] = pc.if_else(holds, nothing, text[name])
            names = pc.binary_join_element_wise(names, pc.if_else(holds, pa.scalar(f", {name}"), nothing), "")
    return pc.utf8_slice_codeunits(names, len(", "))


def _judged(
    records: pa.RecordBatch,
    table: LandedTable,
    reasons: Sequence[str],
    faults: Mapping[str, pa.Array],
    placeholders: pa.Array,
    values: Mapping[str, pa.Array],
) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    everywhere = {"malformed_row": records["malformed"], "bad_encoding": records["bad_encoding"]}
    is_bad = pc.fill_null(_any_of([*faults.values(), *everywhere.values()]), False)
    bad = records.filter(is_bad)
    # A malformed record has no fields, so nothing else is wrong with them.
    has_fields = pc.invert(bad["malformed"])
    of_bad = {reason: pc.and_kleene(fault.filter(is_bad), has_fields) for reason, fault in faults.items()}
    of_bad |= {reason: fault.filter(is_bad) for reason, fault in everywhere.items()}
    applies = np.column_stack([pc.fill_null(of_bad[reason], False) for reason in reasons])
    lengths = np.zeros(len(records), np.int32)
    lengths[is_bad] = applies.sum(axis=1)
    listed = pa.array(reasons, pa.string()).take(pa.array(applies.nonzero()[1]))
    return pa.RecordBatch.from_pydict(
        {
            "file": records["file"],
            "line": records["line"],
            "raw": pc.replace_with_mask(pa.nulls(len(records), pa.string()), is_bad, raw_text(bad, table)),
            "reasons": pa.ListArray.from_arrays(np.concatenate([[0], lengths.cumsum()]).astype(np.int32), listed),
            "placeholders": placeholders,
            **values,
        }
    )


def _is_good(judged: pa.Table) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.equal(pc.list_value_length(judged["reasons"]), 0)


def _holds_placeholder(judged: pa.Table) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.not_equal(judged["placeholders"], "")


def _any_of(faults: Iterable[pa.Array]) -> pa.Array:
    import pyarrow.compute as pc

    # A column that the file lacks is null, and hides no fault of another.
    return reduce(pc.or_kleene, faults)
