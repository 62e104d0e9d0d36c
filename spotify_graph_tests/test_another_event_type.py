"""An event type that is added to the graph model as docs/how-to says: everything else follows from the one entry."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest

from spotify_graph import graph_model
from spotify_graph.definitions import build_defs
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.emptied import empty

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "add-an-event-type.md"
END_OF_TYPES = ')\n"""What may happen between a user and a track.'


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: neo4j.Driver
) -> Iterator[dict[str, Any]]:
    """What `spotify_graph_tests.sharing` says, run with a copy of the package that has the entry of the page."""
    folder = tmp_path_factory.mktemp("sharing")
    package = folder / "code" / "spotify_graph"
    shutil.copytree(Path(graph_model.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (entry,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    model = (package / "graph_model.py").read_text()
    assert model.count(END_OF_TYPES) == 1
    (package / "graph_model.py").write_text(model.replace(END_OF_TYPES, f"{entry.strip()},\n{END_OF_TYPES}"))

    empty(neo4j_driver)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(package.parent), str(ROOT)]),
        "SPOTIFY_GRAPH_HOME": str(folder / "home"),
        "DAGSTER_HOME": str(folder / "home" / "dagster"),
        "NEO4J_URI": str(local_neo4j.status().uri),
        "NEO4J_PASSWORD": local_neo4j.password().get_secret_value(),
    }
    command = [sys.executable, "-m", "spotify_graph_tests.sharing"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    empty(neo4j_driver)


def test_its_events_are_in_the_graph_counted_and_with_their_times(shared: dict[str, Any]) -> None:
    assert shared["exit_code"] == 0
    assert shared["edges"] == [
        ["ann", 2, "2026-01-01T10:00:00Z", "2026-01-03T10:00:00Z", "t1"],
        ["ben", 1, "2026-01-02T10:00:00Z", "2026-01-02T10:00:00Z", "t1"],
    ]


def test_it_has_an_asset_with_columns_and_the_gates_of_every_other_type(shared: dict[str, Any]) -> None:
    assert shared["columns"] == ["user_id", "track_id", "count", "first_ts", "last_ts"]
    others = build_defs().resolve_asset_graph()
    (played,) = (key for key in others.get_all_asset_keys() if key.to_user_string() == "played_edges")
    assert shared["checks"] == sorted(check.name for check in others.get_check_keys_for_assets({played}))


def test_queries_pictures_and_styles_know_it(shared: dict[str, Any]) -> None:
    assert shared["query"] == [["t1", None, "Ann", 3, 2]]
    assert "SHARED" in {edge["type"] for edge in shared["drawn"]}
    assert shared["style"]["caption"] == "SHARED {count}"


def test_what_somebody_shared_they_have_heard_and_it_is_not_recommended(shared: dict[str, Any]) -> None:
    assert shared["recommended"] == ["t2", "t3"]


def test_the_reference_says_it(shared: dict[str, Any]) -> None:
    pages = shared["reference"]
    assert "| `share` | `(User)-[:SHARED]->(Track)` | 2 |" in pages["graph.md"]
    assert "### (:User)-[:SHARED]->(:Track)" in pages["graph.md"]
    assert "`most_shared_tracks`" in pages["graph.md"]
    assert "## shared_edges" in pages["assets.md"]
    assert "| `share` | Weight of a share: " in pages["settings.md"]


def test_models_weigh_it_samples_have_it_and_imports_may_name_it(shared: dict[str, Any]) -> None:
    assert shared["weight"] == 2.0
    assert shared["imported"]
    of_all = shared["sampled"]["share"] / sum(shared["sampled"].values())
    assert of_all == pytest.approx(0.04 / 1.04, abs=0.01), "of 5,000 events: within some standard deviations"
