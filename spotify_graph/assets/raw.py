"""The group raw: the landed files' records, as text, in the lake."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from pyspark.sql import DataFrame

from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.errors import UserError
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings
from spotify_graph.transforms.landing import (
    TRACKS,
    USER_EVENTS,
    BadFile,
    LandedTable,
    inspect,
    landed_files,
    read_landed,
)

FILES_READABLE = "files_readable"
"""The check that tells which landed files were held back, and why."""


def _raw_asset(table: LandedTable, description: str) -> dg.AssetsDefinition:
    name = f"raw_{table.name}"

    @dg.asset(
        name=name,
        group_name="raw",
        kinds={"csv", "parquet", "spark"},
        owners=OWNERS,
        description=description,
        metadata=columns(
            ("file", "string", "The landed file's name."),
            ("line", "long", "The record's first line in the file; the header is line 1."),
            ("malformed", "boolean", "Whether the record can't be split into the header's fields."),
            ("bad_encoding", "boolean", "Whether the record isn't UTF-8."),
            ("raw", "string", "The record's text, where it isn't just the fields joined by commas."),
            *((column, "string", "As in the file.") for column in table.all_columns),
        ),
        check_specs=[dg.AssetCheckSpec(FILES_READABLE, asset=name, description="Every landed file can be taken in.")],
    )
    def raw(spark: SparkResource) -> Iterator[dg.Output[DataFrame] | dg.AssetCheckResult]:
        folder = Settings.load().landing
        files = must_have_landed(folder, table)
        bad = [fault for file in files if (fault := inspect(file, folder, table))]
        good = _without(files, bad)
        if not good:
            raise UserError(f"{bad[0].file} in {folder}, like every {table.patterns[0]} there: {bad[0].reason}")
        yield dg.Output(read_landed(spark.spark_session, good, table), metadata={"files": [file.name for file in good]})
        yield dg.AssetCheckResult(
            check_name=FILES_READABLE,
            passed=not bad,
            severity=dg.AssetCheckSeverity.ERROR,
            description="; ".join(f"{fault.file} was held back: {fault.reason}" for fault in bad) or None,
            metadata={fault.file: fault.reason for fault in bad},
        )

    return raw


def must_have_landed(folder: Path, table: LandedTable) -> list[Path]:
    """The table's files in the landing folder.

    Raises:
        UserError: there is no such folder, or none of the table's files is in it.
    """
    files = landed_files(folder, table)
    if not files:
        raise UserError(
            f"no {table.patterns[0]} in {folder}: put the logs there, set SPOTIFY_GRAPH_LANDING,"
            " or make some with `spotify-graph generate`"
        )
    return files


def _without(files: list[Path], bad: list[BadFile]) -> list[Path]:
    held_back = {fault.file for fault in bad}
    return [file for file in files if file.name not in held_back]


raw_tracks = _raw_asset(TRACKS, "The records of the landed catalogue files, each with its file and line.")
raw_user_events = _raw_asset(USER_EVENTS, "The records of the landed user-event files, each with its file and line.")
