"""The group raw: the landed files' records, as text, in the lake. One partition for each file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg

from spotify_graph import landing_folder
from spotify_graph.assets.schema import OWNERS, columns
from spotify_graph.automation import held_back
from spotify_graph.automation.hooks import recorded_with_its_file
from spotify_graph.automation.partitions import FILES
from spotify_graph.checks import gates as gate
from spotify_graph.code_versions import code_of
from spotify_graph.errors import UserError
from spotify_graph.io_managers.pages import Pages
from spotify_graph.io_managers.parquet import shown
from spotify_graph.lake import people
from spotify_graph.lake.intake import JUDGED_BY, REFUSED_ROWS, ROWS, Intake, refusal_of
from spotify_graph.lake.removal import WITHHELD
from spotify_graph.lake.verdicts import Finding, Verdict
from spotify_graph.lake.versions import Content, MadeFrom, Record, Version
from spotify_graph.parts import scratch_here
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.lake import LakeResource, LandingFolder
from spotify_graph.storage import Address
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable, check_name, path_of
from spotify_graph.transforms.landing import BadFile, inspect, raw_schema, read_landed, unknown_columns

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
        context: dg.AssetExecutionContext, gates: Gates, lake: LakeResource, landing: LandingFolder, pages: Pages
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        file = check_name(context.partition_key)
        intake = Intake(lake.lake, table)
        version, findings, page = take_in(intake, landing, pages, file)
        others: list[tuple[str, Version]] = []
        if version.files and judged:
            found, counts, rejected = _judge_catalogue(version, gates, landing)
            findings += found
            version = version.but(counts=counts)
            if any(finding.refuses for finding in found):
                others = [(REFUSED_ROWS, intake.lake.write_table(f"{REFUSED_ROWS}/{file}", rejected))]
        if judged or not version.files:
            made_from = MadeFrom(landing.code(table))
            version = version.but(verdict=Verdict(tuple(findings)), made_from=made_from)
            if page and version.record.holds:
                yield page
            held_back.record(context.instance, landing.folder, intake, file, version, *others)
        elif page:
            intake.lake.put({f"{name}/{file}": version})
            yield page
        yield from (gate.of_file(finding, name, file, version.name if version.files else None) for finding in findings)
        if not version.record.holds:
            raise held_back.FileRefused(file, refusal_of(version))

    return raw


def take_in(
    intake: Intake, landing: LandingFolder, pages: Pages, file: str
) -> tuple[Version, list[Finding], dg.MaterializeResult[Any] | None]:
    """A landed file's records as a version that is not seen yet, what is found of the file, and the version's page.

    What could not be read is a version without records, of the asset that the graph is made from.
    """
    table, lake = intake.table, intake.lake
    name = f"raw_{table.name}"
    kept = intake.raw(file)
    if kept and not landing_folder.is_there(landing.folder, path_of(file)):
        # What was taken in of it stays, and is judged by the code of now.
        return kept, [gate.file_readable(None), _columns_known_before(intake, file)], pages.as_it_was(name, kept)
    with _taken_over(landing, lake.root, file, table) as taken:
        findings = [gate.file_readable(taken.fault)]
        if taken.fault:
            return lake.write_nothing(f"{ROWS[table.name]}/{file}", Record(content=taken.content)), findings, None
        findings.append(gate.columns_known(unknown_columns(taken.copy, table)))
        started = monotonic()
        forgotten = people.read(lake.root) if table is USER_EVENTS else people.People()
        records = people.Withheld(read_landed(taken.copy, table), forgotten)
        version = lake.write_stream(f"{name}/{file}", records.reader(), Record(content=taken.content))
        withheld = {WITHHELD: records.rows} if records.rows else {}
        if withheld:
            version = version.but(counts=withheld)
        page = {**vars(taken.content), **withheld, **shown(version, started)}
        return version, findings, pages.made(name, version.path, page)


def _columns_known_before(intake: Intake, file: str) -> Finding:
    """What was found of the columns of a file that has left the landing folder."""
    entry = intake.find(file)
    found = entry.latest.verdict.findings if entry and entry.latest.verdict else ()
    return next((it for it in found if it.check == gate.COLUMNS_KNOWN.name), gate.columns_known([]))


@dataclass(frozen=True)
class _Taken:
    """A landed file's content, copied so that nothing that happens in the landing folder meanwhile changes it."""

    copy: Path
    content: Content
    fault: BadFile | None


@contextmanager
def _taken_over(landing: LandingFolder, lake: Address, file: str, table: LandedTable) -> Iterator[_Taken]:
    path = path_of(file)
    with scratch_here(lake) as folder:
        # It has the key for a name, by which its records are known.
        copy = folder / file
        try:
            fault = landing_folder.copy(landing.folder, path, copy)
            if fault:
                size = landing_folder.size(landing.folder, path)
                content = Content(landing_folder.digest(landing.folder, path), size)
            else:
                content = Content(landing_folder.digest_of_copy(copy), copy.stat().st_size)
        except FileNotFoundError:
            raise UserError(
                f"{file} is not in the landing folder {landing.folder} any more: what was taken in of it stays; "
                f"`spotify-graph forget {file}` takes it out"
            ) from None
        yield _Taken(copy, content, BadFile(file, fault) if fault else inspect(copy, copy.parent, table))


def _judge_catalogue(
    version: Version, gates: Gates, landing: LandingFolder
) -> tuple[list[Finding], dict[str, int], "pa.Table"]:
    """What the gates find of a catalogue file's rows, their counts, and the rejected ones."""
    records = version.part.read(raw_schema(TRACKS))
    judged = cleaning.judge_tracks(records, landing.placeholders, landing.genre_separator)
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
