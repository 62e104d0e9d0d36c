"""`spotify-graph forget --user`: a person leaves lake, rejects, graph, imports, history and logs, and stays out."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spotify_graph.graph_model import FACTS
from spotify_graph.lake import people
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.traces import Traces
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings
from spotify_graph_tests.few_plays import HEADER, PLAYS, TRACKS, event
from spotify_graph_tests.platform import Platform, installed

GONE = "zoë-Q7x/9"
OTHERS = [event(*pair, "play") for pair in PLAYS]
THEIRS = [event(GONE, "t1", "play"), event(f" {GONE} ", "t9", "like"), event(GONE, "t0", "skip")]
BAD = [f"{GONE},t0,hum,2026-01-01,s,web", f'too,many,"{GONE}",fields,here,and,there']
SECONDS = 120


def graph(platform: Platform) -> list[dict[str, Any]]:
    """Every node with its relationships, but for the ledger."""
    return platform.ask(
        "MATCH (n) WHERE NOT n:_Publication AND NOT n:_Model RETURN labels(n) AS labels, properties(n) AS properties,"
        " COLLECT { MATCH (n)-[r]->(m) RETURN [type(r), properties(r), properties(m)] ORDER BY type(r),"
        " coalesce(m.track_id, m.user_id, m.name) } AS relationships"
        " ORDER BY labels, coalesce(n.track_id, n.user_id, n.name)"
    )


def traced(folder: Path, *words: str) -> list[str]:
    """The files of a home that hold a word, whatever they are, but for what people have put there."""
    traces = Traces(*words)
    files = (path for path in folder.rglob("*") if path.is_file() and "landing" not in path.parts)
    return sorted(str(path.relative_to(folder)) for path in files if traces.stands_in(path))


def land(platform: Platform, *more: str) -> None:
    platform.land("tracks.csv", *TRACKS)
    platform.land("user_events_1.csv", HEADER, *OTHERS, *more)
    platform.land("user_events_2.csv", HEADER, event("u0", "t0", "like"), *more[:1])


@pytest.fixture
def platform(tmp_path: Path, local_neo4j: LocalNeo4j, clean_graph: Any) -> Iterator[Platform]:
    gates = {"stale_warn_hours": 1e9, "rejected_error": 1.0}
    with installed(tmp_path / "home", local_neo4j, clean_graph, **gates) as platform:
        yield platform


def test_a_person_is_nowhere_any_more_and_the_graph_is_what_it_would_be_without_them(platform: Platform) -> None:
    land(platform, *THEIRS, *BAD)
    assert platform.refresh().exit_code == 0
    # A change on top, which holds old values beside new ones.
    platform.land("user_events_3.csv", HEADER, event(GONE, "t1", "play"), event("u2", "t0", "play"))
    assert platform.refresh().exit_code == 0
    assert traced(platform.home, GONE)

    told = json.loads(platform.succeed("forget", "--user", GONE, "--json"))

    assert told["events"] == 5
    assert told["left"] == []
    assert sorted(Path(file).name for file in told["sources"]) == [f"user_events_{n}.csv" for n in (1, 2, 3)]
    assert traced(platform.home, GONE) == []
    lake = Lake(platform.home / "lake")
    kept = json.loads((lake.root / people.FOLDER / "forgotten.json").read_text())
    assert len(kept["people"] if "people" in kept else kept["forgotten"]) == 1
    for file in (lake.root / people.FOLDER).iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    after = graph(platform)

    # The files lie there still: neither a run nor one that reads them anew brings the person back.
    platform.land("user_events_1.csv", HEADER, *OTHERS, *THEIRS, *BAD, event("u0", "t0", "like"))
    assert platform.refresh().exit_code == 0
    assert graph(platform) == after
    assert traced(platform.home, GONE) == []
    status = {file["file"]: file for file in json.loads(platform.succeed("status", "--json"))["files"]}
    assert status["user_events_1.csv"]["state"] == "passed"

    shutil.rmtree(platform.home)
    platform.driver.execute_query("MATCH (n) DETACH DELETE n")
    land(platform)
    platform.land("user_events_3.csv", HEADER, event("u2", "t0", "play"))
    assert platform.refresh().exit_code == 0
    assert graph(platform) == after
