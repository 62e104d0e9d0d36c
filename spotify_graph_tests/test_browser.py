"""What Neo4j Browser is given: a style that follows from the graph model, and the sample queries as saved scripts."""

import json
import re
import zipfile
from pathlib import Path

import neo4j
import pytest
from click.testing import CliRunner

from spotify_graph import browser, queries, stylesheet
from spotify_graph.cli import main
from spotify_graph.graph_model import EVENT_TYPES, NODES
from spotify_graph.neo4j_io import ledger, models


def test_every_label_has_a_style_with_what_people_call_its_nodes() -> None:
    captions = {label: stylesheet.style()[f"node.{label}"]["caption"] for label in (it.label for it in NODES)}
    assert captions == {"User": "{user_id}", "Track": "{title}", "Artist": "{name}", "Genre": "{name}"}


def test_every_event_type_shows_its_count() -> None:
    for event in EVENT_TYPES:
        name = event.relationship.type
        assert stylesheet.style()[f"relationship.{name}"]["caption"] == f"{name} {{count}}"


def test_the_ledger_is_out_of_sight() -> None:
    assert set(stylesheet.LEDGER) == {ledger.NODE.label, models.NODE.label}
    for label in stylesheet.LEDGER:
        style = stylesheet.style()[f"node.{label}"]
        assert style["caption"].strip() == ""
        assert int(style["diameter"].removesuffix("px")) < int(
            stylesheet.style()["node"]["diameter"].removesuffix("px")
        )


def test_the_file_of_the_style_has_its_rules() -> None:
    found = {
        selector: dict(re.findall(r"  ([a-z-]+|defaultCaption): \"?(.*?)\"?;\n", rule))
        for selector, rule in re.findall(r"^(\S+) \{\n(.*?)^\}\n", stylesheet.text(), re.MULTILINE | re.DOTALL)
    }
    assert found == stylesheet.style()


def test_the_local_server_tells_neo4j_browser_the_style(neo4j_driver: neo4j.Driver) -> None:
    told = neo4j_driver.execute_query("CALL dbms.clientConfig()").records
    (command,) = (record["value"] for record in told if record["name"] == "browser.post_connect_cmd")
    assert command == stylesheet.command()
    assert ";" not in command, "it would be two commands"
    name, _, rules = command.partition(" ")
    assert name == "style"
    assert json.loads(rules) == stylesheet.style()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """What the command writes."""
    result = CliRunner().invoke(main, ["browser", "--out", str(tmp_path / "new" / "folder"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout).keys() == {"style", "scripts"}
    return tmp_path / "new" / "folder"


def test_the_command_writes_the_style_and_every_sample_query(written: Path) -> None:
    assert (written / browser.STYLE_FILE).read_text() == stylesheet.text()
    with zipfile.ZipFile(written / browser.SCRIPTS_FILE) as archive:
        assert set(archive.namelist()) == {f"spotify_graph/{name}.cypher" for name in queries.load()}
        for query in queries.load().values():
            first_line = archive.read(f"spotify_graph/{query.name}.cypher").decode().splitlines()[0]
            assert first_line == f"// {query.description}", "the name that it has among the saved scripts"


@pytest.mark.parametrize("query", queries.load().values(), ids=queries.load())
def test_a_saved_script_needs_no_parameter_but_its_key(neo4j_driver: neo4j.Driver, query: queries.Query) -> None:
    keys = {it.name for it in query.parameters if isinstance(it, queries.KeyParameter)}
    script = browser.script(query)
    assert set(re.findall(r"\$(\w+)", script)) == keys
    neo4j_driver.execute_query(f"EXPLAIN {script}", dict.fromkeys(keys, "x"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "folder"
    result = CliRunner().invoke(main, ["browser", "--out", str(folder)])
    assert result.exit_code == 1
    assert result.stderr == f"spotify-graph: {folder} cannot be written (Not a directory): give --out another folder\n"
