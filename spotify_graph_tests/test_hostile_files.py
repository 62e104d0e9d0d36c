"""What becomes of each hostile file and value: the table of `hostile_files`, row by row."""

import csv
import html
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import dagster as dg
import pytest
from neo4j import Driver

from spotify_graph import runs
from spotify_graph.automation import held_back
from spotify_graph.errors import UserError
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import PLACEHOLDERS, Settings
from spotify_graph.transforms import cleaning
from spotify_graph.transforms.landed_files import (
    TRACKS,
    LandedTable,
    is_being_written,
    table_of,
    unmatched_fault,
    unmatched_in_folder_fault,
)
from spotify_graph.transforms.landing import copy_landed, digest, inspect, read_landed, unknown_columns
from spotify_graph_tests.hostile_files import (
    CATALOGUE,
    GROUPS,
    HEADER,
    NOW,
    Case,
    Failed,
    NotTakenIn,
    Outcome,
    Refused,
    Taken,
    quoted,
)
from spotify_graph_tests.platform import Platform, installed

CASES = [case for cases in GROUPS.values() for case in cases]
BY_NAME = {case.what: case for case in CASES}
LANDED = {
    "user_events_cut.csv.gz": "a .gz that is cut off",
    "user_events_folder.csv": "a link to a folder, named like a log",
    "user_events_header.csv": "a column that is misspelt",
    "user_events_link.csv": "a link out of the landing folder",
    "user_events_nul.csv": "nothing but NUL bytes",
}
"""Some that land together, beside good files."""
NAMES = [
    "Cypher in a name",
    "HTML in a name",
    "Markdown in a name",
    "a terminal's markup in a name",
    "a formula in a name",
]
CYPHER = "'}) DETACH DELETE n //"


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_a_hostile_file_has_the_outcome_that_the_table_says(case: Case) -> None:
    # A folder that others may enter, too.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        landing, spool = root / "landing", root / "spool"
        landing.mkdir()
        spool.mkdir(mode=0o777)
        spool.chmod(0o777)
        path = case.make(landing)
        assert outcome_of(case, path, spool) == case.outcome


def outcome_of(case: Case, path: Path, spool: Path) -> Outcome:
    """What becomes of what landed at a path, as far as the table says."""
    if is_being_written(path.name):
        return NotTakenIn("it may still be being written")
    table = table_of(path.name)
    if table is None:
        inside = [file.name for file in path.iterdir()] if path.is_dir() else []
        return NotTakenIn(unmatched_in_folder_fault(inside) if inside else unmatched_fault(path.name))
    copy = spool / path.name
    try:
        with as_nobody(case.closed), happening(case, path):
            fault = copy_landed(path, path.parent, copy)
    except UserError as error:
        return Failed(str(error))
    except FileNotFoundError as error:
        return Failed(str(error.strerror))
    if fault:
        return Refused(fault)
    bad = inspect(copy, spool, table)
    return Refused(bad.reason) if bad else taken(case, copy, table)


def taken(case: Case, copy: Path, table: LandedTable) -> Taken:
    """What its rows say; every one is accounted for."""
    raw = read_landed(copy, table).read_all()
    reasons: Sequence[str]
    if table is TRACKS:
        judged, reasons = cleaning.judge_tracks(raw, PLACEHOLDERS), cleaning.TRACK_REASONS
        rows = cleaning.clean_tracks(judged)
    else:
        judged, reasons = cleaning.judge_events(raw, NOW, PLACEHOLDERS), cleaning.EVENT_REASONS
        rows = cleaning.clean_events(cleaning.good_events(judged))
    counts, kept = cleaning.counts(judged, reasons), cleaning.kept_counts(rows)
    bad = cleaning.rejected(judged).to_pylist()
    assert raw.num_rows == kept["kept"] + kept["duplicates"] + counts["rejected"]
    warns = {
        "has_rows": raw.num_rows == 0,
        "columns_known": bool(unknown_columns(copy, table)),
        "placeholders": counts["placeholders"] > 0,
    }
    expected = case.outcome if isinstance(case.outcome, Taken) else Taken()
    return Taken(
        kept["kept"],
        kept["duplicates"],
        tuple(", ".join(row["reasons"]) for row in bad),
        tuple(name for name, it in warns.items() if it),
        {name: rows[name].to_pylist()[0] for name in expected.values},
        None if expected.raw is None else bad[0]["raw"],
    )


@contextmanager
def as_nobody(it: bool) -> Iterator[None]:
    """Does what follows as a user who may not read what others forbid."""
    was = os.geteuid()
    try:
        if it and not was:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(was)


