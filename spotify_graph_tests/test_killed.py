"""A run that is killed, with SIGKILL, at whatever step: the next one brings everything to where it would be else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from neo4j import Driver

from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests import killing
from spotify_graph_tests.disturbed import WORK, Installation, before_the_day

_VERSION = "<version>/_version.json"
_PUT = "link lake/_manifests/<number>.json"

POINTS = {
    # A file is taken in, one of several: two are new or replaced, one is refused, one is of the catalogue.
    "with the turn taken, before anything": ("materialize", "rename to runs.json"),
    "before the run is recorded": ("materialize", ".*write dagster/history/runs/.*"),
    "while a landed file is copied": ("materialize", ".*: write lake/_spool/<scratch>/user_events_1.csv"),
    "while a file's records are written": ("materialize", ".*: end lake/raw_user_events/user_events_1.csv/.*"),
    "between a file's records and the manifest": ("materialize", f"raw_user_events: {_PUT}"),
    "between a file's records and its events": ("materialize", ".*: write rows of lake/_spool/<scratch>/.*"),
    "while a file's events are written": ("materialize", ".*: end lake/cleaned_events/user_events_3.csv/.*"),
    "after the gates of a file, before their verdict": (
        *("materialize", f".*: rename to lake/cleaned_events/user_events_3.csv/{_VERSION} #2"),
    ),
    "between the verdict on a file and the manifest": ("materialize", rf"clean_events: {_PUT} #2"),
    "between two files of one run": ("materialize", ".*: write lake/_spool/<scratch>/user_events_3.csv"),
    "while a refused file is recorded": ("materialize", f"clean_events: {_PUT} #3"),
    "between the catalogue's file and the logs": ("materialize", "raw_tracks: remove lake/_failed/.*"),
    # Many files are taken in by one run, which leaves the bad one to another.
    "while a file of many is copied": ("many", "take_in_files: write lake/_spool/<scratch>/user_events_3.csv"),
    "with Dagster told of files of many, before the lake": ("many", f"take_in_files: {_PUT}"),
    "between files of many": ("many", "take_in_files: remove lake/_failed/user_events/user_events_1.csv.json"),
    "with all but the bad one of many taken in": ("many", f"take_in_files: {_PUT} #2"),
    # The tables of all files, once the files are in.
    "while the change of the interactions is written": ("refresh", "interactions: end lake/interactions/.*"),
    "while changes are folded into a new base": ("refresh", "interactions: end lake/interactions/.* #2"),
    "with the change written, before its gates": (
        "materialize",
        f"interactions: rename to lake/interactions/{_VERSION}",
    ),
    "with the gates passed, before the manifest": ("refresh", f"interactions: {_PUT}"),
    "with the manifest put, before the graph": ("refresh", ".*: rename to lake/graph/track_nodes/<version>/.*"),
    # The graph.
    "after staging, before the gates of a table": (*("refresh", f".*: rename to lake/graph/user_nodes/{_VERSION}"),),
    "with a table's gates passed, before the manifest": ("refresh", f"user_nodes.*: {_PUT}"),
    "between staging and the claim": ("refresh", "played_edges.*: Neo4j: begin take"),
    "in the claim": ("refresh", "played_edges.*: Neo4j: commit take"),
    "with the claim, before the difference": ("refresh", "played_edges.*: make folder .*/_publication"),
    "in a batch of deletions": ("refresh", "by_edges.*: Neo4j: commit delete.write"),
    "in a batch of nodes": ("refresh", "user_nodes.*: Neo4j: commit create.write"),
    "in a batch of changed nodes": ("refresh", "track_nodes.*: Neo4j: commit _upserting.write"),
    "in a batch of relationships": ("refresh", "played_edges.*: Neo4j: commit create.write"),
    "between two batches": ("refresh", "played_edges.*: Neo4j: begin create.write #2"),
    "after the last batch, before the ledger": ("refresh", "played_edges.*: Neo4j: begin _end.record"),
    "in the transaction of the ledger": ("refresh", "played_edges.*: Neo4j: commit _end.record"),
    "with the ledger written, before it is verified": ("refresh", "played_edges.*: Neo4j: begin verify.record"),
    "with everything done, before the turn is given back": ("refresh", ".*remove runs.json"),
    # What else changes lake and graph.
    "before a file is forgotten": ("forget", _PUT),
    "between the lake and the graph of a forgotten file": (
        "forget",
        "remove lake/_failed/user_events/user_events_2.csv.json",
    ),
    "while an index is written": ("forget", ".*: write index .*"),
    "before an index has its name": ("forget", ".*: rename to lake/interactions/<version>/_index/.*"),
    "in a batch of what is forgotten": ("forget", "user_nodes.*: Neo4j: commit delete.write"),
    "before an acceptance has its manifest": ("accept", _PUT),
    "between an acceptance and the graph": ("accept", "remove runs.json"),
    "while old manifests go": ("clean", "remove lake/_manifests/<number>.json #3"),
    "while an old version goes": ("clean", "remove folder lake/.*/<version>"),
    "between versions that go": ("clean", "remove all of lake/raw_user_events/.*/<version>"),
    "in a tick of the sensor": ("tick", "write .landing_digests.json.lock #3"),
    "between a tick and its runs": ("tick", "run of .*: make folder lake/_spool/<scratch>"),
    "between two runs of a tick": ("tick", "run of user_events_1.csv: make folder lake/_spool/<scratch>"),
}
"""Where runs are killed: the work, and the step before which it is, the first that has such a name."""


@dataclass(frozen=True)
class Undisturbed:
    """Work that nobody disturbs.

    Attributes:
        steps: those that it takes.
        outcome: what lake and graph hold in the end.
    """

    steps: list[str]
    outcome: dict[str, Any]


class _Days:
    """One installation, in which days begin anew."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.undisturbed = cache(self._undisturbed)

    def put_back(self, name: str) -> None:
        self.installation.put_back(taken_in=name == "refresh")

    def work(self, name: str, until: str | None = None) -> list[str]:
        it = self.installation
        return killing.took(it.platform.home, WORK[name], it.environment, until=until)

    def _undisturbed(self, name: str) -> Undisturbed:
        self.put_back(name)
        return Undisturbed(self.work(name), self.installation.outcome())


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver) -> Iterator[_Days]:
    with before_the_day(tmp_path_factory.mktemp("days"), local_neo4j, neo4j_driver) as installation:
        yield _Days(installation)


def test_to_forget_a_file_again_after_a_kill_says_what_is_left_to_do(days: _Days) -> None:
    days.put_back("forget")
    name, before_the_graph = POINTS["between the lake and the graph of a forgotten file"]
    days.work(name, until=before_the_graph)
    again = days.installation.platform.run("forget", "user_events_2.csv")
    assert again.exit_code == 1
    assert "taken out already: `spotify-graph materialize`" in again.stderr


@pytest.mark.parametrize("point", POINTS)
def test_the_next_run_brings_everything_to_what_an_undisturbed_run_gives(days: _Days, point: str) -> None:
    name, pattern = POINTS[point]
    undisturbed = days.undisturbed(name)
    deadly = next((step for step in undisturbed.steps if re.fullmatch(pattern, step)), None)
    assert deadly, f"no step is called {pattern}"
    days.put_back(name)
    days.work(name, until=deadly)
    days.work(name)
    found = days.installation.outcome()
    for what, expected in undisturbed.outcome.items():
        assert found[what] == expected
