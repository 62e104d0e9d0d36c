"""`spotify-graph draw`: a neighbourhood as a page that needs no network, and that nothing in the data can write to."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from neo4j import Driver

from spotify_graph.appearance import COLOURS, NAMES, WEIGHTS, in_words
from spotify_graph.cli import main
from spotify_graph.graph_model import EVENT_TYPES, NODES

HOSTILE = "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>"
GRAPH = """
CREATE (miles:Artist {name: 'Miles Davis'}), (jazz:Genre {name: 'Jazz'})
CREATE (t1:Track {track_id: 'aaa', title: 'So What'})-[:BY]->(miles), (t1)-[:IN_GENRE]->(jazz)
CREATE (t2:Track {track_id: 'bbb'})-[:BY]->(miles), (t2)-[:IN_GENRE]->(jazz)
CREATE (ann:User {user_id: 'ann', last_seen: datetime('2026-01-02T03:04:05Z')}), (:User {user_id: 'eve'})
CREATE (ann)-[:PLAYED {count: 8, first_ts: datetime(), last_ts: datetime()}]->(t1)
CREATE (ann)-[:PLAYED {count: 4, first_ts: datetime(), last_ts: datetime()}]->(t2)
"""


@pytest.fixture
def music(commands_graph: Driver) -> Driver:
    """The graph above, as the command's."""
    commands_graph.execute_query(GRAPH)
    return commands_graph


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["draw", *arguments])


def drawn(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """The page, and what it draws."""
    file = folder / "picture.html"
    result = run(*arguments, "--out", str(file))
    assert result.exit_code == 0, result.output
    page = file.read_text("utf-8")
    data = re.search(r'<script type="application/json" id="neo4j-viz-data">(.*?)</script>', page, re.DOTALL)
    assert data
    return page, json.loads(data[1])


@pytest.mark.parametrize(
    ("kind", "key", "title"),
    [
        ("user", "ann", "User ann"),
        ("track", "aaa", "Track So What"),
        ("artist", "miles davis", "Artist Miles Davis"),
        ("genre", "Jazz", "Genre Jazz"),
    ],
)
def test_each_kind_of_node_has_a_picture(music: Driver, tmp_path: Path, kind: str, key: str, title: str) -> None:
    page, data = drawn(tmp_path, kind, key)
    assert f"<title>{title}</title>" in page
    largest = max(data["nodes"], key=lambda node: node["size"])
    assert title.endswith(largest["caption"])


def test_nodes_are_called_by_their_names_in_the_colour_of_their_label(music: Driver, tmp_path: Path) -> None:
    _, data = drawn(tmp_path, "user", "ann")
    assert {(node["caption"], node["color"].upper()) for node in data["nodes"]} == {
        ("ann", COLOURS["User"]),
        ("So What", COLOURS["Track"]),
        ("bbb", COLOURS["Track"]),
        ("Miles Davis", COLOURS["Artist"]),
        ("Jazz", COLOURS["Genre"]),
    }
    legend = {entry["label"]: entry["color"].upper() for entry in data["legend"]["nodes"]["entries"]}
    assert legend == COLOURS


def test_a_line_is_as_thick_as_the_relationship_is_strong(music: Driver, tmp_path: Path) -> None:
    _, data = drawn(tmp_path, "user", "ann")
    widths = {(it["caption"], it["properties"].get("count")): it["width"] for it in data["relationships"]}
    thinnest = widths["BY", None]
    assert thinnest == widths["IN_GENRE", None]
    assert widths["PLAYED", 8] - thinnest == pytest.approx(2 * (widths["PLAYED", 4] - thinnest))


def test_the_limit_bounds_the_picture(music: Driver, tmp_path: Path) -> None:
    _, data = drawn(tmp_path, "user", "ann", "--limit", "1")
    assert {node["caption"] for node in data["nodes"]} == {"ann", "So What", "Miles Davis", "Jazz"}


def test_the_page_loads_nothing_from_elsewhere(music: Driver, tmp_path: Path) -> None:
    page, _ = drawn(tmp_path, "user", "ann")
    head = page.partition('<script type="application/json"')[0] + page.rpartition("</script>")[2]
    assert re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=", head) == []
    assert re.findall(r"@import|url\(\s*['\"]?(?:https?:)?//", page) == []


def test_markup_in_names_stays_text(music: Driver, tmp_path: Path) -> None:
    music.execute_query("CREATE (:Track {track_id: 'evil', title: $name})-[:BY]->(:Artist {name: $name})", name=HOSTILE)
    page, data = drawn(tmp_path, "artist", HOSTILE)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "</title></script>" not in page
    assert page.count("<title>") == 1
    assert {node["caption"] for node in data["nodes"]} == {HOSTILE}


def test_an_id_that_the_graph_lacks_is_named_with_what_comes_close(music: Driver, tmp_path: Path) -> None:
    for arguments, message in (
        (["artist", "Miles Davies"], "no Artist with the name 'Miles Davies'; did you mean 'Miles Davis'?"),
        (["user", "ANN"], "no User with the user_id 'ANN'; did you mean 'ann'?"),
        (["track", "zzz"], "no Track with the track_id 'zzz'"),
        (["user", "eve"], "the User 'eve' has no relationships that could be drawn"),
    ):
        result = run(*arguments, "--out", str(tmp_path / "none.html"))
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert message in result.stderr
        assert not (tmp_path / "none.html").exists()


def test_a_file_that_cannot_be_written_is_named(music: Driver, tmp_path: Path) -> None:
    file = tmp_path / "no such folder" / "picture.html"
    result = run("user", "ann", "--out", str(file))
    assert result.exit_code == 1
    assert (
        result.stderr
        == f"spotify-graph: {file} cannot be written (No such file or directory): give --out another file\n"
    )


def test_what_was_drawn_is_told_as_json(music: Driver, tmp_path: Path) -> None:
    file = tmp_path / "picture.html"
    assert json.loads(run("user", "ann", "--out", str(file), "--json").stdout) == {
        "file": str(file),
        "nodes": 5,
        "relationships": 6,
    }


def test_every_label_has_a_colour_of_its_own_and_a_name() -> None:
    assert COLOURS.keys() == NAMES.keys() == {node.label for node in NODES}
    assert len(set(COLOURS.values())) == len(NODES)
    assert NAMES["Track"] == ("title", "track_id")
    assert NAMES["User"] == ("user_id",)


def test_what_makes_a_relationship_strong_follows_from_the_model() -> None:
    assert {WEIGHTS[event.relationship.type] for event in EVENT_TYPES} == {"count"}
    assert {WEIGHTS[name] for name in ("SIMILAR_TO", "SIMILAR_USER", "RECOMMENDED")} == {"score"}
    assert "BY" not in WEIGHTS


def test_a_table_names_nodes_and_relationships_in_words() -> None:
    assert in_words({"label": "Track", "track_id": "aaa", "title": "So What"}) == "Track So What"
    assert in_words({"label": "Track", "track_id": "aaa"}) == "Track aaa"
    assert in_words({"label": "Stranger"}) == "Stranger"
    assert in_words({"type": "PLAYED", "count": 3}) == "PLAYED 3"
    assert in_words({"type": "BY"}) == "BY"
    assert in_words(["x"]) == ["x"]
