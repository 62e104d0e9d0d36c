"""Each gate by itself: where its line is, what it says, and that it says nothing it should not."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spotify_graph.checks import gates as gate
from spotify_graph.checks import rules
from spotify_graph.errors import UserError
from spotify_graph.io_managers.verdicts import Acceptance, Finding, Verdict
from spotify_graph.resources.gates import Gates
from spotify_graph.settings import Settings

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
GATES = Gates(rejected_error=0.05, rejected_warn=0.005, duplicates_warn=0.1, drop_error=0.3, stale_warn_hours=24)


@pytest.mark.parametrize(
    ("rejected", "passed", "blocking"),
    [(0, True, True), (5, True, True), (6, False, False), (50, False, False), (51, False, True), (1000, False, True)],
)
def test_rejected_rows_are_tolerated_then_warned_of_then_refused(
    spark: SparkSession, rejected: int, passed: bool, blocking: bool
) -> None:
    row = ("user_events.csv", 2, "a\tb\x1b[31m", ["malformed_row"])
    rows = spark.createDataFrame([row], "file string, line long, raw string, reasons array<string>")
    finding = gate.rejected_share(1000, rejected, {"malformed_row": rejected, "bad_encoding": 0}, GATES, rows)
    assert (finding.passed, finding.blocking) == (passed, blocking)
    assert f"{rejected:,} of 1,000 rows rejected" in finding.description
    assert finding.details["by_reason"] == ({"malformed_row": rejected} if rejected else {})
    if not passed:
        [shown] = finding.details["sample"]
        assert "\x1b" not in shown
        assert r"a\tb\x1b[31m" in shown


def test_no_rows_are_no_reason_to_refuse(spark: SparkSession) -> None:
    nothing = spark.createDataFrame([], "raw string")
    assert gate.rejected_share(0, 0, {}, GATES, nothing).passed
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


def test_the_schema_gate_names_each_column_that_is_not_as_declared(spark: SparkSession) -> None:
    declared = [dg.TableColumn("id", "string"), dg.TableColumn("n", "long"), dg.TableColumn("tags", "array<string>")]
    good = spark.createDataFrame([("a", None, None)], "id string, n long, tags array<string>")
    assert gate.schema(good, declared).passed
    for bad, culprit in (
        (good.withColumn("n", F.col("n").cast("int")), "n"),
        (good.drop("tags"), "tags"),
        (good.withColumn("more", F.lit(1)), "more"),
    ):
        finding = gate.schema(bad, declared)
        assert finding.refuses
        assert culprit in finding.description


def test_rules_of_rows_are_counted_and_offenders_sampled(spark: SparkSession) -> None:
    rows = spark.sql("""
        SELECT * FROM VALUES
          ('u1', 't1', 'play', 1L, TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02'),
          ('u1', 't1', 'dance', 1L, TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01'),
          ('', 't1', 'play', 0L, TIMESTAMP '2026-01-02', TIMESTAMP '2026-01-01'),
          (NULL, 't1', 'play', NULL, NULL, TIMESTAMP '2026-01-01')
        AS (user_id, track_id, event_type, count, first_ts, last_ts)""")
    wanted = rules.of_interactions()
    counts = rows.agg(*rules.broken_counts(wanted)).collect()[0].asDict()
    assert counts == {"keys_present": 2, "event_types_allowed": 1, "counts_positive": 2, "times_in_order": 2}
    findings = {finding.check: finding for finding in rules.findings(wanted, counts, rows)}
    assert all(finding.refuses for finding in findings.values())
    [offender] = findings["event_types_allowed"].details["sample"]
    assert "dance" in offender


def test_events_have_times_that_can_be(spark: SparkSession) -> None:
    rows = spark.sql("""
        SELECT 'u' user_id, 't' track_id, 'play' event_type, at event_ts FROM VALUES
          (TIMESTAMP '1999-12-31 23:59:59'), (TIMESTAMP '2000-01-01'), (TIMESTAMP '2026-01-03 12:00:00'),
          (TIMESTAMP '2026-01-03 12:00:01'), (NULL) AS (at)""")
    counts = rows.agg(*rules.broken_counts(rules.of_events(NOW))).collect()[0].asDict()
    assert counts == {"keys_present": 0, "event_types_allowed": 0, "times_in_range": 3}


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
