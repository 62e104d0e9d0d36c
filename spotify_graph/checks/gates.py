"""The gates as pure functions: from counts that were observed while the data was made, to what a gate finds.

None of them reads data again; the sample of offenders is asked for only where there are some.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from spotify_graph import markdown
from spotify_graph.io_managers.previews import LEFT_OUT
from spotify_graph.lake.intake import way_on
from spotify_graph.lake.verdicts import Acceptance, Finding, Verdict
from spotify_graph.neo4j_io.errors import StagingError
from spotify_graph.neo4j_io.errors import shown as examples
from spotify_graph.neo4j_io.mending import Changes
from spotify_graph.neo4j_io.verification import Verification
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType
from spotify_graph.resources.gates import Gates
from spotify_graph.transforms.arrow_types import arrow_type
from spotify_graph.transforms.landing import BadFile

if TYPE_CHECKING:
    import pyarrow as pa

    from spotify_graph.transforms.evaluation.metrics import Mean

SAMPLE = 5
"""How many offenders a finding shows at most."""
_SHOWN = 120
_KEEP = "SPOTIFY_GRAPH_FOREIGN=keep"
BY_TABLE = "by_table"
"""Where the details of `UNTOUCHED` say of each table how many rows were missing, changed and added."""

Sample = Callable[[], Sequence[object]]
"""Fetches a few offenders."""


@dataclass(frozen=True)
class Gate:
    """A gate as Dagster shows it.

    Attributes:
        name: the asset check's name.
        description: what must hold.
        blocking: whether data that fails it may be kept out of the graph.
    """

    name: str
    description: str
    blocking: bool = True

    def spec(self, asset: str, partitions: dg.PartitionsDefinition[str] | None = None) -> dg.AssetCheckSpec:
        """The asset check that this gate is on an asset, or on each of its partitions."""
        with warnings.catch_warnings():
            # Dagster shows whose partition a result is about; the parameter for it is new.
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.AssetCheckSpec(
                self.name,
                asset=asset,
                description=self.description,
                blocking=self.blocking,
                partitions_def=partitions,
            )


FILE_READABLE = Gate("file_readable", "The file has its table's header and can be read to its end.")
HAS_ROWS = Gate("has_rows", "The file has rows, not its header alone.", blocking=False)
COLUMNS_KNOWN = Gate("columns_known", "The file has no column that is left aside.", blocking=False)
SCHEMA = Gate("schema", "The columns have the declared names and types.")
ROWS_ADD_UP = Gate("rows_add_up", "Rows read = rows kept + duplicates + rejected rows.")
REJECTED_SHARE = Gate("rejected_share", "Few rows are rejected.")
DUPLICATE_SHARE = Gate("duplicate_share", "Few rows are duplicates.", blocking=False)
PLACEHOLDERS = Gate("placeholders", "No row has a placeholder for a value, such as NULL.", blocking=False)
KEYS_PRESENT = Gate("keys_present", "No key is missing.")
KEYS_UNIQUE = Gate("keys_unique", "No key is missing, empty or there twice, and no required value is missing.")
EVENT_TYPES_ALLOWED = Gate("event_types_allowed", "Every event is of a type in the graph model.")
TIMES_IN_RANGE = Gate("times_in_range", "Every time is after 1999, and at most a day ahead.")
COUNTS_POSITIVE = Gate("counts_positive", "Every count is at least 1.")
TIMES_IN_ORDER = Gate("times_in_order", "No first time is after its last time.")
NO_DROP = Gate("no_drop", "There are not suddenly far fewer than at the last publication.")
FRESHNESS = Gate("freshness", "The newest event is recent.", blocking=False)
UNCATALOGUED_SHARE = Gate("uncatalogued_share", "Few events are on tracks that the catalogue lacks.", blocking=False)
EQUALS_SNAPSHOT = Gate("equals_snapshot", "The database's own count and checksum equal the published snapshot's.")
UNTOUCHED = Gate(
    "untouched", "Nobody but this platform changed it in the graph since it was published.", blocking=False
)

NOT_WORSE = Gate(
    "not_worse", "A retrained model is not worse than the published one by more than chance.", blocking=False
)


_DESCRIPTIONS = {it.name: it.description for it in vars().copy().values() if isinstance(it, Gate)}
_AT_MOST = {
    REJECTED_SHARE.name: "of the rows rejected",
    DUPLICATE_SHARE.name: "of the rows duplicates",
    NO_DROP.name: "fewer than at the last publication",
    UNCATALOGUED_SHARE.name: "of the events on tracks that the catalogue lacks",
}
"""What the limits of these gates are of."""
_LIMITS = ("error_over", "warn_over", "warn_over_hours")


def of_file(finding: Finding, asset: str, file: str, version: str | None) -> dg.AssetCheckResult:
    """A finding about a landed file as the result of an asset's check, which names the file."""
    return of_version(replace(finding, description=f"{file}: {finding.description}"), asset, version)


