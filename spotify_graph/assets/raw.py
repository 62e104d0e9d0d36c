"""The group raw: the landed files' records, as text, in the lake. One partition for each file."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg

from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.automation import held_back
from spotify_graph.automation.hooks import recorded_with_its_file
from spotify_graph.automation.partitions import FILES
from spotify_graph.checks import gates as gate
from spotify_graph.code_versions import code_of
from spotify_graph.errors import UserError
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.intake import JUDGED_BY, REFUSED_ROWS, Intake, IntakeLedger
from spotify_graph.io_managers.lake import Lake, LakeVersion
from spotify_graph.io_managers.parquet import shown
from spotify_graph.io_managers.verdicts import Finding, Verdict
from spotify_graph.resources.gates import Gates
from spotify_graph.settings import Settings
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.landing import (
    TRACKS,
    USER_EVENTS,
    BadFile,
    LandedTable,
    check_name,
    copy_landed,
    digest,
    inspect,
    raw_schema,
    read_landed,
    unknown_columns,
)

if TYPE_CHECKING:
    import pyarrow as pa

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
            (
                "raw",
                "string",
                "The record's text, where it isn't the fields joined by commas; the start of over 1 MiB.",
            ),
            *((column, "string", "As in the file.") for column in table.all_columns),
        ),
        check_specs=[
            it.spec(name, FILES[table.name]) for it in (gate.FILE_READABLE, gate.COLUMNS_KNOWN, *gates_of_rows)
        ],
        hooks={recorded_with_its_file(table)},
    )
    def raw(
        context: dg.AssetExecutionContext, gates: Gates
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        settings, file = Settings.load(), check_name(context.partition_key)
        ledger, lake = IntakeLedger(settings.lake, table), Lake(settings.lake)
        taken, findings, version, page = _taken_in(settings, file, table)
        version_name, counts = version.name if version else None, dict[str, int]()
        lake.remove(f"{REFUSED_ROWS}/{file}")
        if version and judged:
            found, counts, rejected = _judge_catalogue(version, gates, settings)
            findings += found
            if any(finding.refuses for finding in found):
                lake.write_table(f"{REFUSED_ROWS}/{file}", rejected)
        intake = taken.intake(findings, version_name, counts)
        if page and intake.verdict.holds:
            yield page
        if judged or version is None:
            held_back.record(context.instance, settings, ledger, file, intake)
        yield from (gate.of_file(finding, name, file, version_name) for finding in findings)
        if not intake.verdict.holds:
            raise held_back.FileRefused(file, intake.refusal)

    return raw


def _taken_in(
    settings: Settings, file: str, table: LandedTable
) -> tuple["_Taken", list[Finding], LakeVersion | None, dg.MaterializeResult[Any] | None]:
    """A landed file's content, what is found of it as a whole, and its records in the lake with their page, if any."""
    name, lake = f"raw_{table.name}", Lake(settings.lake)
    kept = lake.find(f"{name}/{file}")
    if kept and not os.path.lexists(settings.landing / file):
        # What was taken in of it stays, and is judged by the code of now.
        taken = _Taken(kept.path, kept.about["digest"], kept.about["bytes"], None)
        known = _columns_known_before(IntakeLedger(settings.lake, table), file)
        return taken, [gate.file_readable(None), known], kept, pages.as_it_was(name, kept)
    with _taken_over(settings, file, table) as taken:
        findings = [gate.file_readable(taken.fault)]
        if taken.fault:
            return taken, findings, None, None
        findings.append(gate.columns_known(unknown_columns(taken.copy, table)))
        about = {"digest": taken.digest, "bytes": taken.bytes}
        started = monotonic()
        version = lake.write_stream(f"{name}/{file}", read_landed(taken.copy, table), about)
        return taken, findings, version, pages.made(name, version.path, {**about, **shown(version, started)})


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
    spool = settings.lake / "_spool"
    spool.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=spool) as folder:
        copy = Path(folder) / file
        try:
            fault = copy_landed(landed, settings.landing, copy)
            found = landed if fault else copy
            content, size = digest(found), found.lstat().st_size
        except FileNotFoundError:
            raise UserError(
                f"{file} is not in the landing folder {settings.landing} any more: what was taken in of it stays; "
                f"`spotify-graph forget {file}` takes it out"
            ) from None
        yield _Taken(copy, content, size, BadFile(file, fault) if fault else inspect(copy, copy.parent, table))


def _judge_catalogue(
    version: LakeVersion, gates: Gates, settings: Settings
) -> tuple[list[Finding], dict[str, int], "pa.Table"]:
    """What the gates find of a catalogue file's rows, their counts, and the rejected ones."""
    records = version.part.read(raw_schema(TRACKS))
    judged = cleaning.judge_tracks(records, settings.placeholders, settings.genre_separator)
    counts = cleaning.counts(judged, cleaning.TRACK_REASONS)
    counts |= {"cleaned": counts["good"], "duplicates": 0}
    by_reason = {reason: counts[reason] for reason in cleaning.TRACK_REASONS}
    rejected = cleaning.rejected(judged)
    findings = [
        gate.has_rows(version.rows),
        gate.rows_add_up(version.rows, counts["good"], 0, counts["rejected"]),
        gate.rejected_share(
            counts["rows_read"],
            counts["rejected"],
            by_reason,
            gates,
            lambda: rejected.slice(0, gate.SAMPLE).to_pylist(),
            lambda reason: cleaning.example(records, judged, reason),
        ),
        gate.placeholders(
            counts["rows_read"],
            counts["placeholders"],
            lambda: cleaning.with_placeholders(judged).slice(0, gate.SAMPLE).to_pylist(),
        ),
    ]
    return findings, counts, rejected


raw_tracks = _raw_asset(TRACKS, "The records of a landed catalogue file, each with its line.", judged=True)
raw_user_events = _raw_asset(USER_EVENTS, "The records of a landed user-event file, each with its line.", judged=False)
