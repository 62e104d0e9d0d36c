"""The input contract: which raw records are good, what they say, and every reason why the others are rejected.

Trimmed means without Unicode white space at both ends. Ids keep their case.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import arrow_udf
from pyspark.sql.types import ArrayType, StringType

from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, raw_text
from spotify_graph.transforms.names import INVISIBLE, SEVERAL, visible

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
_WHITE_SPACE = (  # of Unicode's property White_Space
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_PLAIN = r"^[!-~]*\z"
"""Nothing but ASCII's visible characters."""
_CONTROL = r"\p{Cc}"
_CONTROL_IN_TEXT = r"[\p{Cc}&&[^\p{IsWhite_Space}]]"
_ISO_8601 = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d)?)?\z"
_ISO_8601_IN_FULL = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?\z"


def judge_events(raw: DataFrame, now: datetime, placeholders: Sequence[str] = ()) -> DataFrame:
    """Reads the values of user events and finds what is wrong with them.

    Args:
        raw: records of USER_EVENTS, as `landing.read_landed` gives them.
        now: the present, with a time zone; an event more than a day ahead of it is out of range.
        placeholders: what stands for a missing id, session or device, such as NULL.

    Returns:
        One row for each record: file, line, raw (the record's text; null for a good row), reasons (those of
        EVENT_REASONS that apply; empty for a good row), placeholders (the columns that held one), and the values as far
        as they could be read: user_id, track_id, event_type, event_ts (timestamp), session_id and device (null where
        empty).
    """
    text = F.concat_ws("", *EVENT_VALUES)
    # One look at a row's whole text says of nearly all of them that there is nothing to trim.
    marked = raw.withColumn("plain", text.rlike(_PLAIN))
    plain = F.col("plain")
    values = {name: F.when(plain, F.col(name)).otherwise(_trimmed(name)) for name in EVENT_VALUES}
    trimmed = marked.select(
        "file", "line", "malformed", "bad_encoding", "plain", raw_text(USER_EVENTS).alias("raw"), *_named(values)
    )
    present = _without_placeholders(trimmed, ("user_id", "track_id", "session_id", "device"), placeholders)
    read = present.withColumns({"event_type": F.lower("event_type"), "time": _timestamp("event_ts")})
    time_in_range = in_range("time", now)
    faults = {
        "missing_user_id": F.col("user_id") == "",
        "missing_track_id": F.col("track_id") == "",
        "unknown_event_type": ~F.col("event_type").isin([event.name for event in EVENT_TYPES]),
        "bad_event_ts": F.col("event_ts").isNotNull() & F.col("time").isNull(),
        "event_ts_out_of_range": ~time_in_range,
        # Of the text as it is by then: trimmed.
        "control_character": ~plain & text.rlike(_CONTROL),
        "id_too_long": _longer_than(_ID_BYTES, "user_id", "track_id", "session_id"),
    }
    return _judged(
        read,
        faults,
        EVENT_REASONS,
        {
            "user_id": F.col("user_id"),
            "track_id": F.col("track_id"),
            "event_type": F.col("event_type"),
            # Python cannot hold every time that Spark can.
            "event_ts": F.when(time_in_range, F.col("time")),
            "session_id": _non_empty("session_id"),
            "device": _non_empty("device"),
        },
    )


def judge_tracks(raw: DataFrame, placeholders: Sequence[str] = (), genre_separator: str | None = None) -> DataFrame:
    """Reads the values of catalogue rows and finds what is wrong with them.

    Args:
        raw: records of TRACKS, as `landing.read_landed` gives them.
        placeholders: what stands for a missing value, such as NULL.
        genre_separator: what stands between the genres of a field; None where a field is one genre.

    Returns:
        One row for each record: file, line, raw (the record's text; null for a good row), reasons (those of
        TRACK_REASONS that apply; empty for a good row), placeholders (the columns that held one), and the values as far
        as they could be read, null where empty: track_id, title and album (trimmed), artist and genre (NFC, trimmed,
        each run of inner white space one space, without invisible characters; of several genres with `names.SEVERAL`
        between them), duration_ms (long).
    """
    trimmed = raw.select(
        "file",
        "line",
        "malformed",
        "bad_encoding",
        raw_text(TRACKS).alias("raw"),
        *_named({name: _trimmed(name) for name in ("track_id", "title", "album", "duration_ms")}),
        *_named({name: _name(name) for name in ("artist", "genre")}),
    )
    names = ("title", "artist", "album", "genre")
    trimmed = _without_placeholders(trimmed, ("track_id", *names, "duration_ms"), placeholders)
    if genre_separator is not None:
        trimmed = trimmed.withColumn("genre", _genres("genre", genre_separator, placeholders))
    duration = F.when(F.col("duration_ms").rlike(r"^[0-9]+\z"), F.col("duration_ms").try_cast("long"))
    faults = {
        "missing_track_id": F.col("track_id") == "",
        "control_character": F.concat_ws("", "track_id", "duration_ms").rlike(_CONTROL)
        | F.concat_ws("", *names).rlike(_CONTROL_IN_TEXT),
        "id_too_long": _longer_than(_ID_BYTES, "track_id")
        | _longer_than(_NAME_BYTES, "title", "artist", "album")
        | F.exists(F.split("genre", SEVERAL), lambda genre: F.octet_length(genre) > _NAME_BYTES),
        "bad_duration_ms": (F.col("duration_ms") != "") & (F.coalesce(duration, F.lit(0)) <= 0),
    }
    return _judged(
        trimmed,
        faults,
        TRACK_REASONS,
        {
            "track_id": F.col("track_id"),
            **{name: _non_empty(name) for name in ("title", "artist", "album")},
            "duration_ms": duration,
            "genre": _non_empty("genre"),
        },
    )


