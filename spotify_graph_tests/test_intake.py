from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotify_graph.errors import UserError
from spotify_graph.io_managers.intake import Forgotten, Intake, IntakeLedger
from spotify_graph.io_managers.verdicts import Finding, Verdict
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, LandedTable

PASSED = Verdict((Finding("few_rejected", True, True, "none"), Finding("recent", False, False, "old")))
REFUSED = Verdict((Finding("few_rejected", False, True, "far too many", {"sample": ["a\\n"]}),))
CODE = IntakeLedger(Path(), USER_EVENTS).code
GOOD = Intake("digest-1", 10, "2026-01-01T00:00:00+00:00", PASSED, "v1", {"rows_read": 3, "cleaned": 3}, CODE)
BAD = Intake("digest-2", 20, "2026-01-02T00:00:00+00:00", REFUSED, "v2", {"rows_read": 9, "cleaned": 1}, CODE)
FILE = "user_events.csv"


@pytest.fixture
def ledger(tmp_path: Path) -> IntakeLedger:
    return IntakeLedger(tmp_path, USER_EVENTS)


def test_a_file_that_was_never_examined_is_not_known(ledger: IntakeLedger) -> None:
    assert ledger.find(FILE) is None
    assert ledger.entries() == {}
    assert not ledger.knows(FILE, "digest-1")


@pytest.mark.parametrize("table", [TRACKS, USER_EVENTS])
def test_a_file_is_stale_where_words_are_placeholders_now_that_were_not(
    tmp_path: Path, table: LandedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    IntakeLedger(tmp_path, table).record(FILE, GOOD)
    assert IntakeLedger(tmp_path, table).knows(FILE, "digest-1")
    monkeypatch.setenv("SPOTIFY_GRAPH_PLACEHOLDERS", '["-"]')
    assert not IntakeLedger(tmp_path, table).knows(FILE, "digest-1")


def test_the_separator_of_genres_is_no_rule_of_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [IntakeLedger(tmp_path, table).code for table in (TRACKS, USER_EVENTS)]
    monkeypatch.setenv("SPOTIFY_GRAPH_GENRE_SEPARATOR", ";")
    same = [IntakeLedger(tmp_path, table).code for table in (TRACKS, USER_EVENTS)]
    assert [code == it for code, it in zip(before, same, strict=True)] == [False, True]


def test_a_warning_lets_a_file_through(ledger: IntakeLedger) -> None:
    entry = ledger.record(FILE, GOOD)
    assert entry.state == "passed"
    assert entry.in_force == GOOD
    assert ledger.find(FILE) == entry
    assert ledger.knows(FILE, "digest-1")


def test_a_refused_file_contributes_nothing(ledger: IntakeLedger) -> None:
    entry = ledger.record(FILE, BAD)
    assert (entry.state, entry.in_force) == ("refused", None)
    assert ledger.knows(FILE, "digest-2"), "it needs no second look until it changes"


def test_a_refused_replacement_leaves_in_force_what_was_there(ledger: IntakeLedger) -> None:
    ledger.record(FILE, GOOD)
    entry = ledger.record(FILE, BAD)
    assert (entry.state, entry.latest, entry.in_force) == ("refused", BAD, GOOD)
    assert not ledger.knows(FILE, "digest-1"), "the old content, landed again, is taken in again"


def test_an_accepted_version_is_in_force_with_the_reason(ledger: IntakeLedger) -> None:
    ledger.record(FILE, GOOD)
    assert ledger.accept("v1", "nothing refused it") is None
    ledger.record(FILE, BAD)
    entry = ledger.accept("v2", "known and harmless")
    assert entry is not None
    assert entry.state == "accepted"
    assert entry.in_force is not None
    assert entry.in_force.version == "v2"
    assert entry.latest.verdict.accepted is not None
    assert entry.latest.verdict.accepted.because == "known and harmless"
    assert ledger.find(FILE) == entry
    assert ledger.accept("v3", "there is none") is None


def test_a_forgotten_file_stays_out_until_it_has_left_the_landing_folder(ledger: IntakeLedger) -> None:
    ledger.record(FILE, GOOD)
    before = datetime.now(UTC)
    assert ledger.forget(FILE) is not None
    assert ledger.find(FILE) is None
    assert ledger.knows(FILE, "digest-1")
    assert not ledger.knows(FILE, "digest-2"), "other content under the name is new"
    last = ledger.last_forgotten()
    assert last is not None
    assert last >= before
    ledger.release(lambda it: it.released)
    assert ledger.knows(FILE, "digest-1")
    ledger.release(lambda it: it == Forgotten(FILE, "digest-1", it.at))
    assert not ledger.knows(FILE, "digest-1")
    assert ledger.last_forgotten() == last, "what explains a drop is remembered"


def test_forgetting_takes_the_files_rows_out_of_the_lake(ledger: IntakeLedger, tmp_path: Path) -> None:
    for asset in ("raw_user_events", "cleaned_events", "rejected_events"):
        (tmp_path / asset / FILE / "v1").mkdir(parents=True)
        (tmp_path / asset / "other.csv" / "v1").mkdir(parents=True)
    ledger.record(FILE, GOOD)
    ledger.forget(FILE)
    left = {path.parent.name: path.name for path in tmp_path.glob("*/*.csv")}
    assert left == dict.fromkeys(("raw_user_events", "cleaned_events", "rejected_events"), "other.csv")


def test_forgetting_an_unknown_file_changes_nothing(ledger: IntakeLedger) -> None:
    assert ledger.forget(FILE) is None
    assert ledger.forgotten() == {}


def test_entries_are_in_the_order_of_the_names(ledger: IntakeLedger) -> None:
    for name in ("user_events_b.csv", "user_events_a.csv", "user_events.csv.gz"):
        ledger.record(name, replace(GOOD, digest=name))
    assert list(ledger.entries()) == ["user_events.csv.gz", "user_events_a.csv", "user_events_b.csv"]


@pytest.mark.parametrize(
    "name", ["a/../../etc/passwd", "..", ".hidden.csv", "", "a b.csv", "x" * 129, "é.csv", "a\n.csv"]
)
def test_a_name_that_could_leave_the_lake_is_refused(ledger: IntakeLedger, name: str) -> None:
    with pytest.raises(UserError, match="rename it"):
        ledger.record(name, GOOD)
    with pytest.raises(UserError, match="rename it"):
        ledger.find(name)
