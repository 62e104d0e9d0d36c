"""A day of a small installation, in work that can be killed anywhere, and what all of it must come to."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from neo4j import Driver

from spotify_graph.lake import cleaning, keyed
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import Version
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io import ledger
from spotify_graph.neo4j_io.staging import Snapshot
from spotify_graph.settings import Settings
from spotify_graph_tests.emptied import DATABASE, empty
from spotify_graph_tests.few_plays import HEADER, event
from spotify_graph_tests.killing import Steps
from spotify_graph_tests.platform import Platform, installed

SELECTION = "+key:played_edges or +key:by_edges"
"""Each kind of asset: by file, of all files, nodes, relationships of events and of the catalogue."""
_FILES = "raw_tracks or raw_user_events or cleaned_events"
_SELECTED = {"artist_nodes", "track_nodes", "user_nodes", "by_edges", "played_edges"}
_CATALOGUE = "track_id,artist,album,duration_ms,genre"
_OURS = ("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_", "SPARK_")


def materialize(steps: Steps | None = None) -> None:
    """`spotify-graph materialize`, with batches of two rows, and changes that are folded at once."""
    from spotify_graph import runs

    _small()
    report = runs.materialize(Settings.load(), SELECTION, _unheard, _placing(steps))
    assert not report.failures, report.failures


def many(steps: Steps | None = None) -> None:
    """`spotify-graph materialize` where two files are many, of which the lake is told one after the other."""
    from spotify_graph.assets import many_files
    from spotify_graph.automation import ingest

    ingest.MANY, many_files.AT_ONCE = 2, 1
    materialize(steps)


def forget(steps: Steps | None = None) -> None:
    """`spotify-graph forget user_events_2.csv` and `materialize`, or what they have left to do."""
    from spotify_graph import runs
    from spotify_graph.errors import UserError

    _small()
    with suppress(UserError):  # it was taken out already
        runs.forget(Settings.load(), "user_events_2.csv", _unheard, _placing(steps))
    materialize(steps)


def accept(steps: Steps | None = None) -> None:
    """`spotify-graph accept user_events_bad.csv` and `materialize`, or what they have left to do."""
    from spotify_graph import runs
    from spotify_graph.errors import UserError

    _small()
    with suppress(UserError):  # it was accepted already
        runs.accept(Settings.load(), "user_events_bad.csv", "it is right", _unheard)
    materialize(steps)


def clean(steps: Steps | None = None) -> None:
    """What the schedule `daily_cleaning` does, in two days."""
    settings = Settings.load()
    from spotify_graph.resources.neo4j import connect

    with connect(settings) as driver:
        published = [entry.version for entry in ledger.read(driver, DATABASE).values()]
    cleaning.clean(Lake(settings.lake), datetime.now(UTC) + timedelta(days=2), published)


def tick(steps: Steps | None = None) -> None:
    """A look of the sensor, whose runs are then made as the daemon makes them, but one after the other."""
    from spotify_graph import runs
    from spotify_graph.automation.sensors import new_log_files
    from spotify_graph.definitions import build_defs

    _small()
    settings = Settings.load()
    with runs.instance(settings) as instance:
        defs = build_defs()
        cursor = None
        for _ in range(2):  # a file is complete that has not changed between two looks
            context = dg.build_sensor_context(
                instance, cursor=cursor, instance_ref=instance.get_ref(), definitions=defs
            )
            seen: Any = new_log_files(context)
            cursor = seen.cursor
        for asked in seen.dynamic_partitions_requests or []:
            instance.add_dynamic_partitions(str(asked.partitions_def_name), list(asked.partition_keys))
        for request in sorted(seen.run_requests or [], key=lambda it: str(it.run_key)):
            if steps:
                steps.place = f"run of {request.partition_key}"
            job = defs.resolve_job_def(str(request.job_name))
            job.execute_in_process(
                instance=instance, partition_key=request.partition_key, tags=request.tags, raise_on_error=False
            )
    materialize(steps)


def _small() -> None:
    os.environ["SPOTIFY_GRAPH_NEO4J_BATCH_ROWS"] = "2"
    keyed._FEW_ROWS = 0


def _unheard(_line: str) -> None:
    pass


def _placing(steps: Steps | None) -> Callable[[str], None]:
    def working(what: str) -> None:
        if steps:
            steps.place = what

    return working


@dataclass
class Installation:
    """An installation that can be put back to how it was before a day's work.

    Attributes:
        platform: the installation.
        environment: what a process of it needs to have in its environment.
    """

    platform: Platform
    environment: dict[str, str]
    _landed: Path
    _taken_in: Path
    _graph: tuple[list[Any], list[Any]]

    def put_back(self, *, taken_in: bool = False) -> None:
        """Puts everything back, to where the day's files have landed, or are taken in and not in the graph yet."""
        shutil.rmtree(self.platform.home)
        shutil.copytree(self._taken_in if taken_in else self._landed, self.platform.home)
        _restore(self.platform.driver, *self._graph)

    def outcome(self) -> dict[str, Any]:
        """All that lake and graph hold, row by row and property by property, and what the ledger says."""
        return {**_graph(self.platform.driver), **_lake(Lake(self.platform.home / "lake").pin())}


