"""Looks at the landing folder, made up."""

import json
from dataclasses import replace

import pytest

from spotify_graph.automation.landing_watch import looks_from_json, looks_to_json, settled
from spotify_graph.landing_folder import Look
from spotify_graph.transforms.landed_files import table_of

FILE = "user_events_1.csv"
# Written at second 100, and nothing was done to it since.
WRITTEN = Look(identity=7, size=50, mtime_ns=100, ctime_ns=100)


def test_a_file_is_complete_when_two_looks_agree() -> None:
    assert settled({FILE: WRITTEN}, {}) == set()
    assert settled({FILE: WRITTEN}, {FILE: WRITTEN}) == {FILE}


@pytest.mark.parametrize("what", ["size", "mtime_ns", "ctime_ns", "identity"])
def test_a_file_that_changed_between_two_looks_may_still_be_being_written(what: str) -> None:
    changed = replace(WRITTEN, **{what: 200})
    assert settled({FILE: changed}, {FILE: WRITTEN}) == set()


@pytest.mark.parametrize("temporary", [f"{FILE}.tmp", f"{FILE}.part", f".{FILE}", ".upload-3f2a"])
def test_a_file_that_was_renamed_into_place_is_complete_at_once(temporary: str) -> None:
    before = {temporary: WRITTEN}
    # Still written to after the look before, then renamed at second 300.
    renamed = Look(identity=7, size=90, mtime_ns=250, ctime_ns=300)
    assert settled({FILE: renamed}, before) == {FILE}
    assert settled({FILE: renamed}, before | {FILE: replace(WRITTEN, identity=3)}) == {FILE}, "also over an older file"


def test_a_new_file_with_the_inode_of_a_temporary_one_that_went_is_not_taken_for_it() -> None:
    before = {"other.part": WRITTEN}
    assert settled({FILE: Look(identity=7, size=10, mtime_ns=300, ctime_ns=300)}, before) == set()


def test_a_file_that_was_renamed_from_another_lasting_name_waits_for_the_second_look() -> None:
    renamed = replace(WRITTEN, ctime_ns=300)
    assert settled({FILE: renamed}, {"upload.csv": WRITTEN}) == set()


@pytest.mark.parametrize("name", [f"{FILE}.tmp", f"{FILE}.part", f".{FILE}", "tracks.csv.tmp"])
def test_a_file_that_is_being_written_is_never_complete(name: str) -> None:
    assert settled({name: WRITTEN}, {name: WRITTEN}) == set()
    assert table_of(name) is None


def test_looks_come_back_from_their_json() -> None:
    looks = {FILE: WRITTEN, "tracks_\udcff.csv": replace(WRITTEN, identity=2**63), "a/tracks.csv": Look("tag", 1, 2, 2)}
    assert looks_from_json(looks_to_json(looks)) == looks
    assert looks_to_json(looks).isascii()


@pytest.mark.parametrize(
    "text",
    [
        None,
        *("", "{", "[]", "7", "null", '"x"', "1700000000.0"),
        *('{"files": {}}', '{"looks": 1}', '{"looks": {"a": 1}}', '{"looks": {"a": [1, 2]}}'),
        *('{"looks": {"a": [1, 2, 3, "x"]}}', '{"looks": {"a": [1, 2, 3, null]}}'),
        *('{"looks": {"a": [null, 2, 3, 4]}}', '{"looks": {"a": []}}'),
    ],
)
def test_a_text_that_holds_no_looks_is_as_none(text: str | None) -> None:
    assert looks_from_json(text) == {}


def test_the_json_of_looks_is_one_object() -> None:
    assert json.loads(looks_to_json({FILE: WRITTEN})) == {"looks": {FILE: [7, 50, 100, 100]}}
