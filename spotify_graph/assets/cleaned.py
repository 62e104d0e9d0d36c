"""The group cleaned: good rows with their types, bad rows with their reasons, and the interactions."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from spotify_graph.assets.schema import OWNERS, columns, ddl, table_columns
from spotify_graph.automation import held_back
from spotify_graph.automation.conditions import COMBINES_FILES
from spotify_graph.automation.hooks import recorded_with_its_file
from spotify_graph.automation.partitions import LOG_FILES
from spotify_graph.checks import gates as gate
from spotify_graph.checks import rules
from spotify_graph.code_versions import code_of
from spotify_graph.io_managers.intake import JUDGED_BY, Entry, Intake, IntakeLedger
from spotify_graph.io_managers.lake import Lake, LakeVersion, read_all
from spotify_graph.io_managers.pages import as_it_was, made
from spotify_graph.io_managers.parquet import GATED, Observed, must_hold, write
from spotify_graph.io_managers.verdicts import Verdict
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings
from spotify_graph.transforms import cleaning
from spotify_graph.transforms import interactions as counting
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, LandedTable, raw_schema

_COMMON: dict[str, Any] = {"group_name": "cleaned", "kinds": {"parquet", "spark"}, "owners": OWNERS}

_ID = ("user_id", "string", "The user's id, trimmed."), ("track_id", "string", "The track's id, trimmed.")
_REJECTED = (
    ("file", "string", "The landed file's name."),
    ("line", "long", "The row's first line in the file; the header is line 1."),
    ("raw", "string", "The row's text."),
    ("reasons", "array<string>", "Every reason that applies."),
)
_EVENTS = (
    ("file", "string", "The landed file's name."),
    *_ID,
    ("event_type", "string", "play, skip, like, pause or seek."),
    ("event_ts", "timestamp", "When it happened, UTC, microseconds."),
    ("session_id", "string", "The session, where known."),
    ("device", "string", "The device, where known."),
)
_TRACKS = (
    _ID[1],
    ("title", "string", "The title, where the catalogue has one."),
    ("artist", "string", "The artist's name, where the catalogue has one."),
    ("album", "string", "The album, where the catalogue has one."),
    ("duration_ms", "long", "The length in milliseconds, where known."),
    ("genre", "string", "The genre's name, where the catalogue has one; of several, each on a line."),
    ("file", "string", "The file of the newest row."),
    ("line", "long", "The line of the newest row."),
)
_INTERACTIONS = (
    *_ID,
    ("event_type", "string", "play, skip, like, pause or seek."),
    ("count", "long", "How many such events the user has on the track."),
    ("first_ts", "timestamp", "When the first one happened, UTC."),
    ("last_ts", "timestamp", "When the last one happened, UTC."),
)

_SHOWN = ("rows_read", "kept", "duplicates", "rejected")

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
_INTERACTION_GATES = (
    gate.SCHEMA,
    gate.KEYS_PRESENT,
    gate.EVENT_TYPES_ALLOWED,
    gate.COUNTS_POSITIVE,
    gate.TIMES_IN_ORDER,
    gate.NO_DROP,
    gate.FRESHNESS,
)

_JUDGES_EVENTS = code_of(*JUDGED_BY[USER_EVENTS.name])
_JUDGES_TRACKS = code_of(*JUDGED_BY[TRACKS.name], rules.__name__)
_COUNTS = code_of(counting.__name__, rules.__name__)


@dg.multi_asset(
    outs={
        "cleaned_events": dg.AssetOut(
            **_COMMON,
            description="Every good event of a file, once.",
            metadata=columns(*_EVENTS),
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
    context: dg.AssetExecutionContext, spark: SparkResource, gates: Gates
) -> Iterator[dg.Output[DataFrame | Observed] | dg.MaterializeResult[DataFrame] | dg.AssetCheckResult]:
    """Judges the events of a landed file. The verdict on the file is kept with the version that it is about.

    The rows of a file that is refused are in the lake, to be looked at and accepted; its cleaned events do not count as
    materialized.
    """
    file, now = context.partition_key, datetime.now(UTC)
    lake, ledger = _lake_and_ledger(USER_EVENTS)
    raw = lake.current(f"raw_user_events/{file}")
    records = raw.read(spark.spark_session, raw_schema(USER_EVENTS))
    judged = cleaning.judge_events(records, now, Settings.load().placeholders)
    seen, kept = Observation(), Observation()
    events = cleaning.clean_events(judged.observe(seen, *cleaning.counts(cleaning.EVENT_REASONS)))
    row_rules = rules.of_events(now)
    cleaned = events.observe(kept, *cleaning.kept_counts(), *rules.broken_counts(row_rules)).drop(cleaning.COPIES)
    about = {"raw_version": raw.name}
    version, shown = write(lake, f"cleaned_events/{file}", Observed(cleaned, (seen, kept), _SHOWN), about)
    counts = {**seen.get, **kept.get}
    bad_rows = cleaning.rejected(judged)
    by_reason = {reason: counts[reason] for reason in cleaning.EVENT_REASONS}
    found = {"rows_read": counts["rows_read"], "rejected": counts["rejected"], **by_reason}
    yield _rejected(bad_rows, found, "rejected_events")
    findings = [
        gate.schema(cleaned, table_columns(_EVENTS)),
        gate.has_rows(raw.rows),
        gate.rows_add_up(raw.rows, counts["kept"], counts["duplicates"], counts["rejected"]),
        gate.rejected_share(
            counts["rows_read"],
            counts["rejected"],
            by_reason,
            gates,
            bad_rows,
            lambda reason: cleaning.example(records, judged, reason),
        ),
        gate.duplicate_share(counts["rows_read"], counts["duplicates"], gates),
        gate.placeholders(
            counts["rows_read"],
            counts["placeholders"],
            lambda: cleaning.with_placeholders(judged).take(gate.SAMPLE),
        ),
        *rules.findings(row_rules, counts, cleaned),
    ]
    intake = Intake(
        digest=raw.about["digest"],
        bytes=raw.about["bytes"],
        at=now.isoformat(timespec="seconds"),
        verdict=Verdict(tuple(findings)),
        version=version.name,
        counts={**found, "cleaned": counts["kept"], "duplicates": counts["duplicates"]},
    )
    if intake.verdict.holds:
        yield made("cleaned_events", version.path, {**about, **shown})
    held_back.record(context.instance, Settings.load(), ledger, file, intake)
    yield from (gate.of_file(finding, "cleaned_events", file, version.name) for finding in findings)
    if not intake.verdict.holds:
        raise held_back.FileRefused(file, intake.refusal)


@dg.multi_asset(
    outs={
        "cleaned_tracks": dg.AssetOut(
            **_COMMON,
            description="The catalogue: the newest good row of each track.",
            metadata=columns(*_TRACKS) | {GATED: True},
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
    spark: SparkResource,
) -> Iterator[dg.Output[DataFrame | Observed] | dg.MaterializeResult[DataFrame] | dg.AssetCheckResult]:
    """Combines the catalogue files that the gates let through."""
    lake, ledger = _lake_and_ledger(TRACKS)
    entries = ledger.entries()
    in_force = ledger.in_force(entries)
    latest = [lake.current(f"raw_tracks/{entry.file}") for entry in entries.values() if entry.latest.version]
    settings = Settings.load()
    rule: dict[str, Any] = {
        "placeholders": list(settings.placeholders),
        "genre_separator": settings.genre_separator,
    }
    about = {
        **_sources(in_force, entries),
        "code": _JUDGES_TRACKS,
        "examined": [version.name for version in latest],
        "settings": rule,
    }
    before = _up_to_date(lake, "cleaned_tracks", about)
    if before and before.verdict:
        for asset in ("cleaned_tracks", "rejected_tracks"):
            yield as_it_was(asset, lake.current(asset))
        yield from gate.results(before.verdict, "cleaned_tracks")
        return
    judged = cleaning.judge_tracks(read_all(spark.spark_session, in_force.values(), raw_schema(TRACKS)), **rule)
    seen, kept = Observation(), Observation()
    tracks = cleaning.clean_tracks(judged.observe(seen, *cleaning.counts(cleaning.TRACK_REASONS)))
    row_rules = rules.of_catalogue()
    cleaned = tracks.observe(kept, *cleaning.kept_counts(), *rules.broken_counts(row_rules)).drop(cleaning.COPIES)
    yield dg.Output(Observed(cleaned, (seen, kept), _SHOWN), "cleaned_tracks", metadata=about)
    counts = {**seen.get, **kept.get}
    of_latest = cleaning.judge_tracks(read_all(spark.spark_session, latest, raw_schema(TRACKS)), **rule)
    yield _rejected(cleaning.rejected(of_latest), _sum(entries.values(), cleaning.TRACK_REASONS), "rejected_tracks")
    findings = [
        gate.schema(cleaned, table_columns(_TRACKS)),
        gate.rows_add_up(
            sum(version.rows for version in in_force.values()), counts["kept"], counts["duplicates"], counts["rejected"]
        ),
        *rules.findings(row_rules, counts, cleaned),
    ]
    version = lake.current("cleaned_tracks")
    lake.judge("cleaned_tracks", version, Verdict(tuple(findings)))
    yield from (gate.of_version(finding, "cleaned_tracks", version.name) for finding in findings)


class InteractionsConfig(dg.Config):
    """How interactions are brought up to date."""

    full: bool = Field(False, description="Count everything anew, not only what changed.")


@dg.asset(
    group_name="cleaned",
    kinds={"parquet", "spark"},
    owners=OWNERS,
    deps=["cleaned_events"],
    metadata=columns(*_INTERACTIONS) | {GATED: True},
    code_version=_COUNTS,
    automation_condition=COMBINES_FILES,
    check_specs=[it.spec("interactions") for it in _INTERACTION_GATES],
)
def interactions(
    config: InteractionsConfig, spark: SparkResource, gates: Gates
) -> Iterator[dg.Output[DataFrame | Observed] | dg.MaterializeResult[DataFrame] | dg.AssetCheckResult]:
    """One row for each user, track and event type, over the event files that the gates let through.

    Only the pairs of user and track that files which came, changed or went have events of are counted anew.
    """
    session, now = spark.spark_session, datetime.now(UTC)
    lake, ledger = _lake_and_ledger(USER_EVENTS)
    entries = ledger.entries()
    in_force = ledger.in_force(entries)
    before = lake.passed("interactions")
    about = {**_sources(in_force, entries), "code": _COUNTS}
    current = None if config.full else _up_to_date(lake, "interactions", about)
    if current and current.verdict:
        yield as_it_was("interactions", current)
        # The rows are as they were; the time is not.
        yield from gate.results(gate.aged(current.verdict, now, gates), "interactions")
        return
    anew = before is None or config.full or before.about.get("code") != _COUNTS
    changed = None if before is None or anew else _changed(lake, before, in_force)
    events = read_all(session, in_force.values(), ddl(_EVENTS))
    if before is None or changed is None:
        rows = counting.interactions(events)
    else:
        rows = counting.updated(
            before.read(session, ddl(_INTERACTIONS)), read_all(session, changed, ddl(_EVENTS)), events
        )
    counted, row_rules = Observation(), rules.of_interactions()
    totals = [
        F.coalesce(F.sum("count"), F.lit(0)).alias("events"),
        F.max(F.unix_micros("last_ts")).alias("newest"),
    ]
    observed = rows.observe(counted, *totals, *rules.broken_counts(row_rules))
    how = "all" if changed is None else f"{len(changed)} versions of files"
    yield dg.Output(Observed(observed, (counted,), ("events",)), metadata={**about, "counted_anew": how})
    counts = counted.get
    latest = None if counts["newest"] is None else datetime.fromtimestamp(counts["newest"] / 1e6, UTC)
    findings = [
        gate.schema(rows, table_columns(_INTERACTIONS)),
        *rules.findings(row_rules, counts, rows),
        gate.no_drop("events", *_events_now_and_before(entries, before), gates),
        gate.freshness(latest, now, gates),
    ]
    version = lake.current("interactions")
    lake.judge("interactions", version, Verdict(tuple(findings)))
    yield from (gate.of_version(finding, "interactions", version.name) for finding in findings)


def read(spark: SparkSession, root: Path) -> dict[str, DataFrame]:
    """What the graph is computed from, as its assets are given it: the rows that the gates let through, by asset.

    Args:
        spark: the session.
        root: the lake's root.

    Raises:
        FileNotFoundError: an asset was never materialized.
        UserError: its gates did not let its current version through.
    """
    lake, ledger = Lake(root), IntakeLedger(root, USER_EVENTS)
    found = {"cleaned_events": read_all(spark, ledger.in_force(ledger.entries()).values(), ddl(_EVENTS))}
    for asset, declared in {"cleaned_tracks": _TRACKS, "interactions": _INTERACTIONS}.items():
        version = lake.current(asset)
        must_hold(asset, version)
        found[asset] = version.read(spark, ddl(declared))
    return found


def _lake_and_ledger(table: LandedTable) -> tuple[Lake, IntakeLedger]:
    root = Settings.load().lake
    return Lake(root), IntakeLedger(root, table)


def _up_to_date(lake: Lake, asset: str, about: Mapping[str, Any]) -> LakeVersion | None:
    """The current version, if it would come out the same and its gates have let it through."""
    passed = lake.passed(asset)
    if passed is None or passed.name != lake.current(asset).name:
        return None
    same = all(passed.about.get(name) == about.get(name) for name in ("sources", "examined", "settings", "code"))
    return passed if same else None


def _changed(lake: Lake, before: LakeVersion, in_force: Mapping[str, LakeVersion]) -> list[LakeVersion] | None:
    """The versions of files that came or went since; None where one that went is not in the lake any more."""
    sources: dict[str, str] = before.about["sources"]
    came = [version for file, version in in_force.items() if sources.get(file) != version.name]
    went = {file: name for file, name in sources.items() if file not in in_force or in_force[file].name != name}
    try:
        return came + [lake.version(f"cleaned_events/{file}", name) for file, name in went.items()]
    except FileNotFoundError:
        return None


def _sources(in_force: Mapping[str, LakeVersion], entries: Mapping[str, Entry]) -> dict[str, Any]:
    """What a combination of files is made from: kept with its version, and shown with it."""
    held_back = [file for file, entry in entries.items() if entry.state == "refused"]
    accepted = {
        file: entry.latest.verdict.accepted.because for file, entry in entries.items() if entry.latest.verdict.accepted
    }
    kept = {file: entry.in_force.counts["cleaned"] for file, entry in entries.items() if entry.in_force}
    return {
        "files": len(in_force),
        "sources": {file: version.name for file, version in in_force.items()},
        "kept": kept,
        **({"held_back": held_back} if held_back else {}),
        **({"accepted": accepted} if accepted else {}),
    }


def _events_now_and_before(entries: Mapping[str, Entry], before: LakeVersion | None) -> tuple[int, int | None]:
    """How many events the files hold, and how many those did that are still there: only `forget` takes one away."""
    now = sum(entry.in_force.counts["cleaned"] for entry in entries.values() if entry.in_force)
    if before is None:
        return now, None
    return now, sum(count for file, count in before.about["kept"].items() if file in entries)


def _sum(entries: Iterable[Entry], reasons: Iterable[str]) -> dict[str, int]:
    """The counts of the files' latest contents, added up; a reason that was not known when a file was taken in is 0."""
    names = ("rows_read", "rejected", *reasons)
    latest = [entry.latest.counts for entry in entries if entry.latest.counts]
    return {name: sum(counts.get(name, 0) for counts in latest) for name in names}


def _rejected(rows: DataFrame, counts: Mapping[str, int], name: str) -> dg.Output[DataFrame | Observed]:
    """The rejected rows, with their counts by reason."""
    # Good files need no second pass to find nothing.
    return dg.Output(rows if counts["rejected"] else rows.limit(0), name, metadata=dict(counts))
