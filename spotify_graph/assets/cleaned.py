"""Cleaned files: good rows with their types, and bad rows with their reasons."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

import dagster as dg

from spotify_graph import charts, markdown, storage
from spotify_graph.assets.schema import OWNERS, arrow, columns, table_columns
from spotify_graph.automation import held_back
from spotify_graph.automation.conditions import COMBINES_FILES
from spotify_graph.automation.hooks import recorded_with_its_file
from spotify_graph.automation.partitions import LOG_FILES
from spotify_graph.checks import gates as gate
from spotify_graph.checks import rules
from spotify_graph.code_versions import code_of
from spotify_graph.graph_model import EVENT_NAMES
from spotify_graph.io_managers.pages import Pages
from spotify_graph.io_managers.parquet import GATED, shown
from spotify_graph.lake.intake import JUDGED_BY, Entry, Intake, refusal_of
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.verdicts import Finding, Verdict
from spotify_graph.lake.versions import MadeFrom, Record, Version, together
from spotify_graph.parts import Part, by_bucket, divided, scratch
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.lake import LakeResource, LandingFolder
from spotify_graph.resources.spark import SparkResource
from spotify_graph.tasks import events as of_events
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS
from spotify_graph.transforms.landing import raw_schema

BY_DAY = "events by day"
"""The name under which the page of an asset shows them."""
DAYS = "days"
"""How many events a version of cleaned events has of each type by day: a detail of it."""
_COMMON: dict[str, Any] = {"group_name": "cleaned", "kinds": {"parquet", "pyarrow", "spark"}, "owners": OWNERS}

IDS = ("user_id", "string", "The user's id, trimmed."), ("track_id", "string", "The track's id, trimmed.")
_REJECTED = (
    ("file", "string", "The landed file's name."),
    ("line", "long", "The row's first line in the file; the header is line 1."),
    ("raw", "string", "The row's text."),
    ("reasons", "array<string>", "Every reason that applies."),
)
EVENTS = (
    ("file", "string", "The landed file's name."),
    *IDS,
    ("event_type", "string", f"{EVENT_NAMES}."),
    ("event_ts", "timestamp", "When it happened, UTC, microseconds."),
    ("session_id", "string", "The session, where known."),
    ("device", "string", "The device, where known."),
)
CATALOGUE = (
    IDS[1],
    ("title", "string", "The title, where the catalogue has one."),
    ("artist", "string", "The artist's name, where the catalogue has one."),
    ("album", "string", "The album, where the catalogue has one."),
    ("duration_ms", "long", "The length in milliseconds, where known."),
    ("genre", "string", "The genre's name, where the catalogue has one; of several, each on a line."),
    ("file", "string", "The file of the newest row."),
    ("line", "long", "The line of the newest row."),
)
_EVENT_GATES = (
    gate.SCHEMA,
    gate.HAS_ROWS,
    gate.ROWS_ADD_UP,
    gate.REJECTED_SHARE,
    gate.DUPLICATE_SHARE,
    gate.PLACEHOLDERS,
    gate.KEYS_PRESENT,
    gate.EVENT_TYPES_ALLOWED,
    gate.TIMES_IN_RANGE,
)
_CATALOGUE_GATES = (gate.SCHEMA, gate.ROWS_ADD_UP, gate.KEYS_PRESENT)
_JUDGES_EVENTS = code_of(*JUDGED_BY[USER_EVENTS.name])
_JUDGES_TRACKS = code_of(*JUDGED_BY[TRACKS.name], rules.__name__)


@dg.multi_asset(
    outs={
        "cleaned_events": dg.AssetOut(
            **_COMMON,
            description="Every good event of a file, once.",
            metadata=columns(*EVENTS),
            code_version=_JUDGES_EVENTS,
        ),
        "rejected_events": dg.AssetOut(
            **_COMMON,
            description="Every row of an event file that was refused, and why.",
            metadata=columns(*_REJECTED),
            code_version=_JUDGES_EVENTS,
        ),
    },
    deps=["raw_user_events"],
    partitions_def=LOG_FILES,
    check_specs=[it.spec("cleaned_events", LOG_FILES) for it in _EVENT_GATES],
    hooks={recorded_with_its_file(USER_EVENTS)},
)
def clean_events(
    context: dg.AssetExecutionContext,
    spark: SparkResource,
    gates: Gates,
    lake: LakeResource,
    landing: LandingFolder,
    pages: Pages,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Judges the events of a landed file. The verdict on the file is kept with the version that it is about.

    The rows of a file that is refused are in the lake, to be looked at and accepted; its cleaned events do not count as
    materialized.
    """
    file, store = context.partition_key, lake.lake
    it = judge(store, store.latest(f"raw_user_events/{file}"), file, spark, gates, landing, pages)
    yield from it.pages
    intake = Intake(store, USER_EVENTS)
    held_back.record(context.instance, landing.folder, intake, file, it.version, ("rejected_events", it.rejected))
    yield from (gate.of_file(finding, "cleaned_events", file, it.version.name) for finding in it.findings)
    if not it.version.record.holds:
        raise held_back.FileRefused(file, refusal_of(it.version))


