"""The documents: what they say is to be run works, where they lead there is something, the reference is the code's."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import click
import pytest
from neo4j import Driver

from spotify_graph.checks import gates
from spotify_graph.cli import main
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests import reference
from spotify_graph_tests.platform import Platform, installed

ROOT = Path(__file__).parents[1]
README, TUTORIAL = ROOT / "README.md", ROOT / "docs" / "tutorial.md"
RUNBOOK, OPERATIONS = ROOT / "docs" / "runbook.md", ROOT / "docs" / "operations.md"
TROUBLESHOOTING = ROOT / "docs" / "how-to" / "troubleshooting.md"
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
LOADED = re.compile(r"<(?:script|img|iframe)[^>]*\bsrc=\"?https?:|<link(?![^>]*rel=\"?canonical)[^>]*\bhref=\"?https?:")
README_LINES = 150
OURS = ".venv/bin/spotify-graph"

BY_OTHER_TESTS = {
    "make demo": "test_sample_to_graph::test_demo_prints_the_counts_the_sample_queries_and_what_to_do_next",
    "make up": "test_up::test_the_ui_shows_the_asset_graph_the_terminal_a_refused_file_and_signals_leave_no_process",
    f"{OURS} neo4j stop": "test_local_neo4j::test_stop_leaves_no_process_and_says_whether_there_was_one",
}
"""What takes long, or would end the suite's server: the test that does it."""
BY_CI = {"make setup", "make test"}
"""What .ci/run begins and ends with."""


def blocks(page: Path) -> list[list[str]]:
    """The commands of each block for a shell, without comments; a block with text in it is one command."""
    found = []
    for block in SHELL.findall(page.read_text(encoding="utf-8")):
        lines = [block] if "<<" in block else [re.sub(r"\s+# .*", "", line) for line in block.splitlines()]
        found.append([line.strip() for line in lines if line.strip()])
    return found


@pytest.fixture(scope="module")
def said(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[dict[str, str]]:
    """What each command of the tutorial, and then of the README, printed, run one after the other in one folder."""
    folder = tmp_path_factory.mktemp("tutorial")
    printed: dict[str, str] = {}
    with installed(folder / ".spotify_graph", local_neo4j, neo4j_driver) as platform, chdir(folder):
        for command in (command for page in (TUTORIAL, README) for block in blocks(page) for command in block):
            if command not in BY_OTHER_TESTS and command not in BY_CI:
                printed[command] = _run(command, platform)
        printed["ann.html"] = Path("ann.html").read_text(encoding="utf-8")
        yield printed


def _run(command: str, platform: Platform) -> str:
    """Runs a command as a shell would, and what stands behind || where it fails; ours in this process, which is up."""
    first, _, otherwise = command.partition(" || ")
    if first.startswith(f"{OURS} "):
        ours = platform.run(*shlex.split(first.removeprefix(OURS)))
        failed, output = ours.exit_code, ours.output
    else:
        done = subprocess.run(["/bin/sh", "-ec", first], capture_output=True, text=True, check=False)
        failed, output = done.returncode, done.stdout + done.stderr
    assert not failed or otherwise, f"{command}\n{output}"
    return output + (_run(otherwise, platform) if failed else "")


def test_every_command_of_the_tutorial_and_the_readme_works_in_their_order(said: dict[str, str]) -> None:
    assert len(said) > 10


def test_what_the_tutorial_says_of_the_answers_is_so(said: dict[str, str]) -> None:
    first = said['.venv/bin/spotify-graph materialize || echo "something was held back"']
    assert "something was held back" in first
    assert "user_events.csv: check rejected_share: 1 of 11 rows rejected (9.09%), more than 5.00%" in first
    assert "unknown_event_type" in said[".venv/bin/spotify-graph rejects"]
    mended = said[".venv/bin/spotify-graph materialize"]
    assert re.search(r"track_nodes +6 rows", mended)
    assert re.search(r"artist_nodes +5 rows +\S+ s +0 inserted, 0 changed, 0 deleted|artist_nodes: unchanged", mended)
    assert said[".venv/bin/spotify-graph status"].count(" passed ") == 2
    assert re.search(r"1 +t3 +Naima", said[".venv/bin/spotify-graph recommend ann -k 3"])
    assert "<title>User ann</title>" in said["ann.html"]


def test_a_command_that_is_not_run_here_is_run_by_a_test_that_is_there() -> None:
    told = {command for page in (README, TUTORIAL) for block in blocks(page) for command in block}
    assert set(BY_OTHER_TESTS) | BY_CI <= told, "nobody is told to run it any more"
    for place in BY_OTHER_TESTS.values():
        file, test = place.split("::")
        assert f"def {test}(" in (ROOT / "spotify_graph_tests" / f"{file}.py").read_text(encoding="utf-8")
    assert all(command in (ROOT / ".ci" / "run").read_text(encoding="utf-8") for command in BY_CI)
    recipes = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "up"):
        assert re.search(rf"^{target}: .*\n\t@\.venv/bin/spotify-graph {target}$", recipes, re.MULTILINE)


@pytest.mark.parametrize("page", [RUNBOOK, OPERATIONS], ids=lambda page: page.stem)
def test_a_command_that_an_operator_is_told_is_one_that_there_is(page: Path) -> None:
    ours = [command for block in blocks(page) for command in block if command.startswith("spotify-graph ")]
    assert ours
    for line in ours:
        command: click.Command = main
        words = shlex.split(line.partition(" > ")[0])[1:]
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context(line, words)  # else it is wrong usage


def test_every_error_line_of_troubleshooting_is_one_that_the_code_has() -> None:
    sources = [*(ROOT / "spotify_graph").rglob("*.py"), ROOT / ".ci" / "install"]
    # Texts over several lines, put together; backticks in them would end the page's.
    code = re.sub(r"\"\s*\n\s*f?\"", "", "\n".join(source.read_text(encoding="utf-8") for source in sources))
    code = code.replace("`", "") + " ".join(
        f"check {it.name}: " for it in vars(gates).values() if isinstance(it, gates.Gate)
    )
    lines = re.findall(r"^\| (`.+?`(?:, `.+?`)*) \|", TROUBLESHOOTING.read_text(encoding="utf-8"), re.MULTILINE)
    parts = [part.strip() for line in lines for said in re.findall(r"`(.+?)`", line) for part in said.split("...")]
    assert len(parts) > 40
    assert [part for part in parts if part and part not in code] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < README_LINES


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_links_between_the_checkout_s_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        if "://" not in link and not link.startswith("#"):
            assert (ROOT / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name: str) -> None:
    written = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert written == reference.page(name), "`make reference` writes it anew"


def test_the_website_is_built_every_link_in_it_leads_somewhere_and_it_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 20
    assert {page.name: found for page in pages if (found := LOADED.findall(page.read_text(encoding="utf-8")))} == {}
    styles = [style.read_text(encoding="utf-8") for style in tmp_path.rglob("*.css")]
    assert styles
    assert not any(re.search(r"(@import|url\()\s*[\"']?https?:", style) for style in styles)
