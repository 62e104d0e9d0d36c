from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from spotify_graph.errors import UserError
from spotify_graph.lake import acceptance
from spotify_graph.lake.intake import KINDS, PARTITIONED, REFUSED_ROWS, Intake, judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.manifest import Forgotten
from spotify_graph.lake.verdicts import Finding, Verdict
from spotify_graph.lake.versions import Content, MadeFrom, Record, Version
from spotify_graph.settings import Settings
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable

PASSED = Verdict((Finding("few_rejected", True, True, "none"), Finding("recent", False, False, "old")))
REFUSED = Verdict((Finding("few_rejected", False, True, "far too many", {"sample": ["a\\n"]}),))
CODE = "of now"
FILE = "user_events.csv"
GOOD: tuple[str, Verdict, Mapping[str, int]] = ("digest-1", PASSED, {"rows_read": 3, "cleaned": 3})
BAD: tuple[str, Verdict, Mapping[str, int]] = ("digest-2", REFUSED, {"rows_read": 9, "cleaned": 1})


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return Intake(Lake(tmp_path), USER_EVENTS)


def taken_in(intake: Intake, digest: str, verdict: Verdict, counts: Mapping[str, int], file: str = FILE) -> Version:
    """A content of a file, examined and recorded."""
    record = Record(made_from=MadeFrom(CODE), content=Content(digest, 10), verdict=verdict, counts=counts)
    version = intake.lake.write_table(f"cleaned_events/{file}", pa.table({"n": [1]}), record)
    intake.record(file, version)
    return version


def test_a_file_that_was_never_examined_is_not_known(intake: Intake) -> None:
    assert intake.find(FILE) is None
    assert intake.entries() == {}
    assert not intake.knows(FILE, "digest-1", CODE)


@pytest.mark.parametrize("table", KINDS)
def test_a_file_is_stale_where_words_are_placeholders_now_that_were_not(
    table: LandedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = judging_code(table, Settings.load())
    assert judging_code(table, Settings.load()) == before
    monkeypatch.setenv("SPOTIFY_GRAPH_PLACEHOLDERS", '["-"]')
    assert judging_code(table, Settings.load()) != before


def test_the_separator_of_genres_is_no_rule_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {table: judging_code(table, Settings.load()) for table in KINDS}
    monkeypatch.setenv("SPOTIFY_GRAPH_GENRE_SEPARATOR", ";")
    same = {table: judging_code(table, Settings.load()) == code for table, code in before.items()}
    assert same == {TRACKS: False, USER_EVENTS: True}


def test_what_other_code_judged_is_not_known(intake: Intake) -> None:
    taken_in(intake, *GOOD)
    assert intake.knows(FILE, "digest-1", CODE)
    assert not intake.knows(FILE, "digest-1", "of tomorrow")


def test_a_warning_lets_a_file_through(intake: Intake) -> None:
    version = taken_in(intake, *GOOD)
    entry = intake.find(FILE)
    assert entry is not None
    assert (entry.state, entry.latest, entry.active) == ("passed", version, version)
    assert entry.in_graph == 3
    assert intake.active(intake.entries()) == {f"cleaned_events/{FILE}": version}


def test_a_refused_file_contributes_nothing(intake: Intake) -> None:
    taken_in(intake, *BAD)
    entry = intake.find(FILE)
    assert entry is not None
    assert (entry.state, entry.active, entry.in_graph) == ("refused", None, None)
    assert entry.refusal is not None
    assert "check few_rejected: far too many" in entry.refusal
    assert intake.active(intake.entries()) == {}
    assert intake.knows(FILE, "digest-2", CODE), "it needs no second look until it changes"


def test_a_refused_replacement_leaves_active_what_was_there(intake: Intake) -> None:
    good, bad = taken_in(intake, *GOOD), taken_in(intake, *BAD)
    entry = intake.find(FILE)
    assert entry is not None
    assert (entry.state, entry.latest, entry.active) == ("refused", bad, good)
    assert not intake.knows(FILE, "digest-1", CODE), "the old content, landed again, is taken in again"


def test_an_accepted_version_is_active_with_the_reason(intake: Intake) -> None:
    good = taken_in(intake, *GOOD)
    with pytest.raises(UserError, match="is not refused"):
        acceptance.accept(intake.lake, good.name, "nothing refused it")
    bad = taken_in(intake, *BAD)
    acceptance.accept(intake.lake, bad.name, "known and harmless")
    entry = intake.find(FILE)
    assert entry is not None
    assert entry.state == "accepted"
    assert entry.active is not None
    assert entry.active.name == bad.name
    assert entry.active.verdict is not None
    assert entry.active.verdict.accepted is not None
    assert entry.active.verdict.accepted.because == "known and harmless"
    with pytest.raises(UserError, match="no refused version or file v3"):
        acceptance.accept(intake.lake, "v3", "there is none")


def test_what_could_not_be_read_cannot_be_accepted(intake: Intake) -> None:
    record = Record(made_from=MadeFrom(CODE), content=Content("digest-2", 10), verdict=REFUSED)
    intake.record(FILE, intake.lake.write_nothing(f"cleaned_events/{FILE}", record))
    with pytest.raises(UserError, match="correct it and land it again"):
        acceptance.accept(intake.lake, FILE, "it is fine")


def test_a_forgotten_file_stays_out_until_it_has_left_the_landing_folder(intake: Intake) -> None:
    taken_in(intake, *GOOD)
    before = datetime.now(UTC)
    assert intake.forget(FILE) is not None
    assert intake.find(FILE) is None
    assert intake.knows(FILE, "digest-1", CODE)
    assert not intake.knows(FILE, "digest-2", CODE), "other content under the name is new"
    last = intake.last_forgotten()
    assert last is not None
    assert last >= before
    intake.release(lambda _, it: it.released)
    assert intake.knows(FILE, "digest-1", CODE)
    intake.release(lambda file, it: (file, it) == (FILE, Forgotten("digest-1", it.at)))
    assert not intake.knows(FILE, "digest-1", CODE)
    assert intake.last_forgotten() == last, "what explains a drop is remembered"


def test_forgetting_takes_a_file_out_of_every_asset_that_is_partitioned_by_files(intake: Intake) -> None:
    lake = intake.lake
    assets = (*PARTITIONED[USER_EVENTS.name], REFUSED_ROWS)
    for file in (FILE, "user_events_b.csv"):
        entries = [f"{asset}/{file}" for asset in assets]
        lake.put({entry: lake.write_table(entry, pa.table({"n": [1]})) for entry in entries})
    intake.forget(FILE)
    assert [lake.files(asset) for asset in assets] == [["user_events_b.csv"]] * len(assets)


def test_forgetting_an_unknown_file_changes_nothing(intake: Intake) -> None:
    assert intake.forget(FILE) is None
    assert intake.forgotten() == {}


def test_entries_are_in_the_order_of_the_names(intake: Intake) -> None:
    for name in ("user_events_b.csv", "user_events_a.csv", "user_events.csv.gz"):
        taken_in(intake, *GOOD, file=name)
    assert list(intake.entries()) == ["user_events.csv.gz", "user_events_a.csv", "user_events_b.csv"]


@pytest.mark.parametrize(
    "name", ["a/../../etc/passwd", "..", ".hidden.csv", "", "a b.csv", "x" * 129, "é.csv", "a\n.csv"]
)
def test_a_name_that_could_leave_the_lake_is_refused(intake: Intake, name: str) -> None:
    version = taken_in(intake, *GOOD)
    with pytest.raises(UserError, match="rename it"):
        intake.record(name, version)
    with pytest.raises(UserError, match="rename it"):
        intake.find(name)