def of_version(finding: Finding, asset: str, version: str | None) -> dg.AssetCheckResult:
    """A finding about a new version as the result of an asset's check; a refusal says how to let the version through.

    Args:
        finding: the finding.
        asset: the asset.
        version: the version's name; None of a file that could not be read.
    """
    return result(with_advice(finding, version) if finding.refuses else finding, asset)


def result(finding: Finding, asset: str, accepted: Acceptance | None = None) -> dg.AssetCheckResult:
    """A finding as the result of an asset's check; a refusal that an operator accepted is passed, and says so."""
    if finding.refuses and accepted:
        description = f"accepted ({accepted.because}): {finding.description}"
        details = {**finding.details, "accepted": accepted.because}
        finding = replace(finding, passed=True, description=description, details=details)
    return dg.AssetCheckResult(
        check_name=finding.check,
        asset_key=asset,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if finding.blocking else dg.AssetCheckSeverity.WARN,
        # Dagster shows it as Markdown, and it may quote what a file holds.
        description=markdown.escaped(finding.description),
        metadata={"found": finding.description, "expected": _expected(finding), **_in_words(finding.details)},
    )


def evaluation(finding: Finding, asset: str) -> dg.AssetCheckEvaluation:
    """A finding as the evaluation of an asset's check, for a step that another one reports the check's result for."""
    found = result(finding, asset)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=finding.check,
        passed=found.passed,
        metadata=found.metadata,
        severity=found.severity,
        description=found.description,
    )


def _expected(finding: Finding) -> str:
    """What would be all right, in words, with the limits that it was held against."""
    limits = {name: finding.details.get(name) for name in ("error_over", "warn_over")}
    words = {name: _percent(value) for name, value in limits.items() if value is not None}
    what = _AT_MOST.get(finding.check)
    if what and words:
        parts = [f"at most {words['error_over']} {what}: more is refused"] if "error_over" in words else []
        parts += [f"at most {words['warn_over']} {what}: more is a warning"] if "warn_over" in words else []
        return "; ".join(parts)
    if hours := finding.details.get("warn_over_hours"):
        return f"at most {_duration(timedelta(hours=hours))} old: older is a warning"
    return _DESCRIPTIONS.get(finding.check, "")


def _in_words(details: Mapping[str, Any]) -> dict[str, Any]:
    """The details of a finding for people: limits are in what was expected, and examples are a list."""
    shown_ones = {name: it for name, it in details.items() if name not in {*_LIMITS, "sample"} and it is not None}
    sample = details.get("sample")
    if sample:
        shown_ones["examples"] = dg.MetadataValue.md("\n".join(f"- {markdown.escaped(each)}" for each in sample))
    return shown_ones


def results(verdict: Verdict, asset: str) -> list[dg.AssetCheckResult]:
    """A verdict as the results of an asset's checks."""
    return [result(finding, asset, verdict.accepted) for finding in verdict.findings]


def file_readable(bad: BadFile | None) -> Finding:
    """Whether a file can be taken in."""
    return _finding(FILE_READABLE, bad is None, bad.reason if bad else "it can be taken in")


def has_rows(read: int) -> Finding:
    """Whether a file has rows."""
    return _finding(HAS_ROWS, read > 0, f"{read:,} rows" if read else "it has a header and no rows", {"rows": read})


