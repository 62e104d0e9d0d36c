"""Each gate by itself: where its line is, what it says, and that it says nothing it should not."""

import pickle
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from spotify_graph import markdown
from spotify_graph.assets.schema import arrow
from spotify_graph.checks import gates as gate
from spotify_graph.checks import rules
from spotify_graph.errors import UserError
from spotify_graph.lake.verdicts import Acceptance, Finding, Verdict
from spotify_graph.resources.gates import Gates
from spotify_graph.settings import Settings

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
GATES = Gates(rejected_error=0.05, rejected_warn=0.005, duplicates_warn=0.1, drop_error=0.3, stale_warn_hours=24)


@pytest.mark.parametrize(
    ("rejected", "passed", "blocking"),
    [(0, True, True), (5, True, True), (6, False, False), (50, False, False), (51, False, True), (1000, False, True)],
)
def test_rejected_rows_are_tolerated_then_warned_of_then_refused(rejected: int, passed: bool, blocking: bool) -> None:
    row = {"file": "user_events.csv", "line": 2, "raw": "a\tb\x1b[31m", "reasons": ["malformed_row"]}
    rows = pa.Table.from_pylist([row])
    finding = gate.rejected_share(1000, rejected, {"malformed_row": rejected, "bad_encoding": 0}, GATES, rows.to_pylist)
    assert (finding.passed, finding.blocking) == (passed, blocking)
    assert f"{rejected:,} of 1,000 rows rejected" in finding.description
    assert finding.details["by_reason"] == ({"malformed_row": rejected} if rejected else {})
    if not passed:
        [shown] = finding.details["sample"]
        assert shown == r"file='user_events.csv', line=2, raw='a\tb\x1b[31m', reasons=['malformed_row']"


def test_a_few_rejected_rows_are_shown_and_not_at_length() -> None:
    rows = pa.table({"raw": ["x" * 5000] * 9})
    finding = gate.rejected_share(9, 9, {"malformed_row": 9}, GATES, rows.to_pylist)
    assert len(finding.details["sample"]) == gate.SAMPLE
    assert all(len(shown) < 150 for shown in finding.details["sample"])


def test_no_rows_are_no_reason_to_refuse() -> None:
    nothing = pa.schema([("raw", pa.string())]).empty_table()
    assert gate.rejected_share(0, 0, {}, GATES, nothing.to_pylist).passed
    assert gate.duplicate_share(0, 0, GATES).passed
    assert gate.uncatalogued_share(0, 0, GATES, list).passed


def test_columns_that_are_left_aside_are_a_warning_that_names_a_few_of_them_escaped() -> None:
    assert gate.columns_known([]).passed
    finding = gate.columns_known(["ip", "a\x1b", "x" * 5000, *("more",) * 4])
    assert not finding.passed
    assert not finding.refuses
    assert r"'ip', 'a\x1b', 'xxx" in finding.description
    assert finding.description.endswith("and 2 more")
    assert len(finding.description) < 300


def test_rows_that_are_unaccounted_for_are_counted() -> None:
    assert gate.rows_add_up(10, 7, 2, 1).passed
    finding = gate.rows_add_up(10, 6, 2, 1)
    assert finding.refuses
    assert "1 unaccounted for" in finding.description


@pytest.mark.parametrize(("now", "passed"), [(100, True), (71, True), (70, True), (69, False), (0, False), (200, True)])
def test_a_drop_is_stopped_beyond_its_threshold(now: int, passed: bool) -> None:
    finding = gate.no_drop("events", now, 100, GATES)
    assert finding.passed is passed
    assert finding.refuses is not passed
    assert finding.details["before"] == 100


def test_nothing_to_compare_with_or_a_reason_for_it_is_no_drop() -> None:
    assert gate.no_drop("users", 0, None, GATES).passed
    excused = gate.no_drop("users", 0, 100, GATES, "a file was forgotten on purpose since")
    assert excused.passed
    assert "forgotten on purpose" in excused.description


def test_old_news_are_a_warning_that_blocks_nothing() -> None:
    assert gate.freshness(NOW - timedelta(hours=24), NOW, GATES).passed
    stale = gate.freshness(NOW - timedelta(hours=25), NOW, GATES)
    assert not stale.passed
    assert not stale.refuses
    assert gate.freshness(None, NOW, GATES).passed


DECLARED = [("id", "string", ""), ("n", "long", ""), ("tags", "array<string>", "")]


@pytest.mark.parametrize(
    ("found", "faults"),
    [
        (arrow(*DECLARED), ""),
        (arrow(*reversed(DECLARED)), ""),
        (arrow(*DECLARED[:2], ("tags", "array<int>", "")), "tags is of type list<item: int32>, not list<item: string>"),
        (arrow(DECLARED[0], ("n", "int", ""), DECLARED[2]), "n is of type int32, not int64"),
        (arrow(*DECLARED[:2]), "tags is missing"),
        (arrow(*DECLARED, ("more\x1b", "int", "")), r"more\x1b is not declared"),
        (arrow(*DECLARED, DECLARED[0]), "id is there twice"),
        (arrow(("ID", "string", ""), *DECLARED[1:]), "id is missing; ID is not declared"),
    ],
)
def test_the_schema_gate_names_each_column_that_is_not_as_declared(found: pa.Schema, faults: str) -> None:
    finding = gate.schema(found, [dg.TableColumn(name, type_) for name, type_, _ in DECLARED])
    assert finding.refuses == bool(faults)
    assert finding.description == (faults or "3 columns as declared")