def counts(reasons: tuple[str, ...]) -> list[Column]:
    """Aggregates over judged rows, for `DataFrame.observe` or `DataFrame.agg`: counts come with the pass that is made.

    Args:
        reasons: EVENT_REASONS or TRACK_REASONS.

    Returns:
        rows_read, good, rejected, placeholders (rows that held one), and one column for each reason, by its name.
    """
    return [
        F.count(F.lit(1)).alias("rows_read"),
        F.count_if(_is_good()).alias("good"),
        F.count_if(~_is_good()).alias("rejected"),
        F.count_if(_holds_placeholder()).alias("placeholders"),
        *(F.count_if(F.array_contains("reasons", reason)).alias(reason) for reason in reasons),
    ]


def rejected(judged: DataFrame) -> DataFrame:
    """The rejected rows: file, line, raw, reasons."""
    return judged.where(~_is_good()).select("file", "line", "raw", "reasons")


def with_placeholders(judged: DataFrame) -> DataFrame:
    """The rows that held placeholders: line, and placeholders, the columns' names."""
    return judged.where(_holds_placeholder()).select("line", "placeholders")


def example(raw: DataFrame, judged: DataFrame, reason: str) -> str:
    """A value that was rejected for a reason: what the column holds that the reason is about, or else the row's text.

    Args:
        raw: the records of one file.
        judged: the same, judged; a row of them is rejected for the reason.
        reason: one of EVENT_REASONS or TRACK_REASONS.
    """
    row = rejected(judged).where(F.array_contains("reasons", reason)).take(1)[0]
    column = _COLUMN_OF.get(reason)
    return str(row["raw"] if column is None else raw.where(F.col("line") == row["line"]).take(1)[0][column])


COPIES = "copies"
"""The column that says how many good rows became one."""


def clean_events(judged: DataFrame) -> DataFrame:
    """The good events, each once for each file: file, EVENT_VALUES and COPIES."""
    return judged.where(_is_good()).groupBy("file", *EVENT_VALUES).agg(F.count(F.lit(1)).alias(COPIES))


def clean_tracks(judged: DataFrame) -> DataFrame:
    """The catalogue: of each track_id's good rows the one of the last file by name and in it of the last line.

    Returns:
        track_id, title, artist, album, duration_ms, genre, file and line that they come from, and COPIES.
    """
    values = ("title", "artist", "album", "duration_ms", "genre")
    row = F.struct("file", "line", *values)
    newest = (
        judged.where(_is_good())
        .groupBy("track_id")
        .agg(F.max_by(row, F.struct("file", "line")).alias("row"), F.count(F.lit(1)).alias(COPIES))
    )
    return newest.select("track_id", *(f"row.{name}" for name in (*values, "file", "line")), COPIES)


def kept_counts() -> list[Column]:
    """Aggregates over `clean_events` or `clean_tracks`: what is kept, counted apart from what is judged.

    Returns:
        kept, and duplicates: good rows beyond the first of their kind.
    """
    return [
        F.count(F.lit(1)).alias("kept"),
        F.coalesce(F.sum(F.col(COPIES) - 1), F.lit(0)).alias("duplicates"),
    ]


def in_range(name: str, now: datetime) -> Column:
    """Whether the time in a column is one that an event can have: after 1999, and at most a day ahead of `now`."""
    latest = (now + timedelta(days=1)).isoformat()
    return F.col(name).between(F.lit(_EARLIEST).cast("timestamp"), F.lit(latest).cast("timestamp"))


