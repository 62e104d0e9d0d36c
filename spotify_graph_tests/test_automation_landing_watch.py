"""Which landed files are taken in: the decision alone, over looks and digests that are made up."""

import json
from dataclasses import replace

import pytest

from spotify_graph.automation.landing_watch import (
    FAILED_RUNS,
    LIMIT,
    Attempts,
    Decision,
    Ingest,
    Look,
    decide,
    looks_from_json,
    looks_to_json,
    settled,
    table_of,
)
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, BadFile, LandedTable

FILE = "user_events_1.csv"
# Written at second 100, and nothing was done to it since.
WRITTEN = Look(inode=7, size=50, mtime_ns=100, ctime_ns=100)


def knows_nothing(_table: LandedTable, _file: str, _digest: str) -> bool:
    return False


def test_a_file_is_complete_when_two_looks_agree() -> None:
    assert settled({FILE: WRITTEN}, {}) == set()
    assert settled({FILE: WRITTEN}, {FILE: WRITTEN}) == {FILE}


@pytest.mark.parametrize("what", ["size", "mtime_ns", "ctime_ns", "inode"])
def test_a_file_that_changed_between_two_looks_may_still_be_being_written(what: str) -> None:
    changed = replace(WRITTEN, **{what: 200})
    assert settled({FILE: changed}, {FILE: WRITTEN}) == set()


@pytest.mark.parametrize("temporary", [f"{FILE}.tmp", f"{FILE}.part", f".{FILE}", ".upload-3f2a"])
def test_a_file_that_was_renamed_into_place_is_complete_at_once(temporary: str) -> None:
    before = {temporary: WRITTEN}
    # Still written to after the look before, then renamed at second 300.
    renamed = Look(inode=7, size=90, mtime_ns=250, ctime_ns=300)
    assert settled({FILE: renamed}, before) == {FILE}
    assert settled({FILE: renamed}, before | {FILE: replace(WRITTEN, inode=3)}) == {FILE}, "also over an older file"


def test_a_new_file_with_the_inode_of_a_temporary_one_that_went_is_not_taken_for_it() -> None:
    before = {"other.part": WRITTEN}
    assert settled({FILE: Look(inode=7, size=10, mtime_ns=300, ctime_ns=300)}, before) == set()


def test_a_file_that_was_renamed_from_another_lasting_name_waits_for_the_second_look() -> None:
    renamed = replace(WRITTEN, ctime_ns=300)
    assert settled({FILE: renamed}, {"upload.csv": WRITTEN}) == set()


@pytest.mark.parametrize("name", [f"{FILE}.tmp", f"{FILE}.part", f".{FILE}", "tracks.csv.tmp"])
def test_a_file_that_is_being_written_is_never_complete_nor_reported(name: str) -> None:
    assert settled({name: WRITTEN}, {name: WRITTEN}) == set()
    assert table_of(name) is None
    assert decide([name], {name: "d1"}, knows=knows_nothing) == Decision()


def test_new_content_is_taken_in_and_known_content_is_not() -> None:
    known = {("tracks", "tracks.csv", "d1"), ("user_events", FILE, "d2")}
    decision = decide(
        ["tracks.csv", FILE, "user_events_2.csv.gz"],
        {"tracks.csv": "d1", FILE: "replaced", "user_events_2.csv.gz": "d3"},
        knows=lambda table, file, digest: (table.name, file, digest) in known,
    )
    assert decision == Decision(
        ingest=(Ingest(FILE, USER_EVENTS, "replaced", 0), Ingest("user_events_2.csv.gz", USER_EVENTS, "d3", 0)),
        known=1,
    )


@pytest.mark.parametrize("name", ["tracks.CSV", "tracks_1.csv.GZ", "tracks.Csv.zst", "tracks.csv.bz2"])
def test_the_end_of_a_name_may_be_in_any_case_and_say_how_the_file_is_compressed(name: str) -> None:
    assert table_of(name) == TRACKS


def test_a_catalogue_file_is_known_by_its_kind() -> None:
    assert decide(["tracks_2.csv"], {"tracks_2.csv": "d"}, knows=knows_nothing).ingest[0].table == TRACKS


def test_a_file_without_a_digest_waits_to_become_stable_and_one_that_was_not_hashed_yet_for_its_turn() -> None:
    decision = decide([FILE, "user_events_2.csv"], {"user_events_2.csv": None}, knows=knows_nothing)
    assert decision == Decision(unsettled=(FILE,), waiting=1)


def test_a_file_with_a_run_in_flight_waits_for_it_even_with_new_content() -> None:
    assert decide([FILE], {FILE: "d2"}, knows=knows_nothing, in_flight={FILE}) == Decision(under_way=(FILE,))