def columns_known(unknown: Sequence[str]) -> Finding:
    """Whether a file has no columns but its table's."""
    named = ", ".join(f"'{shown(name)}'" for name in unknown[:SAMPLE])
    more = f" and {len(unknown) - SAMPLE} more" if len(unknown) > SAMPLE else ""
    found = f"columns that are not known are left aside: {named}{more}" if unknown else "every column is known"
    return _finding(COLUMNS_KNOWN, not unknown, found, {"left_aside": len(unknown)})


def rows_add_up(read: int, kept: int, duplicates: int, rejected: int) -> Finding:
    """Whether every row that was read is accounted for; the four numbers are counted independently."""
    lost = read - kept - duplicates - rejected
    found = f"{read:,} read = {kept:,} kept + {duplicates:,} duplicates + {rejected:,} rejected"
    counts = {"read": read, "kept": kept, "duplicates": duplicates, "rejected": rejected}
    return _finding(ROWS_ADD_UP, lost == 0, found if lost == 0 else f"{found} + {lost:,} unaccounted for", counts)


def rejected_share(
    read: int,
    rejected: int,
    by_reason: Mapping[str, int],
    gates: Gates,
    sample: Sample,
    example: Callable[[str], object] | None = None,
) -> Finding:
    """Whether a file's share of rejected rows is tolerable: an error over one threshold, a warning over another.

    Args:
        read: how many rows the file has.
        rejected: how many of them are rejected.
        by_reason: how many for each reason.
        gates: the thresholds.
        sample: fetches a few rejected rows.
        example: fetches a value that was rejected for a reason, where all rejected rows share it.
    """
    share = _share(rejected, read)
    found = f"{rejected:,} of {read:,} rows rejected ({_percent(share)})"
    details = {
        "rejected": rejected,
        "share": share,
        "error_over": gates.rejected_error,
        "warn_over": gates.rejected_warn,
        "by_reason": {reason: count for reason, count in by_reason.items() if count},
    }
    if share <= gates.rejected_warn:
        return _finding(REJECTED_SHARE, True, found, details)
    error = share > gates.rejected_error
    limit = gates.rejected_error if error else gates.rejected_warn
    problem = f"{found}, more than {_percent(limit)}"
    common = next((reason for reason, count in by_reason.items() if count == rejected), None)
    if common:
        problem += f", all for {common}" + (f", such as '{shown(example(common))}'" if example else "")
    problem += "; `spotify-graph rejects` shows them"
    return _finding(REJECTED_SHARE, False, problem, details, lambda: sample()[:SAMPLE], blocking=error)


def duplicate_share(read: int, duplicates: int, gates: Gates) -> Finding:
    """Whether a file's share of duplicate rows is usual."""
    share = _share(duplicates, read)
    found = f"{duplicates:,} of {read:,} rows are duplicates ({_percent(share)})"
    details = {"duplicates": duplicates, "share": share, "warn_over": gates.duplicates_warn}
    return _finding(DUPLICATE_SHARE, share <= gates.duplicates_warn, found, details)


def placeholders(read: int, held: int, sample: Sample) -> Finding:
    """Whether a file has values, and not words that stand for missing ones."""
    found = f"{held:,} of {read:,} rows have a placeholder for a value"
    problem = f"{found}, which is taken for a missing one; SPOTIFY_GRAPH_PLACEHOLDERS lists them"
    return _finding(PLACEHOLDERS, held == 0, problem if held else found, {"rows": held}, sample)


def none_broken(gate: Gate, broken: int, sample: Sample) -> Finding:
    """Whether no row breaks a rule; the threshold is 0."""
    rule = gate.description[0].lower() + gate.description[1:].removesuffix(".")
    found = f"{broken:,} rows break the rule that {rule}" if broken else f"no row breaks the rule that {rule}"
    return _finding(gate, broken == 0, found, {"broken": broken}, sample)


def no_drop(what: str, now: int, before: int | None, gates: Gates, excuse: str | None = None) -> Finding:
    """Whether there are not suddenly far fewer of something.

    Args:
        what: events, users, tracks, ...
        now: how many there are.
        before: how many there were at the last publication, or None where there was none.
        gates: the threshold.
        excuse: why the two are not to be compared, such as a file that was forgotten on purpose.
    """
    details = {"now": now, "before": before, "error_over": gates.drop_error}
    if before is None or excuse:
        return _finding(NO_DROP, True, f"{now:,} {what}; {excuse or 'nothing to compare with yet'}", details)
    drop = _share(before - now, before)
    found = f"{now:,} {what}, {before:,} at the last publication"
    if drop <= gates.drop_error:
        return _finding(NO_DROP, True, found, details)
    problem = f"{found}: {_percent(drop)} fewer, more than {_percent(gates.drop_error)}"
    return _finding(NO_DROP, False, problem, {**details, "drop": drop})