def _judged(
    rows: DataFrame, faults: dict[str, Column], reasons: tuple[str, ...], values: dict[str, Column]
) -> DataFrame:
    # A malformed row has no values: each of the other faults is null.
    faults = {**faults, "malformed_row": F.col("malformed"), "bad_encoding": F.col("bad_encoding")}
    seen = rows.withColumns({f"is_{reason}": F.coalesce(faults[reason], F.lit(False)) for reason in reasons})
    listed = F.array_compact(F.array(*(F.when(F.col(f"is_{reason}"), F.lit(reason)) for reason in reasons)))
    # Most rows are good, and need no list made.
    is_bad = reduce(or_, (F.col(f"is_{reason}") for reason in reasons))
    found = F.when(is_bad, listed).otherwise(F.array().cast(ArrayType(StringType())))
    return seen.select("file", "line", "raw", found.alias("reasons"), "placeholders", *_named(values)).withColumn(
        "raw", F.when(~_is_good(), F.col("raw"))
    )


def _is_good() -> Column:
    return F.size("reasons") == 0


def _named(columns: dict[str, Column]) -> list[Column]:
    return [column.alias(name) for name, column in columns.items()]


def _trimmed(name: str) -> Column:
    return F.btrim(F.col(name), F.lit(_WHITE_SPACE))


def _name(name: str) -> Column:
    return F.btrim(F.regexp_replace(_spelled(name), r"\p{IsWhite_Space}+", " "), F.lit(" "))


def _without_placeholders(rows: DataFrame, columns: Sequence[str], placeholders: Sequence[str]) -> DataFrame:
    """The rows with nothing where a column holds a placeholder, and these columns' names in a column `placeholders`."""
    if not placeholders:
        return rows.withColumn("placeholders", F.lit(""))
    held = {name: F.col(name).isin(*placeholders) for name in columns}
    names = F.concat_ws(", ", *(F.when(holds, F.lit(name)) for name, holds in held.items()))
    return rows.withColumns(
        {
            "placeholders": F.when(reduce(or_, held.values()), names).otherwise(""),
            **{name: F.when(holds, "").otherwise(F.col(name)) for name, holds in held.items()},
        }
    )


def _holds_placeholder() -> Column:
    return F.col("placeholders") != ""


def _genres(name: str, separator: str, placeholders: Sequence[str]) -> Column:
    """The genres in a column, each once, with SEVERAL between them.

    At commas the field may be a list as Python or JSON writes it: without its brackets, and its items' quotes.
    """
    is_list = separator == ","
    field = F.regexp_replace(name, r"^\[(.*)\]\z", "$1") if is_list else F.col(name)

    def genre(part: Column) -> Column:
        trimmed = F.btrim(part, F.lit(" "))
        return F.btrim(F.regexp_replace(trimmed, r"""^(["'])(.*)\1\z""", "$2"), F.lit(" ")) if is_list else trimmed

    parts = F.transform(F.split(field, rf"\Q{separator}\E"), genre)
    return F.array_join(F.array_distinct(F.filter(parts, lambda part: ~part.isin("", *placeholders))), SEVERAL)


def _non_empty(name: str) -> Column:
    return F.when(F.col(name) != "", F.col(name))


def _longer_than(limit: int, *names: str) -> Column:
    return reduce(or_, (F.octet_length(name) > limit for name in names))


def _timestamp(name: str) -> Column:
    """The ISO 8601 time in a column, UTC unless it has an offset; null where it is none, such as on 30 February."""
    text = F.col(name)
    # Spark's cast takes seconds and offsets in full only.
    in_full = F.upper(F.translate(text, ",", "."))
    for short, full in (
        (r"^(.{16})(?!:)", "$1:00"),
        (r"([+-]\d\d)\z", "$1:00"),
        (r"([+-]\d\d)(\d\d)\z", "$1:$2"),
    ):
        in_full = F.regexp_replace(in_full, short, full)
    return F.when(text.rlike(_ISO_8601_IN_FULL), text).when(text.rlike(_ISO_8601), in_full).try_cast("timestamp")


def _spelled(name: str) -> Column:
    """The name in NFC, without invisible characters."""
    # Imported where it is used: with NumPy it takes half a second, and definitions are loaded often.
    import pyarrow as pa
    import pyarrow.compute as pc

    def spelled(text: pa.Array) -> pa.Array:
        # Few names have any.
        if pc.any(pc.match_substring_regex(text, INVISIBLE)).as_py():
            text = pa.array([name if name is None else visible(name) for name in text.to_pylist()], pa.string())
        return pc.utf8_normalize(text, "NFC")

    udf = arrow_udf(spelled, StringType())  # type: ignore[call-overload]  # its stub demands the default
    found: Column = udf(F.col(name))
    return found
