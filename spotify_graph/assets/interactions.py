"""The interactions: what every user did with every track, counted, and what else is counted of the same events."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

import dagster as dg
from pydantic import Field

from spotify_graph import charts
from spotify_graph.assets.cleaned import BY_DAY as _BY_DAY
from spotify_graph.assets.cleaned import CATALOGUE, DAYS, EVENTS, IDS, events_by_day, names, sources, up_to_date
from spotify_graph.assets.schema import OWNERS, arrow, columns, ddl, table_columns
from spotify_graph.automation.conditions import COMBINES_FILES
from spotify_graph.checks import gates as gate
from spotify_graph.checks import rules
from spotify_graph.code_versions import code_of
from spotify_graph.graph_model import EVENT_NAMES
from spotify_graph.io_managers.pages import Pages
from spotify_graph.io_managers.parquet import GATED, must_hold, shown
from spotify_graph.lake import keyed
from spotify_graph.lake.intake import Entry, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.verdicts import Verdict
from spotify_graph.lake.versions import LakeTable, MadeFrom, Record, Version, together
from spotify_graph.parts import Part, scratch, shuffle
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.lake import LakeResource
from spotify_graph.resources.spark import SparkResource
from spotify_graph.tasks import interactions as counting
from spotify_graph.transforms import cleaning, popularity
from spotify_graph.transforms.landed_files import USER_EVENTS

_INTERACTIONS = (
    *IDS,
    ("event_type", "string", f"{EVENT_NAMES}."),
    ("count", "long", "How many such events the user has on the track."),
    ("first_ts", "timestamp", "When the first one happened, UTC."),
    ("last_ts", "timestamp", "When the last one happened, UTC."),
)


_INTERACTION_GATES = (
    gate.SCHEMA,
    gate.KEYS_PRESENT,
    gate.EVENT_TYPES_ALLOWED,
    gate.COUNTS_POSITIVE,
    gate.TIMES_IN_ORDER,
    gate.NO_DROP,
    gate.FRESHNESS,
)


_COUNTS = code_of(counting.__name__, rules.__name__, keyed.__name__)

_EVENTS, _NEWEST = "events", "newest"
"""How many events the interactions are of, and when the newest one happened, in microseconds since 1970."""
_OTHERS = (counting.DEVICES, counting.POPULARITY)
_ROW_GATES = tuple(it.name for it in rules.of_interactions())
_SHARE = 0.5
"""Where more of the events come and go, all are counted."""
_DRAWN = "drawn"
"""The chart that is shown, and what it is of: a detail of their versions."""
_KEPT = "kept"
"""How many events of each landed file the interactions are of: a detail of their versions."""


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
    config: InteractionsConfig, spark: SparkResource, gates: Gates, lake: LakeResource, pages: Pages
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """One row for each user, track and event type, over the event files that the gates let through.

    What came and what went since the last version is counted, and added to it and taken from it.
    """
    now, started, store = datetime.now(UTC), monotonic(), lake.lake.pin()
    intake = Intake(store, USER_EVENTS)
    entries = intake.entries()
    active = intake.active(entries)
    before = store.active("interactions")
    made_from = MadeFrom(_COUNTS, names(active))
    current = None if config.full else up_to_date(store, "interactions", made_from)
    if current and current.verdict:
        yield pages.as_it_was("interactions", current)
        # The rows are as they were; the time is not.
        yield from gate.results(gate.aged(current.verdict, now, gates), "interactions")
        return
    turnover = None if before is None or config.full else _turnover(store, before, active)
    if before is None or turnover is None:
        done, how = _counted(store, spark, active.values(), Record(made_from=made_from)), "all"
    else:
        done = _revised(store, spark, before, turnover, Record(made_from=made_from))
        how = f"{len(turnover.came) + len(turnover.went)} versions of files"
    chart = _chart(active.values(), before, done.events, now)
    yield pages.made(
        "interactions",
        done.version.path,
        {**sources(entries), **chart, "counted": how, **shown(done.version, started, events=done.events)},
    )
    kept = {file: entry.in_graph for file, entry in entries.items() if entry.in_graph is not None}
    newest = None if done.newest is None else datetime.fromtimestamp(done.newest / 1e6, UTC)
    findings = [
        gate.schema(done.version.table(counting.INTERACTIONS).schema, table_columns(_INTERACTIONS)),
        *rules.findings(rules.of_interactions(), done.broken),
        gate.no_drop("events", *_events_now_and_before(kept, before, entries), gates),
        gate.freshness(newest, now, gates),
    ]
    version = done.version.but(
        verdict=Verdict(tuple(findings)),
        counts={_EVENTS: done.events},
        details={_KEPT: kept, _NEWEST: done.newest, **_drawn(chart, before, done.events, now)},
    )
    store.put({"interactions": version})
    yield from (gate.of_version(finding, "interactions", version.name) for finding in findings)


def _chart(active: Iterable[Version], before: Version | None, events: int, now: datetime) -> dict[str, Any]:
    """The events of all files by day, from the sums that are kept with each; drawn anew only where that is due."""
    kept = before.record.details.get(_DRAWN) if before else None
    if kept and not charts.is_due(events, kept["events"], datetime.fromisoformat(kept["at"]), now):
        return {_BY_DAY: dg.MetadataValue.md(kept["shown"])}
    # A file that an earlier version of this project cleaned has none until it is cleaned anew.
    days = [it.record.details[DAYS] for it in active if DAYS in it.record.details]
    return events_by_day(f"Events of all files, {now:%Y-%m-%d}", cleaning.added_days(days), events if days else 0)


def _drawn(chart: Mapping[str, Any], before: Version | None, events: int, now: datetime) -> dict[str, Any]:
    """What is kept of a chart, so that the next version need not draw it."""
    if not chart:
        return {}
    kept, shown = before.record.details.get(_DRAWN) if before else None, chart[_BY_DAY].value
    if kept and kept["shown"] == shown:
        return {_DRAWN: kept}
    return {_DRAWN: {"events": events, "at": now.isoformat(), "shown": shown}}


@dataclass(frozen=True)
class _Done:
    """A new version of the interactions.

    Attributes:
        version: the version.
        events: how many events they are of.
        newest: when the newest one happened, in microseconds since 1970; None without any.
        broken: from `rules.broken`, of the rows that are new in it.
    """

    version: Version
    events: int
    newest: int | None
    broken: Mapping[str, rules.Broken]


@dataclass(frozen=True)
class _Turnover:
    """The versions of files that came, went and stayed since a version of the interactions."""

    came: list[Version]
    went: list[Version]
    stayed: list[Version]

    @property
    def rows(self) -> int:
        """How many events come and go."""
        return sum(version.rows for version in (*self.came, *self.went))


def _turnover(lake: Lake, before: Version, active: Mapping[str, Version]) -> _Turnover | None:
    """What became of files since; None where all is to be counted anew.

    That is where the code changed, where rows broke a rule and were accepted, where a version that went is not in the
    lake any more, and where so much changes that the rest is little.
    """
    refusals = before.verdict.refusals if before.verdict else []
    if before.record.made_from.code != _COUNTS or any(it.check in _ROW_GATES for it in refusals):
        return None
    sources = before.record.made_from.inputs
    stays = {entry: sources.get(entry) == version.name for entry, version in active.items()}
    went = {entry: name for entry, name in sources.items() if entry not in active or active[entry].name != name}
    try:
        turnover = _Turnover(
            came=[version for entry, version in active.items() if not stays[entry]],
            went=[lake.version(entry, name) for entry, name in went.items()],
            stayed=[version for entry, version in active.items() if stays[entry]],
        )
    except FileNotFoundError:
        return None
    return turnover if turnover.rows <= _SHARE * before.record.counts[_EVENTS] else None


def _counted(lake: Lake, spark: SparkResource, active: Collection[Version], record: Record) -> _Done:
    """Counts all events, by bucket of their users."""
    import pyarrow as pa

    events, rows = arrow(*EVENTS), sum(version.rows for version in active)
    run, whole = spark.over(rows), partial(counting.read, events)

    def others(counted: list[counting.Counted]) -> dict[str, pa.Table]:
        of = {name: pa.concat_tables(it.others[name] for it in counted) for name in _OTHERS}
        return {**of, counting.POPULARITY: popularity.added(of[counting.POPULARITY])}

    with scratch(lake.root) as folder:
        parts = shuffle(together(active), whole, "user_id", spark.buckets(rows), folder, run)
        tasks = [partial(counting.count, events, part) for part in parts]
        version, counted = lake.write_tables(
            "interactions", counting.INTERACTIONS, tasks, others, counting.KEYS, record, run=run
        )
    return _Done(
        version,
        sum(it.events for it in counted),
        max((it.newest for it in counted if it.newest is not None), default=None),
        rules.added(it.broken for it in counted),
    )


def _revised(lake: Lake, spark: SparkResource, before: Version, turnover: _Turnover, record: Record) -> _Done:
    """Counts the events that come and go, by bucket of their users where they are many."""
    import pyarrow.compute as pc

    events, run = arrow(*EVENTS), spark.over(turnover.rows)
    tables = {name: before.table(name) for name in before.record.tables}
    came, went, stayed = map(together, (turnover.came, turnover.went, turnover.stayed))
    with scratch(lake.root) as folder:
        whole, count = partial(counting.read, events), spark.buckets(turnover.rows)
        of_users = (shuffle(part, whole, "user_id", count, folder, run) for part in (came, went))
        files = [counting.Files(new, old, stayed) for new, old in zip(*of_users, strict=True)]
        drafted = run(partial(counting.draft, events, tables), files)
    active = Part((*came.files, *stayed.files))
    changes = counting.changes(events, tables, drafted, active, run)
    version = lake.revise_tables("interactions", counting.INTERACTIONS, before, changes, record, run=run)
    of_pairs = changes[counting.INTERACTIONS]
    return _Done(
        version,
        before.record.counts[_EVENTS] + sum(it.events for it in drafted),
        _newest(before.record.details[_NEWEST], drafted, active),
        rules.broken(rules.of_interactions(), of_pairs.filter(pc.is_valid(of_pairs["count"]))),
    )


def _newest(before: int | None, drafted: Iterable[counting.Drafted], active: Part) -> int | None:
    """When the newest event happened, in microseconds since 1970."""
    gone = [it.gone for it in drafted if it.gone is not None]
    if before is not None and gone and max(gone) >= before:
        spans = map(counting.span_of, active.files)
        return max((span[1] for span in spans if span), default=None)
    return max((at for at in (before, *(it.newest for it in drafted)) if at is not None), default=None)


def _events_now_and_before(
    kept: Mapping[str, int], before: Version | None, entries: Mapping[str, Entry]
) -> tuple[int, int | None]:
    """How many events the files hold, and how many those did that are still there: only `forget` takes one away."""
    now = sum(kept.values())
    if before is None:
        return now, None
    return now, sum(count for file, count in before.record.details[_KEPT].items() if file in entries)


def must_go_on(lake: Lake) -> None:
    """Makes sure that the gates let the events of all files together go on, for what reads these and not their counts.

    Raises:
        FileNotFoundError: they were never counted.
        UserError: a gate refused the latest count.
    """
    must_hold("interactions", lake.latest("interactions"))


def read(lake: Lake) -> dict[str, LakeTable]:
    """What the graph is computed from, as its assets are given it: the rows that the gates let through, by asset.

    Args:
        lake: the lake.

    Raises:
        FileNotFoundError: an asset was never materialized.
        UserError: its gates did not let its latest version through.
    """
    lake = lake.pin()
    intake = Intake(lake, USER_EVENTS)
    found = {"cleaned_events": LakeTable(intake.active(intake.entries()), ddl(EVENTS))}
    for asset, declared in {"cleaned_tracks": CATALOGUE, "interactions": _INTERACTIONS}.items():
        version = lake.latest(asset)
        must_hold(asset, version)
        found[asset] = LakeTable({asset: version}, ddl(declared))
    return found
