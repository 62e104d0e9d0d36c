"""The contestants `pyarrow` and `duckdb`: how long one process takes for what goes before the graph, and nothing else.

Landed events are read, cleaned, freed of duplicates, and counted by user, track and type, in memory. No raw record is
kept, no rejected row, no version, no verdict, and no file is written: what is left is about the least that it takes.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.loading import process, server
from benchmarks.loading.measurement import Measurement
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.settings import Settings
from spotify_graph.transforms.cleaning import EVENT_VALUES

_NEEDED = EVENT_VALUES[:4]
_FILES = "user_events*.csv"
_COUNTED = "counted.json"


def measure(home: Path, engine: str) -> Measurement:
    """Runs an engine over the landed events."""
    server.local(home)
    home.mkdir(parents=True)
    whole_s, peak_mb = process.run_module("yardstick", engine, server=lambda: None)
    counted = json.loads((home / _COUNTED).read_text())
    contents = {type_.relationship.asset: {"count": counted[type_.name]} for type_ in EVENT_TYPES}
    return Measurement(whole_s, {}, peak_mb, contents, counted_s=whole_s)


def main() -> None:
    """Counts; writes in the settings' home how many relationships there are of each type."""
    settings = Settings.load()
    count = {"pyarrow": _with_arrow, "duckdb": _with_duckdb}[sys.argv[1]]
    (settings.home / _COUNTED).write_text(json.dumps(count(Path(settings.landing_address))))


def _with_arrow(landing: Path) -> Mapping[str, int]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pa_csv

    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys(EVENT_VALUES, pa.string()), strings_can_be_null=True)
    rows = pa.concat_tables(pa_csv.read_csv(file, convert_options=convert) for file in sorted(landing.glob(_FILES)))
    trimmed = {name: pc.utf8_trim_whitespace(rows[name]) for name in rows.column_names}
    trimmed["event_type"] = pc.utf8_lower(trimmed["event_type"])
    trimmed["event_ts"] = pc.cast(trimmed["event_ts"], pa.timestamp("us", "UTC"))
    read = pa.table(trimmed)
    good = pc.is_in(read["event_type"], pa.array([type_.name for type_ in EVENT_TYPES]))
    for name in _NEEDED:
        good = pc.and_(good, pc.is_valid(read[name]))
    distinct = read.filter(good).group_by(read.column_names).aggregate([])
    counted = distinct.group_by(["user_id", "track_id", "event_type"]).aggregate(
        [([], "count_all"), ("event_ts", "min"), ("event_ts", "max")]
    )
    by_type = counted.group_by("event_type").aggregate([([], "count_all")])
    return dict(zip(by_type["event_type"].to_pylist(), by_type["count_all"].to_pylist(), strict=True))


def _with_duckdb(landing: Path) -> Mapping[str, int]:
    import duckdb

    types = ", ".join(f"'{type_.name}'" for type_ in EVENT_TYPES)
    query = f"""
        WITH read AS (
            SELECT * REPLACE (lower(trim(event_type)) AS event_type, try_cast(trim(event_ts) AS TIMESTAMP) AS event_ts,
                              nullif(trim(user_id), '') AS user_id, nullif(trim(track_id), '') AS track_id)
            FROM read_csv('{landing}/{_FILES}', all_varchar = true)
        ),
        good AS (
            SELECT DISTINCT * FROM read
            WHERE user_id IS NOT NULL AND track_id IS NOT NULL AND event_ts IS NOT NULL AND event_type IN ({types})
        ),
        counted AS (
            SELECT user_id, track_id, event_type, count(*) AS count, min(event_ts) AS first_ts, max(event_ts) AS last_ts
            FROM good GROUP BY ALL
        )
        SELECT event_type, count(*), sum(count), min(first_ts), max(last_ts) FROM counted GROUP BY event_type
    """  # noqa: S608 - names of our own
    with duckdb.connect() as engine:
        return {row[0]: row[1] for row in engine.execute(query).fetchall()}


if __name__ == "__main__":
    main()