@contextmanager
def before_the_day(folder: Path, server: LocalNeo4j, driver: Driver) -> Iterator[Installation]:
    """An installation with a history, and with files that landed since: new, replaced, refused, of the catalogue."""
    lenient: dict[str, Any] = {"stale_warn_hours": 1e9, "drop_error": 1.0, "rejected_error": 0.2}
    with installed(folder / "home", server, driver, **lenient) as platform:
        tracks = [f"t{i},Ann {i % 2},First,180000,jazz" for i in range(8)]
        platform.land("tracks.csv", _CATALOGUE, *tracks)
        plays = [event(f"u{i}", f"t{j}", "play") for i in range(5) for j in range(8)]
        platform.land("user_events_1.csv", HEADER, *plays)
        platform.land(
            "user_events_2.csv", HEADER, *(event("u1", f"t{i}", "play") for i in range(3)), event("u7", "t1", "play")
        )
        platform.land("user_events_gone.csv", HEADER, event("u9", "t9", "play"))
        platform.land(
            "user_events_bad.csv", HEADER, event("u5", "t1", "play"), event("u5", "t2", "play"), "no", "nor this"
        )
        result = platform.run("materialize", "--select", SELECTION)
        assert "user_events_bad.csv" in result.output, result.output
        platform.succeed("forget", "user_events_gone.csv")
        platform.land("tracks.csv", _CATALOGUE, *tracks[1:], "t8,Bob,Second,200000,rock", "t1,Cid,Third,1,jazz")
        platform.land("user_events_1.csv", HEADER, *plays[2:], event("u0", "t9", "play"))
        platform.land("user_events_3.csv", HEADER, *(event(f"u{i}", "t3", "play") for i in range(4, 8)))
        platform.land(
            "user_events_bad.csv", HEADER, event("u6", "t1", "play"), event("u6", "t4", "play"), "no", "never"
        )
        environment = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
        landed = shutil.copytree(platform.home, folder / "landed")
        platform.run("materialize", "--select", _FILES)
        taken_in = shutil.copytree(platform.home, folder / "taken_in")
        installation = Installation(platform, environment, landed, taken_in, _dumped(driver))
        installation.put_back()
        yield installation


def _dumped(driver: Driver) -> tuple[list[Any], list[Any]]:
    nodes = driver.execute_query(
        "MATCH (n) RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS known", database_=DATABASE
    ).records
    relationships = driver.execute_query(
        "MATCH (a)-[r]->(b) RETURN elementId(a) AS a, elementId(b) AS b, type(r) AS type, properties(r) AS known",
        database_=DATABASE,
    ).records
    return [record.data() for record in nodes], [record.data() for record in relationships]


def _restore(driver: Driver, nodes: list[Any], relationships: list[Any]) -> None:
    empty(driver)
    driver.execute_query(
        "UNWIND $nodes AS it CREATE (n:$(it.labels)) SET n = it.known, n.restored = it.id",
        nodes=nodes,
        database_=DATABASE,
    )
    driver.execute_query(
        "UNWIND $relationships AS it MATCH (a {restored: it.a}) MATCH (b {restored: it.b})"
        " CREATE (a)-[r:$(it.type)]->(b) SET r = it.known",
        relationships=relationships,
        database_=DATABASE,
    )
    driver.execute_query("MATCH (n) REMOVE n.restored", database_=DATABASE)


def _graph(driver: Driver) -> dict[str, Any]:
    nodes, relationships = _dumped(driver)
    named = {it["id"]: _name(it) for it in nodes}
    entries = ledger.read(driver, DATABASE)
    return {
        "nodes": sorted(_text([named[it["id"]], it["known"]]) for it in nodes if it["labels"] != ["_Publication"]),
        "relationships": sorted(
            _text([named[it["a"]], it["type"], named[it["b"]], it["known"]]) for it in relationships
        ),
        "ledger": {name: (it.status, it.rows, it.fingerprint, it.before, it.kept) for name, it in entries.items()},
        # Others are verified when they are materialized.
        "verified": sorted(name for name, it in entries.items() if it.verified_at and name in _SELECTED),
    }


def _name(node: dict[str, Any]) -> list[Any]:
    keys = ("user_id", "track_id", "name", "asset")
    return [*node["labels"], *(node["known"][key] for key in keys if key in node["known"])]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _lake(lake: Lake) -> dict[str, Any]:
    entries = {
        name: [_of_version(lake, name, version) for version in (named.latest, named.active)]
        for name, named in lake.manifest.entries.items()
    }
    return {"lake": entries, "forgotten": sorted(lake.manifest.forgotten)}


def _of_version(lake: Lake, entry: str, name: str | None) -> Any:
    """What a version holds, and what is known of it, but for names of versions and times."""
    if name is None:
        return None
    version = lake.version(entry, name)
    verdict = version.verdict
    passed = sorted((it.check, it.passed) for it in verdict.findings) if verdict else None
    return version.rows, dict(version.record.counts), passed, version.record.holds, _rows(version, entry)


def _rows(version: Version, entry: str) -> dict[str, list[str]]:
    if version.record.tables:
        return {name: _sorted(version.table(name).read()) for name in version.record.tables}
    if entry.startswith("graph/"):
        return {entry: _sorted(Snapshot.load(version.path).read())}
    return {entry: _sorted(version.part.read())} if version.files else {}


def _sorted(rows: pa.Table) -> list[str]:
    return sorted(map(_text, rows.to_pylist()))


WORK = {
    "materialize": materialize,
    "refresh": materialize,
    "many": many,
    "forget": forget,
    "accept": accept,
    "clean": clean,
    "tick": tick,
}
"""What is killed, by its name."""