@dataclass(frozen=True)
class JudgedFile:
    """A landed file of events whose rows are judged. Nobody sees it in the lake yet.

    Attributes:
        version: its cleaned events, with the verdict.
        rejected: its rejected rows.
        pages: what Dagster's pages say of both; of the events only where the gates let them through.
        findings: what the gates found.
    """

    version: Version
    rejected: Version
    pages: Sequence[dg.MaterializeResult[Any]]
    findings: Sequence[Finding]


def judge(
    store: Lake,
    raw: Version,
    file: str,
    spark: SparkResource,
    gates: Gates,
    landing: LandingFolder,
    pages: Pages,
    *,
    pictures: bool = True,
) -> JudgedFile:
    """Judges and cleans the events of a landed file.

    Args:
        store: the lake.
        raw: the file's records.
        file: its name.
        spark: what large files are worked on by.
        gates: the thresholds.
        landing: what is known of how files are written.
        pages: writes what Dagster's pages say.
        pictures: whether its pages have some: to draw one takes longer than all the rest of a small file.
    """
    few = charts.FEW if pictures else sys.maxsize
    now, started = datetime.now(UTC), monotonic()
    run, count = spark.over(raw.rows), spark.buckets(raw.rows)
    made_from = MadeFrom(landing.code(USER_EVENTS), {f"raw_user_events/{file}": raw.name})
    with scratch(store.root) as folder:
        judge = partial(of_events.judge, now, landing.placeholders, count, folder)
        judged = run(judge, divided(raw.part))
        good = by_bucket([it.good for it in judged], count)
        clean = [partial(of_events.clean, now, arrow(*EVENTS), part) for part in good]
        version, cleaned = store.write_parts(
            f"cleaned_events/{file}",
            clean,
            Record(made_from=made_from, content=raw.record.content),
            run=run,
            buckets=count,
        )
        rejected = [partial(of_events.as_it_is, arrow(*_REJECTED), it.bad) for it in judged]
        bad_rows, _ = store.write_parts(f"rejected_events/{file}", rejected, Record(made_from=made_from))
    counts = _added(*(it.counts for it in judged), *(it.counts for it in cleaned))
    by_reason = {reason: counts[reason] for reason in cleaning.EVENT_REASONS}
    found = {"rows_read": counts["rows_read"], "rejected": counts["rejected"], **by_reason}
    told = {**found, **_reasons(f"Rejected rows of {file}", by_reason, few), **shown(bad_rows, started)}
    told_pages = [pages.made("rejected_events", bad_rows.path, told)]
    days = cleaning.added_days(it.days for it in cleaned)
    examples = {reason: example for it in reversed(judged) for reason, example in it.examples.items()}
    findings = [
        gate.schema(_columns_of(version), table_columns(EVENTS)),
        gate.has_rows(raw.rows),
        gate.rows_add_up(raw.rows, counts["kept"], counts["duplicates"], counts["rejected"]),
        gate.rejected_share(
            counts["rows_read"],
            counts["rejected"],
            by_reason,
            gates,
            lambda: _some(bad_rows),
            examples.__getitem__,
        ),
        gate.duplicate_share(counts["rows_read"], counts["duplicates"], gates),
        gate.placeholders(
            counts["rows_read"],
            counts["placeholders"],
            lambda: [row for it in judged for row in it.with_placeholders][: gate.SAMPLE],
        ),
        *rules.findings(rules.of_events(now), rules.added(it.broken for it in cleaned)),
    ]
    version = version.but(
        verdict=Verdict(tuple(findings)),
        counts={**found, "cleaned": counts["kept"], "duplicates": counts["duplicates"]},
        details={DAYS: days},
    )
    if version.record.holds:
        told = {name: counts[name] for name in ("rows_read", "kept", "duplicates", "rejected")}
        told |= events_by_day(f"Events of {file}", days, version.rows, few)
        page = {"raw_version": raw.name, **shown(version, started), **told}
        told_pages.append(pages.made("cleaned_events", version.path, page))
    return JudgedFile(version, bad_rows, told_pages, findings)


