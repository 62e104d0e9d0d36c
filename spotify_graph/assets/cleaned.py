"""The group cleaned: good rows with their types, bad rows with their reasons, and the interactions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import dagster as dg
from pydantic import Field

from spotify_graph.assets.schema import OWNERS, arrow, columns, ddl, table_columns
from spotify_graph.automation import held_back
from spotify_graph.automation.conditions import COMBINES_FILES
from spotify_graph.automation.hooks import recorded_with_its_file
from spotify_graph.automation.partitions import LOG_FILES
from spotify_graph.checks import gates as gate
from spotify_graph.checks import rules
from spotify_graph.code_versions import code_of
from spotify_graph.io_managers.intake import JUDGED_BY, Entry, Intake, IntakeLedger
from spotify_graph.io_managers.lake import Lake, LakeTable, LakeVersion
from spotify_graph.io_managers.pages import as_it_was, made
from spotify_graph.io_managers.parquet import GATED, must_hold, shown
from spotify_graph.io_managers.verdicts import Verdict
from spotify_graph.neo4j_io import buckets
from spotify_graph.parts import Part, by_bucket, divided, scratch, shuffle
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings
from spotify_graph.tasks import events as of_events
from spotify_graph.tasks import interactions as counting
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, LandedTable, raw_schema

_COMMON: dict[str, Any] = {"group_name": "cleaned", "kinds": {"parquet", "pyarrow", "spark"}, "owners": OWNERS}

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
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Judges the events of a landed file. The verdict on the file is kept with the version that it is about.

    The rows of a file that is refused are in the lake, to be looked at and accepted; its cleaned events do not count as
    materialized.
    """
    file, now, started = context.partition_key, datetime.now(UTC), monotonic()
    lake, ledger = _lake_and_ledger(USER_EVENTS)
    raw = lake.current(f"raw_user_events/{file}")
    run, count = spark.over(raw.rows), buckets.count_for(raw.rows)
    about = {"raw_version": raw.name}
    with scratch(lake.root) as folder:
        judge = partial(of_events.judge, now, Settings.load().placeholders, count, folder)
        judged = run(judge, divided(raw.part))
        good = by_bucket([it.good for it in judged], count)
        clean = [partial(of_events.clean, now, arrow(*_EVENTS), part) for part in good]
        version, cleaned = lake.write_parts(f"cleaned_events/{file}", clean, about, run=run, buckets=count)
        rejected = [partial(of_events.as_it_is, arrow(*_REJECTED), it.bad) for it in judged]
        bad_rows, _ = lake.write_parts(f"rejected_events/{file}", rejected)
    counts = _added(*(it.counts for it in judged), *(it.counts for it in cleaned))
    by_reason = {reason: counts[reason] for reason in cleaning.EVENT_REASONS}
    found = {"rows_read": counts["rows_read"], "rejected": counts["rejected"], **by_reason}
    yield made("rejected_events", bad_rows.path, {**found, **shown(bad_rows, started)})
    examples = {reason: example for it in reversed(judged) for reason, example in it.examples.items()}
    findings = [
        gate.schema(_columns_of(version), table_columns(_EVENTS)),
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
    intake = Intake(
        digest=raw.about["digest"],
        bytes=raw.about["bytes"],
        at=now.isoformat(timespec="seconds"),
        verdict=Verdict(tuple(findings)),
        version=version.name,
        counts={**found, "cleaned": counts["kept"], "duplicates": counts["duplicates"]},
    )
    if intake.verdict.holds:
        told = {name: counts[name] for name in ("rows_read", "kept", "duplicates", "rejected")}
        yield made("cleaned_events", version.path, {**about, **shown(version, started, **told)})
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
def clean_tracks() -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Combines the catalogue files that the gates let through."""
    started = monotonic()
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
    judged = cleaning.judge_tracks(_all(in_force.values()).read(raw_schema(TRACKS)), **rule)
    rows = cleaning.clean_tracks(judged)
    counts = {**cleaning.counts(judged, cleaning.TRACK_REASONS), **cleaning.kept_counts(rows)}
    cleaned, row_rules = rows.drop_columns([cleaning.COPIES]), rules.of_catalogue()
    version = lake.write_table("cleaned_tracks", cleaned, about)
    told = {name: counts[name] for name in ("rows_read", "kept", "duplicates", "rejected")}
    yield made("cleaned_tracks", version.path, {**about, **shown(version, started, **told)})
    of_latest = cleaning.judge_tracks(_all(latest).read(raw_schema(TRACKS)), **rule)
    bad_rows = lake.write_table("rejected_tracks", cleaning.rejected(of_latest))
    by_reason = _sum(entries.values(), cleaning.TRACK_REASONS)
    yield made("rejected_tracks", bad_rows.path, {**by_reason, **shown(bad_rows, started)})
    findings = [
        gate.schema(_columns_of(version), table_columns(_TRACKS)),
        gate.rows_add_up(
            sum(version.rows for version in in_force.values()), counts["kept"], counts["duplicates"], counts["rejected"]
        ),
        *rules.findings(row_rules, rules.broken(row_rules, cleaned)),
    ]
    lake.judge("cleaned_tracks", version, Verdict(tuple(findings)))
    yield from (gate.of_version(finding, "cleaned_tracks", version.name) for finding in findings)


class InteractionsConfig(dg.Config):
    """How interactions are brought up to date."""

    full: bool = Field(False, description="Count everything anew, not only what changed.")


@dg.asset(
    group_name="cleaned",
    kinds={"parquet", "pyarrow", "spark"},
    owners=OWNERS,
    deps=["cleaned_events"],
    metadata=columns(*_INTERACTIONS) | {GATED: True},
    code_version=_COUNTS,
    automation_condition=COMBINES_FILES,
    check_specs=[it.spec("interactions") for it in _INTERACTION_GATES],
)
def interactions(
    config: InteractionsConfig, spark: SparkResource, gates: Gates
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """One row for each user, track and event type, over the event files that the gates let through.

    What came and what went since the last version is counted, and added to it and taken from it.
    """
    now, started = datetime.now(UTC), monotonic()
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
    turnover = None if before is None or anew else _turnover(lake, before, in_force)
    version, counted = _counted(lake, spark, list(in_force.values()), before, turnover, about)
    how = "all" if turnover is None else f"{len(turnover.came) + len(turnover.went)} versions of files"
    told = {"events": sum(it.events for it in counted)}
    yield made("interactions", version.path, {**about, "counted_anew": how, **shown(version, started, **told)})
    newest = max((it.newest for it in counted if it.newest is not None), default=None)
    latest = None if newest is None else datetime.fromtimestamp(newest / 1e6, UTC)
    findings = [
        gate.schema(_columns_of(version), table_columns(_INTERACTIONS)),
        *rules.findings(rules.of_interactions(), rules.added(it.broken for it in counted)),
        gate.no_drop("events", *_events_now_and_before(entries, before), gates),
        gate.freshness(latest, now, gates),
    ]
    lake.judge("interactions", version, Verdict(tuple(findings)))
    yield from (gate.of_version(finding, "interactions", version.name) for finding in findings)


@dataclass(frozen=True)
class _Turnover:
    """The versions of files that came, went and stayed since a version of the interactions."""

    came: list[LakeVersion]
    went: list[LakeVersion]
    stayed: list[LakeVersion]


def _turnover(lake: Lake, before: LakeVersion, in_force: Mapping[str, LakeVersion]) -> _Turnover | None:
    """What became of files since; None where one that went is not in the lake any more."""
    sources: dict[str, str] = before.about["sources"]
    stays = {file: sources.get(file) == version.name for file, version in in_force.items()}
    went = {file: name for file, name in sources.items() if file not in in_force or in_force[file].name != name}
    try:
        return _Turnover(
            came=[version for file, version in in_force.items() if not stays[file]],
            went=[lake.version(f"cleaned_events/{file}", name) for file, name in went.items()],
            stayed=[version for file, version in in_force.items() if stays[file]],
        )
    except FileNotFoundError:
        return None


def _counted(
    lake: Lake,
    spark: SparkResource,
    in_force: list[LakeVersion],
    before: LakeVersion | None,
    turnover: _Turnover | None,
    about: Mapping[str, Any],
) -> tuple[LakeVersion, list[counting.Counted]]:
    """The next version of the interactions, by bucket of their users: counted anew, or as far as they changed."""
    import pyarrow as pa

    events, columns_ = arrow(*_EVENTS), arrow(*_INTERACTIONS)
    count = buckets.count_for(sum(version.rows for version in in_force))
    new = in_force if turnover is None else turnover.came + turnover.went
    run = spark.over(sum(version.rows for version in new))
    with scratch(lake.root) as folder:

        def by_user(rows: Part, read: Callable[[Part], Any]) -> list[Part]:
            return shuffle(rows, read, "user_id", count, folder, run)

        whole = partial(counting.read, events)
        if before is None or turnover is None:
            tasks = [partial(counting.count, events, part) for part in by_user(_all(in_force), whole)]
            return lake.write_parts("interactions", tasks, about, run=run, buckets=count)
        came, went, stayed = map(_all, (turnover.came, turnover.went, turnover.stayed))
        touched = counting.touched(events, came, went)
        of_stayed = partial(counting.read_touched, events, touched)
        files = map(counting.Files, by_user(came, whole), by_user(went, whole), by_user(stayed, of_stayed))
        known = by_user(before.part, partial(Part.read, schema=columns_))
        changes = [partial(counting.change, events, columns_, *each) for each in zip(known, files, strict=True)]
        about = {**about, "before": before.name}
        version, counted = lake.write_parts("interactions", changes, about, run=run, buckets=count)
        lake.keep_changes(version, pa.concat_tables(it.changes for it in counted if it.changes is not None))
        return version, counted


def read(root: Path) -> dict[str, LakeTable]:
    """What the graph is computed from, as its assets are given it: the rows that the gates let through, by asset.

    Args:
        root: the lake's root.

    Raises:
        FileNotFoundError: an asset was never materialized.
        UserError: its gates did not let its current version through.
    """
    lake, ledger = Lake(root), IntakeLedger(root, USER_EVENTS)
    found = {"cleaned_events": LakeTable(list(ledger.in_force(ledger.entries()).values()), ddl(_EVENTS))}
    for asset, declared in {"cleaned_tracks": _TRACKS, "interactions": _INTERACTIONS}.items():
        version = lake.current(asset)
        must_hold(asset, version)
        found[asset] = LakeTable([version], ddl(declared))
    return found


def _all(versions: Iterable[LakeVersion]) -> Part:
    """The rows of several versions."""
    return Part(tuple(str(file) for version in versions for file in version.files))


def _columns_of(version: LakeVersion) -> Any:
    """The columns that a version has, as they are in its files."""
    import pyarrow.parquet as pq

    return pq.read_schema(version.files[0])


def _some(version: LakeVersion) -> list[object]:
    """A few rows of a version."""
    parts = (Part((str(file),)).read(arrow(*_REJECTED)).slice(0, gate.SAMPLE) for file in version.files)
    return [row for part in parts for row in part.to_pylist()][: gate.SAMPLE]


def _added(*counts: Mapping[str, int]) -> Counter[str]:
    total = Counter[str]()
    for each in counts:
        total.update(each)
    return total


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