def with_advice(finding: Finding, version: str | None) -> Finding:
    """The refusal of a version, with the way to let it through."""
    details = {**finding.details, "version": version} if version else finding.details
    return replace(finding, description=f"{finding.description}; {way_on(version)}", details=details)


def keys_unique(error: StagingError | None) -> Finding:
    """Whether the rows could be staged: what the database demands of keys and required values holds."""
    if error is None:
        return _finding(KEYS_UNIQUE, True, "every row has its keys and required values, and no two rows the same keys")
    return _finding(KEYS_UNIQUE, False, str(error), sample=lambda: error.examples)


def freshness(newest: datetime | None, now: datetime, gates: Gates) -> Finding:
    """Whether the newest event is recent. Both times have a time zone."""
    if newest is None:
        return _finding(FRESHNESS, True, "no events")
    limit = timedelta(hours=gates.stale_warn_hours)
    found = f"the newest event is of {newest:%Y-%m-%d %H:%M:%S}Z"
    age = now - newest
    old = f"{_duration(age)} old" if age > timedelta() else f"{_duration(-age)} ahead"
    details = {
        "newest": newest.isoformat(),
        "age_hours": round(age / timedelta(hours=1), 2),
        "warn_over_hours": gates.stale_warn_hours,
    }
    return _finding(FRESHNESS, age <= limit, f"{found}: {old}, and the limit is {_duration(limit)}", details)


def aged(verdict: Verdict, now: datetime, gates: Gates) -> Verdict:
    """A verdict of earlier as it is now: with nothing new, the newest event gets older."""
    findings = []
    for it in verdict.findings:
        newest = it.details.get("newest") if it.check == FRESHNESS.name else None
        findings.append(freshness(datetime.fromisoformat(newest), now, gates) if newest else it)
    return replace(verdict, findings=tuple(findings))


def uncatalogued_share(events: int, uncatalogued: int, gates: Gates, sample: Sample) -> Finding:
    """Whether few events are on tracks without a catalogue row."""
    share = _share(uncatalogued, events)
    found = f"{uncatalogued:,} of {events:,} events are on tracks that the catalogue lacks ({_percent(share)})"
    details = {"uncatalogued": uncatalogued, "share": share, "warn_over": gates.uncatalogued_warn}
    return _finding(UNCATALOGUED_SHARE, share <= gates.uncatalogued_warn, found, details, sample)


def schema(found: pa.Schema, declared: Sequence[dg.TableColumn]) -> Finding:
    """Whether columns are exactly the declared ones, in any order; whether they hold nulls is not asked."""
    types = {column.name: arrow_type(column.type) for column in declared}
    faults = [
        *(f"{name} is missing" for name in types if name not in found.names),
        *(f"{name} is not declared" for name in dict.fromkeys(found.names) if name not in types),
        *(f"{name} is there twice" for name in types if found.names.count(name) > 1),
        *(
            f"{field.name} is of type {field.type}, not {types[field.name]}"
            for field in found
            if field.name in types and field.type != types[field.name]
        ),
    ]
    described = "; ".join(map(shown, faults)) if faults else f"{len(types)} columns as declared"
    return _finding(SCHEMA, not faults, described)


def not_worse(improvement: Mean | None) -> Finding:
    """Whether a retrained model holds its own against the published one, on the same held-out days.

    Args:
        improvement: the mean difference in NDCG at 100 with its interval, or None where there is nothing to compare.
    """
    if improvement is None:
        return _finding(NOT_WORSE, True, "there is no published model to compare with on held-out days")
    interval = f"{improvement.value:+.4f} ({improvement.low:+.4f} to {improvement.high:+.4f})"
    found = f"NDCG@100 of never-heard tracks is {interval} against the published model's"
    details = {"difference": improvement.value, "low": improvement.low, "high": improvement.high}
    if improvement.high >= 0:
        return _finding(NOT_WORSE, True, found, details)
    return _finding(NOT_WORSE, False, f"{found}: the published model is kept", details)