@dg.multi_asset(
    outs={
        "cleaned_tracks": dg.AssetOut(
            **_COMMON,
            description="The catalogue: the newest good row of each track.",
            metadata=columns(*CATALOGUE) | {GATED: True},
            code_version=_JUDGES_TRACKS,
            automation_condition=COMBINES_FILES,
        ),
        "rejected_tracks": dg.AssetOut(
            **_COMMON,
            description="Every row of the catalogue files that was refused, and why.",
            metadata=columns(*_REJECTED),
            code_version=_JUDGES_TRACKS,
            automation_condition=COMBINES_FILES,
        ),
    },
    deps=["raw_tracks"],
    check_specs=[it.spec("cleaned_tracks") for it in _CATALOGUE_GATES],
)
def clean_tracks(
    lake: LakeResource, landing: LandingFolder, pages: Pages
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Combines the catalogue files that the gates let through."""
    started, store = monotonic(), lake.lake.pin()
    intake = Intake(store, TRACKS)
    entries = intake.entries()
    active = intake.active(entries)
    latest = {file: entry.latest for file, entry in entries.items() if entry.latest.files}
    rule: dict[str, Any] = {
        "placeholders": list(landing.placeholders),
        "genre_separator": landing.genre_separator,
    }
    made_from = MadeFrom(
        _JUDGES_TRACKS,
        names(active),
        {**rule, "examined": {file: version.name for file, version in latest.items()}},
    )
    before = up_to_date(store, "cleaned_tracks", made_from)
    if before and before.verdict:
        for asset in ("cleaned_tracks", "rejected_tracks"):
            yield pages.as_it_was(asset, store.latest(asset))
        yield from gate.results(before.verdict, "cleaned_tracks")
        return
    judged = cleaning.judge_tracks(together(active.values()).read(raw_schema(TRACKS)), **rule)
    rows = cleaning.clean_tracks(judged)
    counts = {**cleaning.counts(judged, cleaning.TRACK_REASONS), **cleaning.kept_counts(rows)}
    cleaned, row_rules = rows.drop_columns([cleaning.COPIES]), rules.of_catalogue()
    version = store.write_table("cleaned_tracks", cleaned, Record(made_from=made_from))
    told = {name: counts[name] for name in ("rows_read", "kept", "duplicates", "rejected")}
    yield pages.made("cleaned_tracks", version.path, {**sources(entries), **shown(version, started, **told)})
    of_latest = cleaning.judge_tracks(together(latest.values()).read(raw_schema(TRACKS)), **rule)
    bad_rows = store.write_table("rejected_tracks", cleaning.rejected(of_latest), Record(made_from=made_from))
    by_reason = _sum(entries.values(), cleaning.TRACK_REASONS)
    told = {**by_reason, **_reasons("Rejected rows of the catalogue", by_reason), **shown(bad_rows, started)}
    yield pages.made("rejected_tracks", bad_rows.path, told)
    findings = [
        gate.schema(_columns_of(version), table_columns(CATALOGUE)),
        gate.rows_add_up(
            sum(version.rows for version in active.values()), counts["kept"], counts["duplicates"], counts["rejected"]
        ),
        *rules.findings(row_rules, rules.broken(row_rules, cleaned)),
    ]
    version = version.but(verdict=Verdict(tuple(findings)))
    store.put({"cleaned_tracks": version, "rejected_tracks": bad_rows})
    yield from (gate.of_version(finding, "cleaned_tracks", version.name) for finding in findings)


def events_by_day(
    title: str, days: Mapping[str, Mapping[str, int]], events: int, few: int = charts.FEW
) -> dict[str, Any]:
    """What is shown of `cleaning.days`: a picture, or a table where the events are few."""
    if not events:
        return {}
    ranked = dict(sorted(days.items(), key=lambda it: -sum(it[1].values())))
    shown = charts.of_days(title, "events", ranked) if events > few else charts.days_table(ranked)
    return {BY_DAY: dg.MetadataValue.md(shown)}


def _reasons(title: str, by_reason: Mapping[str, int], few: int = charts.FEW) -> dict[str, Any]:
    """What is shown of the reasons for which rows were rejected: a picture, or a table where they are few."""
    there = {name: count for name, count in by_reason.items() if count and name not in {"rows_read", "rejected"}}
    if not there:
        return {}
    if sum(there.values()) > few:
        shown = charts.of_reasons(title, "rows; one may have several reasons", there)
    else:
        shown = markdown.table(["reason", "rows"], [[name, f"{count:,}"] for name, count in there.items()])
    return {"rejected by reason": dg.MetadataValue.md(shown)}


def _columns_of(version: Version) -> Any:
    """The columns that a version has, as they are in its files."""
    return storage.parquet(version.files[0]).schema_arrow


def _some(version: Version) -> list[object]:
    """A few rejected rows of a version, without their text: it names users, and Dagster would keep it."""
    shown = [name for name, *_ in _REJECTED if name != "raw"]
    parts = (Part((str(file),)).read(arrow(*_REJECTED), shown).slice(0, gate.SAMPLE) for file in version.files)
    return [row for part in parts for row in part.to_pylist()][: gate.SAMPLE]


def _added(*counts: Mapping[str, int]) -> Counter[str]:
    total = Counter[str]()
    for each in counts:
        total.update(each)
    return total


def names(versions: Mapping[str, Version]) -> dict[str, str]:
    """The versions' names, by the entries that they are of."""
    return {entry: version.name for entry, version in versions.items()}


def up_to_date(lake: Lake, asset: str, made_from: MadeFrom) -> Version | None:
    """The latest version, if it would come out the same and its gates have let it through."""
    latest = lake.find(asset)
    return latest if latest and latest.record.holds and latest.record.made_from == made_from else None


def sources(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """What a combination of files is made from, as it is shown."""
    held_back = [file for file, entry in entries.items() if entry.state == "refused"]
    verdicts = {file: entry.latest.verdict for file, entry in entries.items()}
    accepted = {file: it.accepted.because for file, it in verdicts.items() if it and it.accepted}
    return {
        "files": sum(1 for entry in entries.values() if entry.active),
        **({"held_back": held_back} if held_back else {}),
        **({"accepted": accepted} if accepted else {}),
    }


def _sum(entries: Iterable[Entry], reasons: Iterable[str]) -> dict[str, int]:
    """The counts of the files' latest contents, added up; a reason that was not known when a file was taken in is 0."""
    names = ("rows_read", "rejected", *reasons)
    latest = [entry.counts for entry in entries if entry.counts]
    return {name: sum(counts.get(name, 0) for counts in latest) for name in names}