@contextmanager
def happening(case: Case, path: Path) -> Iterator[None]:
    """Lets happen to a file what does while it is copied: just before its copy is complete."""
    copied = shutil.copyfileobj

    def disturbed(source: BinaryIO, target: BinaryIO, length: int) -> None:
        copied(source, target, length)
        if case.meanwhile:
            case.meanwhile(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", disturbed)
        yield


def test_what_fails_and_says_nothing_about_the_file_is_no_fault_of_it(tmp_path: Path) -> None:
    path = tmp_path / "user_events.csv"
    path.write_text(HEADER)
    with pytest.raises(OSError, match="No space left on device"):
        copy_landed(path, tmp_path, Path("/dev/full"))
    with too_many_open_files():
        with pytest.raises(OSError, match="Too many open files"):
            copy_landed(path, tmp_path, tmp_path / "copy")
        with pytest.raises(OSError, match="Too many open files"):
            digest(path, lasting=True)
        assert digest(path), "something to record the failure by"


@contextmanager
def too_many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open() as lowest:
        free = lowest.fileno()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    """An installation in which hostile files and names have landed beside good ones."""
    with installed(tmp_path_factory.mktemp("hostile"), local_neo4j, neo4j_driver) as platform:
        platform.land(
            "user_events.csv", HEADER, quoted([CYPHER, "<b>", "like", "2024-01-01 00:00:00", "s", "[red]tv[/]"])
        )
        rows = [quoted([f"t{number}", *values_of(what)]) for number, what in enumerate(NAMES)]
        platform.land("tracks.csv", CATALOGUE, *rows)
        platform.land("user_events_markup.csv", HEADER.replace("device", MARKUP))
        for name, what in LANDED.items():
            replace(BY_NAME[what], name=name).make(platform.landing)
        yield platform


MARKUP = "![x](http://127.0.0.1/x.png) <img src=x> **|** [bold]"


def values_of(what: str) -> list[str]:
    """The title, the artist, the album, the duration and the genre in the case's file."""
    content = BY_NAME[what].content
    assert isinstance(content, bytes)
    return next(csv.reader(content.decode().splitlines()[1:]))[1:]


@pytest.fixture(scope="module")
def said(platform: Platform) -> str:
    """What a run says that takes them in."""
    result = platform.refresh()
    assert result.exit_code == 1, result.output
    return result.stderr


def test_each_hostile_file_fails_alone_by_its_name_and_holds_up_no_other(platform: Platform, said: str) -> None:
    problems = [line for line in said.splitlines() if line.startswith("spotify-graph: ")]
    assert len(problems) == len(LANDED) + 1
    for name, what in LANDED.items():
        outcome = BY_NAME[what].outcome
        assert isinstance(outcome, Refused)
        [line] = [line for line in problems if name in line]
        assert line.startswith(
            f"spotify-graph: {name}: check file_readable: {outcome.reason.replace('user_events.csv', name)}"
        )
    landed = {row["file"]: row["state"] for row in json.loads(platform.succeed("status", "--json"))["landed"]}
    good = {"tracks.csv", "user_events.csv", "user_events_inside.csv"}
    assert landed == {name: "passed" if name in good else "refused" for name in landed}
    assert set(landed) == {*LANDED, *good, "user_events_markup.csv"}
    with runs.instance(Settings.load()) as instance:
        failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert {run.tags["dagster/partition"] for run in failed} == set(landed) - good


def test_cypher_and_markup_in_names_are_in_the_graph_as_they_are(platform: Platform, said: str) -> None:
    users = platform.ask(
        "MATCH (u:User)-[:LIKED]->(t) RETURN u.user_id AS id, u.devices AS devices, t.track_id AS track"
    )
    assert users == [{"id": CYPHER, "devices": ["[red]tv[/]"], "track": "<b>"}]
    found = platform.ask(
        "MATCH (t:Track)-[:BY]->(a), (t)-[:IN_GENRE]->(g) RETURN t.title AS title, a.name AS artist, t.album AS album,"
        " g.name AS genre ORDER BY t.track_id"
    )
    landed = [values_of(what) for what in NAMES]
    assert [list(row.values()) for row in found] == [
        [title, artist, album, genre] for title, artist, album, _, genre in landed
    ]


def test_markup_in_names_is_shown_as_it_is_in_the_terminal(platform: Platform, said: str) -> None:
    title = values_of("a terminal's markup in a name")[0]
    assert title in platform.succeed("query", "tracks_by_artist", "-p", "artist=Ann")
    platform.ask("MATCH (t:Track {track_id: 't3'}) SET t.title = $title", title="a\x1b[2Jb\u202ec")
    shown = platform.succeed("query", "tracks_by_artist", "-p", "artist=Ann")
    assert r"a\x1b[2Jb\u202ec" in shown
    assert not {"\x1b", "\u202e"} & set(shown)


def test_markup_in_a_file_is_no_markup_where_the_ui_shows_markdown(platform: Platform, said: str) -> None:
    with runs.instance(Settings.load()) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(held_back.ASSET))
    assert event is not None
    assert event.asset_materialization is not None
    table = str(event.asset_materialization.metadata["files"].value)
    [row] = [line for line in table.splitlines() if "user_events_markup.csv" in line]
    assert not set("[]<>*`\\") & set(row)
    assert row.count("|") == 4
    assert MARKUP in html.unescape(row)