def test_a_large_backlog_is_taken_in_in_batches() -> None:
    files = {f"user_events_{number:03}.csv": f"d{number}" for number in range(60)}
    taken: set[tuple[str, str]] = set()
    batches = []

    def knows(_table: LandedTable, file: str, digest: str) -> bool:
        return (file, digest) in taken

    for _ in range(4):
        decision = decide(files, files, knows=knows)
        batches.append((len(decision.ingest), decision.waiting, decision.known))
        taken |= {(ingest.file, ingest.digest) for ingest in decision.ingest}
    assert LIMIT == 25
    assert batches == [(25, 35, 0), (25, 10, 25), (10, 0, 50), (0, 0, 60)]


def test_earlier_runs_are_looked_up_for_the_files_of_the_batch_only() -> None:
    asked = []

    def attempts(file: str, digest: str) -> Attempts:
        asked.append(file)
        return Attempts()

    files = {"user_events_1.csv": "d", "user_events_2.csv": "d", "user_events_3.csv": "d"}
    decide(files, files, knows=knows_nothing, attempts=attempts, limit=1)
    assert asked == ["user_events_1.csv"]


def test_a_failed_content_is_tried_again_under_another_key_and_given_up_in_the_end() -> None:
    keys = []
    for failed in range(FAILED_RUNS):
        tried = Attempts(next=failed, failed=failed)
        (ingest,) = decide(
            [FILE],
            {FILE: "d" * 64},
            knows=knows_nothing,
            attempts=lambda _f, _d: tried,  # noqa: B023
            code=lambda table: f"code of {table.name}",
        ).ingest
        keys.append(ingest.key)
    assert keys == [f"{FILE}@{'d' * 16}/code of user_eve#{attempt}" for attempt in (0, 1, 2)]
    decision = decide([FILE], {FILE: "d"}, knows=knows_nothing, attempts=lambda _f, _d: Attempts(3, failed=3))
    assert decision.ingest == ()
    (given_up,) = decision.given_up
    assert given_up.file == FILE
    assert all(words in given_up.reason for words in ["3 runs", "raw_user_events", "spotify-graph materialize"])


def test_a_file_that_is_given_up_takes_no_place_in_the_batch() -> None:
    files = {"user_events_1.csv": "bad", "user_events_2.csv": "good"}
    decision = decide(
        files, files, knows=knows_nothing, attempts=lambda _f, digest: Attempts(3, 3 if digest == "bad" else 0), limit=1
    )
    assert [ingest.file for ingest in decision.ingest] == ["user_events_2.csv"]


def test_a_name_that_does_not_fit_is_refused_with_the_reason() -> None:
    names = ["user_events 1.csv", "user_events_\udcff.csv", f"tracks{'x' * 200}.csv", "tracks\n.csv"]
    decision = decide(names, {}, knows=knows_nothing)
    assert {fault.file for fault in decision.refused} == {
        "user_events 1.csv",
        "user_events_\\xff.csv",
        f"tracks{'x' * 200}.csv",
        "tracks\\n.csv",
    }
    assert all(fault.reason.startswith("rename it") for fault in decision.refused)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason() -> None:
    fault = BadFile(FILE, "it cannot be read: Permission denied")
    assert decide([FILE], {}, knows=knows_nothing, unreadable={FILE: fault.reason}) == Decision(refused=(fault,))


def test_a_file_of_neither_kind_is_reported() -> None:
    names = ["README.txt", "User_events.csv", "tracks.tsv", "user_events.csv.zip"]
    unmatched = decide(names, dict.fromkeys(names, "d"), knows=knows_nothing).unmatched
    assert {it.file: it.reason.partition(":")[0] for it in unmatched} == dict.fromkeys(names, "rename it") | {
        "user_events.csv.zip": "unpack it"
    }


def test_looks_come_back_from_their_json() -> None:
    looks = {FILE: WRITTEN, "tracks_\udcff.csv": replace(WRITTEN, inode=2**63)}
    assert looks_from_json(looks_to_json(looks)) == looks
    assert looks_to_json(looks).isascii()


@pytest.mark.parametrize(
    "text",
    [
        None,
        *("", "{", "[]", "7", "null", '"x"', "1700000000.0"),
        *('{"files": {}}', '{"looks": 1}', '{"looks": {"a": 1}}', '{"looks": {"a": [1, 2]}}'),
        *('{"looks": {"a": [1, 2, 3, "x"]}}', '{"looks": {"a": [1, 2, 3, null]}}'),
    ],
)
def test_a_text_that_holds_no_looks_is_as_none(text: str | None) -> None:
    assert looks_from_json(text) == {}


def test_the_json_of_looks_is_one_object() -> None:
    assert json.loads(looks_to_json({FILE: WRITTEN})) == {"looks": {FILE: [7, 50, 100, 100]}}