def test_a_declared_column_has_its_arrow_type() -> None:
    types = ["string", "int", "long", "double", "boolean", "timestamp", "array<string>"]
    assert arrow(*((type_, type_, "") for type_ in types)).types == [
        pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC"), pa.list_(pa.string()),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="decimal"):
        arrow(("n", "array<decimal>", ""))


def at(*times: str | None) -> pa.Array:
    return pa.array(times, pa.string()).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


INTERACTIONS = pa.table(
    {
        "user_id": ["u1", "u1", "", None],
        "track_id": ["t1"] * 4,
        "event_type": ["play", "dance", "play", "play"],
        "count": pa.array([1, 1, 0, None], pa.int64()),
        "first_ts": at("2026-01-01", "2026-01-01", "2026-01-02", None),
        "last_ts": at("2026-01-02", "2026-01-01", "2026-01-01", "2026-01-01"),
    }
)
BROKEN = {"keys_present": 2, "event_types_allowed": 1, "counts_positive": 2, "times_in_order": 2}
"""How many of the interactions break each rule."""


def test_rules_of_rows_are_counted_and_offenders_sampled_without_their_users() -> None:
    wanted = rules.of_interactions()
    found = rules.broken(wanted, INTERACTIONS)
    assert {name: it.count for name, it in found.items()} == BROKEN
    findings = {finding.check: finding for finding in rules.findings(wanted, found)}
    assert all(finding.refuses for finding in findings.values())
    [offender] = findings["event_types_allowed"].details["sample"]
    assert offender.startswith("track_id='t1', event_type='dance', count=1, first_ts='2026-01-01 00:00:00")
    good = rules.broken(wanted, INTERACTIONS.slice(0, 1))
    assert all(finding.passed for finding in rules.findings(wanted, good))


def test_what_is_broken_in_parts_adds_up_and_rules_can_be_sent_to_where_the_parts_are() -> None:
    wanted = pickle.loads(pickle.dumps(rules.of_interactions()))  # noqa: S301
    whole = pa.concat_tables([INTERACTIONS] * 4)
    parts = [rules.broken(wanted, whole.slice(start, 3)) for start in range(0, len(whole), 3)]
    found = {name: sum((part[name] for part in parts), rules.Broken()) for name in BROKEN}
    assert found == rules.broken(wanted, whole)
    assert {name: (it.count, len(it.examples)) for name, it in found.items()} == {
        name: (4 * count, min(4 * count, gate.SAMPLE)) for name, count in BROKEN.items()
    }


def test_events_have_times_that_can_be() -> None:
    times = at("1999-12-31 23:59:59", "2000-01-01", "2026-01-03 12:00:00", "2026-01-03 12:00:01", None)
    far = pa.array([10**18], pa.int64()).cast(times.type)  # no time of Python's
    rows = pa.table({"event_ts": pa.chunked_array([times, far])})
    for name, value in (("user_id", "u"), ("track_id", "t"), ("event_type", "play")):
        rows = rows.append_column(name, pa.array([value] * len(rows)))
    found = rules.broken(rules.of_events(NOW), rows)
    assert {name: it.count for name, it in found.items()} == {
        "keys_present": 0, "event_types_allowed": 0, "times_in_range": 4,
    }  # fmt: skip
    assert [row["event_ts"] for row in found["times_in_range"].examples][:3] == [
        "1999-12-31 23:59:59.000000", "2026-01-03 12:00:01.000000", None,
    ]  # fmt: skip


def test_what_a_finding_quotes_is_no_markup_on_dagsters_page_and_can_be_read_as_it_was() -> None:
    quoted = "![x](http://127.0.0.1/x) <img src=x> **bold** _soft_ `code` [a](b) a|b $x$ &amp; \\"
    shown = str(gate.result(Finding("file_readable", False, True, f"tracks_1.csv: {quoted}"), "raw_tracks").description)
    assert shown.startswith("tracks_1.csv: ")
    assert not set("!<>[]*`|$\\") & set(shown)
    assert "_soft_" not in shown
    assert markdown.unescaped(shown) == f"tracks_1.csv: {quoted}"


def test_an_accepted_refusal_is_shown_as_passed_with_the_reason_and_what_was_found() -> None:
    refused = Finding("no_drop", False, True, "far fewer", {"before": 10})
    verdict = Verdict((refused, Finding("freshness", False, False, "old")))
    assert not verdict.holds
    accepted = Verdict(verdict.findings, Acceptance("we closed a market", "2026-01-01T00:00:00+00:00"))
    assert accepted.holds
    assert Verdict.from_json(accepted.to_json()) == accepted
    drop, fresh = gate.results(accepted, "interactions")
    assert drop.passed
    assert drop.description == "accepted (we closed a market): far fewer"
    assert not fresh.passed
    assert fresh.severity == dg.AssetCheckSeverity.WARN


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('{"rejected_errors": 0.1}', ["no rejected_errors", "rejected_error,"]),
        ('{"rejected_error": 7}', ["rejected_error"]),
        ('{"rejected_error": "much"}', ["number"]),
        ("much", ["not a JSON object"]),
    ],
)
def test_a_threshold_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, value: str, words: list[str]) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_GATES", value)
    with pytest.raises(UserError, match="SPOTIFY_GRAPH_GATES") as caught:
        Gates.from_settings(Settings.load())
    assert any(word in str(caught.value) for word in words)


def test_a_threshold_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_GATES", '{"drop_error": 0.5}')
    gates = Gates.from_settings(Settings.load())
    assert (gates.drop_error, gates.rejected_error) == (0.5, 0.05)
