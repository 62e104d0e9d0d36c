"""The group raw: the landed files' records, as text, in the lake. One partition for each file."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from pyspark.sql import SparkSession

from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.automation.partitions import FILES
from spotify_graph.checks import gates as gate
from spotify_graph.code_versions import code_of
from spotify_graph.errors import UserError
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.intake import JUDGED_BY, Intake, IntakeLedger
from spotify_graph.io_managers.lake import Lake, LakeVersion
from spotify_graph.io_managers.verdicts import Finding, Verdict
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.landing import (
    TRACKS,
    USER_EVENTS,
    BadFile,
    LandedTable,
    check_name,
    digest,
    inspect,
    place_fault,
    raw_schema,
    read_landed,
    unknown_columns,
)

_READ_BY = "spotify_graph.transforms.landing"


def _raw_asset(table: LandedTable, description: str, judged: bool) -> dg.AssetsDefinition:
    """The asset of a kind of files. Where no asset by file follows, the rows are judged at once (`judged`)."""
    name = f"raw_{table.name}"
    gates_of_rows = [gate.HAS_ROWS, gate.ROWS_ADD_UP, gate.REJECTED_SHARE, gate.PLACEHOLDERS] if judged else []

    @dg.asset(
        name=name,
        group_name="raw",
        kinds={"csv", "parquet"},
        owners=OWNERS,
        description=description,
        code_version=code_of(_READ_BY, *(JUDGED_BY[table.name] if judged else ())),
        partitions_def=FILES[table.name],
        metadata=columns(
            ("file", "string", "The landed file's name."),
            ("line", "long", "The record's first line in the file; the header is line 1."),
            ("malformed", "boolean", "Whether the record can't be split into the header's fields."),
            ("bad_encoding", "boolean", "Whether the record isn't UTF-8."),
            ("raw", "string", "The record's text, where it isn't just the fields joined by commas."),
            *((column, "string", "As in the file.") for column in table.all_columns),
        ),
        check_specs=[it.spec(name) for it in (gate.FILE_READABLE, gate.COLUMNS_KNOWN, *gates_of_rows)],
        # A file that can't be read has a verdict, and no rows.
        output_required=False,
    )
    def raw(
        context: dg.AssetExecutionContext, spark: SparkResource, gates: Gates
    ) -> Iterator[dg.Output[Any] | dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        settings, file = Settings.load(), check_name(context.partition_key)
        ledger, kept = IntakeLedger(settings.lake, table), Lake(settings.lake).find(f"{name}/{file}")
        if kept and not os.path.lexists(settings.landing / file):
            # What was taken in of it stays, and is judged by the code of now.
            taken = _Taken(kept.path, kept.about["digest"], kept.about["bytes"], None)
            readable, columns_known = gate.file_readable(None), _columns_known_before(ledger, file)
            yield pages.as_it_was(name, kept)
        else:
            with _taken_over(settings, file, table) as taken:
                readable = gate.file_readable(taken.fault)
                if taken.fault:
                    ledger.record(context.partition_key, taken.intake([readable]))
                    yield gate.result(readable, name)
                    return
                columns_known = gate.columns_known(unknown_columns(taken.copy, table))
                rows = read_landed(taken.copy, table)
                yield dg.Output(rows, metadata={"digest": taken.digest, "bytes": taken.bytes})
        yield gate.result(readable, name)
        yield gate.result(columns_known, name)
        if judged:
            version = Lake(settings.lake).current(f"{name}/{context.partition_key}")
            findings, counts = _judge_catalogue(spark.spark_session, version, gates, settings)
            of_file = taken.intake([readable, columns_known, *findings], version.name, counts)
            ledger.record(context.partition_key, of_file)
            yield from (gate.result(finding, name) for finding in findings)

    return raw


def _columns_known_before(ledger: IntakeLedger, file: str) -> Finding:
    """What was found of the columns of a file that has left the landing folder."""
    entry = ledger.find(file)
    found = entry.latest.verdict.findings if entry else ()
    return next((it for it in found if it.check == gate.COLUMNS_KNOWN.name), gate.columns_known([]))


@dataclass(frozen=True)
class _Taken:
    """A landed file's content, copied so that nothing that happens in the landing folder meanwhile changes it."""

    copy: Path
    digest: str
    bytes: int
    fault: BadFile | None

    def intake(
        self, findings: Sequence[Finding], version: str | None = None, counts: dict[str, int] | None = None
    ) -> Intake:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return Intake(self.digest, self.bytes, at, Verdict(tuple(findings)), version, counts or {})


@contextmanager
def _taken_over(settings: Settings, file: str, table: LandedTable) -> Iterator[_Taken]:
    landed = settings.landing / file
    try:
        fault = place_fault(landed, settings.landing)
    except (OSError, RuntimeError):
        fault = "it cannot be opened"
    if not (landed.exists() or landed.is_symlink()):
        raise UserError(
            f"{file} is not in the landing folder {settings.landing} any more: what was taken in of it stays; "
            f"`spotify-graph forget {file}` takes it out"
        )
    spool = settings.lake / "_spool"
    spool.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=spool) as folder:
        copy = Path(folder) / file
        if fault is None:
            try:
                shutil.copyfile(landed, copy)
            except OSError as error:
                fault = f"it cannot be read: {error.strerror}"
        if fault is None:
            yield _Taken(copy, digest(copy), copy.stat().st_size, inspect(copy, copy.parent, table))
        else:
            bad = inspect(landed, settings.landing, table) or BadFile(file, fault)
            yield _Taken(copy, digest(landed), landed.lstat().st_size, bad)


def _judge_catalogue(
    spark: SparkSession, version: LakeVersion, gates: Gates, settings: Settings
) -> tuple[list[Finding], dict[str, int]]:
    """What the gates find of a catalogue file's rows, and their counts."""
    records = version.read(spark, raw_schema(TRACKS))
    judged = cleaning.judge_tracks(records, settings.placeholders, settings.genre_separator)
    counts = judged.agg(*cleaning.counts(cleaning.TRACK_REASONS)).first().asDict()  # type: ignore[union-attr]
    counts |= {"cleaned": counts["good"], "duplicates": 0}
    by_reason = {reason: counts[reason] for reason in cleaning.TRACK_REASONS}
    rejected = cleaning.rejected(judged)
    return [
        gate.has_rows(version.rows),
        gate.rows_add_up(version.rows, counts["good"], 0, counts["rejected"]),
        gate.rejected_share(
            counts["rows_read"],
            counts["rejected"],
            by_reason,
            gates,
            rejected,
            lambda reason: cleaning.example(records, judged, reason),
        ),
        gate.placeholders(
            counts["rows_read"],
            counts["placeholders"],
            lambda: cleaning.with_placeholders(judged).take(gate.SAMPLE),
        ),
    ], counts


raw_tracks = _raw_asset(TRACKS, "The records of a landed catalogue file, each with its line.", judged=True)
raw_user_events = _raw_asset(USER_EVENTS, "The records of a landed user-event file, each with its line.", judged=False)