def equals_snapshot(verification: Verification) -> Finding:
    """Whether the database holds what was published."""
    differences = verification.differences
    found = "; ".join(differences) if differences else f"{verification.found['count']:,} in the database, as published"
    return _finding(EQUALS_SNAPSHOT, verification.holds, found, {"checksum": dict(verification.found)})


def untouched(table: GraphTable, changes: Sequence[Changes], kept: int) -> Finding:
    """Whether nobody else changed the graph since it was published; what was done where somebody did.

    Args:
        table: the table that is published.
        changes: what somebody else had changed, in this table and in others that it needs.
        kept: how many rows of the table are somebody else's, and kept.
    """
    if not changes:
        theirs = f"; {_rows(kept, table)} somebody else made: kept, as {_KEEP} says" if kept else ""
        return _finding(UNTOUCHED, True, f"nobody else changed it since it was published{theirs}", {"kept": kept})
    parts = [part for it in changes for part in _changed(it)]
    by_table = {it.table.asset: {"missing": 0, "changed": 0, "added": 0} for it in changes}
    for it in changes:
        of_table = by_table[it.table.asset]
        of_table["missing"] += it.missing.rows
        of_table["changed"] += it.changed.rows
        of_table["added"] += it.foreign.found.rows
    numbers = {name: sum(each[name] for each in by_table.values()) for name in ("missing", "changed", "added")}
    return _finding(
        UNTOUCHED,
        False,
        f"the graph was changed by someone else: {'; '.join(parts)}",
        {**numbers, "kept": kept, BY_TABLE: by_table},
    )


def _changed(changes: Changes) -> Iterator[str]:
    """What somebody else changed in one table, and what was done about it."""
    table, missing, changed, foreign = changes.table, changes.missing, changes.changed, changes.foreign
    if missing.rows:
        yield f"{_rows(missing.rows, table)} deleted{examples(missing.examples)}: restored"
    if changed.rows:
        yield f"{_rows(changed.rows, table)} changed{examples(changed.examples)}: as published again"
    if foreign.found.rows:
        added = f"{_rows(foreign.found.rows, table)} added{examples(foreign.found.examples)}"
        gone = ", ".join(f"{count:,} {shown(type_)}" for type_, count in sorted(foreign.relationships.items()))
        removed = f"removed{f' with their relationships ({gone})' if gone else ''}; {_KEEP} keeps what others add"
        yield f"{added}: {f'kept, as {_KEEP} says' if foreign.kept else removed}"


def _rows(count: int, table: GraphTable) -> str:
    what = f"{table.label} node" if isinstance(table, NodeType) else f"{table.type} relationship"
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def shown(value: object) -> str:
    """A value on one line, escaped and not at length; of a row, which is a mapping, each column with its value."""
    match value:
        case str():
            text = repr(value)[1:-1]
        case Mapping():
            # Dagster keeps what it is shown, also of a person who is forgotten.
            text = ", ".join(f"{name}={it!r}" for name, it in value.items() if name not in LEFT_OUT)
        case _:
            text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _finding(
    gate: Gate,
    passed: bool,
    description: str,
    details: Mapping[str, Any] | None = None,
    sample: Sample | None = None,
    blocking: bool | None = None,
) -> Finding:
    offenders = {} if passed or sample is None else {"sample": [shown(row) for row in sample()[:SAMPLE]]}
    return Finding(
        check=gate.name,
        passed=passed,
        blocking=gate.blocking if blocking is None else blocking,
        description=description,
        details={**(details or {}), **offenders},
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _duration(time: timedelta) -> str:
    """A time in the unit that people would use."""
    hours = time / timedelta(hours=1)
    value, unit = (hours / 24, "day") if hours > 2 * 24 else (hours, "hour") if hours >= 1 else (hours * 60, "minute")
    text = f"{value:.0f}" if unit == "minute" else f"{value:,.1f}".removesuffix(".0")
    return f"{text} {unit}{'' if text == '1' else 's'}"
