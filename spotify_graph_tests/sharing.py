"""What a package that knows shares makes of a log with some: run as a process of its own, which prints it as JSON.

The process has a package whose graph model has another event type, the suite's server, and a home of its own.
"""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.csv
from click.testing import CliRunner
from neo4j import Driver, GraphDatabase

from spotify_graph import queries, sample_data, serving, stylesheet
from spotify_graph.cli import main
from spotify_graph.definitions import build_defs
from spotify_graph.imports.meaning import KINDS
from spotify_graph.transforms.recommendations.parameters import Parameters
from spotify_graph_tests import reference

HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
EVENTS = [
    "ann,t1,share,2026-01-01T10:00:00Z,s,web",
    "ann,t1,share,2026-01-03T10:00:00Z,s,web",
    "ben,t1,share,2026-01-02T10:00:00Z,s,web",
    "ben,t2,play,2026-01-02T11:00:00Z,s,web",
]
TRACKS = ["track_id,artist,album,duration_ms,genre", *(f"t{i},Ann,First,180000,jazz" for i in range(1, 4))]
_MODEL = """
CREATE (:_Model {name: 'recommendations', version: 'v'})
WITH 1 AS one
MATCH (user:User {user_id: 'ann'}), (track:Track)
CREATE (user)-[:RECOMMENDED {model: 'v', rank: toInteger(substring(track.track_id, 1)), score: 1.0}]->(track)
"""


def _land(landing: Path) -> None:
    landing.mkdir(parents=True)
    for name, lines in (("tracks.csv", TRACKS), ("user_events.csv", [HEADER, *EVENTS])):
        (landing / name).write_text("\n".join(lines) + "\n")


def _sampled(folder: Path) -> dict[str, int]:
    data = sample_data.generate(folder / "logs", truth=folder / "truth", tracks=50, users=20, events=5_000)
    return Counter(pyarrow.csv.read_csv(data.user_events)["event_type"].to_pylist())


def _asked(driver: Driver) -> dict[str, Any]:
    found = driver.execute_query(
        "MATCH (user)-[edge:SHARED]->(track) RETURN user.user_id, edge.count, toString(edge.first_ts),"
        " toString(edge.last_ts), track.track_id ORDER BY user.user_id"
    )
    driver.execute_query(_MODEL)
    query, drawn = queries.get("most_shared_tracks"), queries.get("user_neighbourhood")
    return {
        "edges": [list(record.values()) for record in found.records],
        "query": queries.run(driver, "neo4j", query, query.bind({})).rows,
        "drawn": [row[1] for row in queries.run(driver, "neo4j", drawn, drawn.bind({"user_id": "ann"})).rows],
        "recommended": [track.track_id for track in serving.recommend(driver, "neo4j", "ann").tracks],
    }


def _run() -> dict[str, Any]:
    home = Path(os.environ["SPOTIFY_GRAPH_HOME"])
    _land(home / "landing")
    refresh = CliRunner().invoke(main, ["materialize", "--select", "not (group:evaluation or group:recommendations)"])
    with GraphDatabase.driver(os.environ["NEO4J_URI"], auth=("neo4j", os.environ["NEO4J_PASSWORD"])) as driver:
        asked = _asked(driver)
    graph = build_defs().resolve_asset_graph()
    key = dg.AssetKey("shared_edges")
    return asked | {
        "exit_code": refresh.exit_code,
        "columns": [it.name for it in graph.get(key).metadata["dagster/column_schema"].columns],
        "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        "sampled": _sampled(home / "sampled"),
        "style": stylesheet.style()["relationship.SHARED"],
        "weight": Parameters().weights["share"],
        "imported": "share" in KINDS,
        "reference": {name: reference.page(name) for name in ("graph.md", "assets.md", "settings.md")},
    }


if __name__ == "__main__":
    print(json.dumps(_run(), default=str))  # noqa: T201 its answer
