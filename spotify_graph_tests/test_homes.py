"""The folders that the settings name: which are taken, and which are refused before anything is written."""

import string
from pathlib import Path

import pytest
from click.testing import CliRunner

from spotify_graph.cli import main
from spotify_graph.settings import Settings

REFUSED = "*?[]{}\\,%:;=🎵"
ALLOWED = "".join(sorted(set(string.punctuation) - set(REFUSED) - {"/"})) + " é音"
"""Every other printable sign of ASCII, and letters of other scripts. Homes of other tests have them in their names."""


@pytest.mark.parametrize("character", [*REFUSED, "\n", "\t", "\x7f", "\N{ZERO WIDTH SPACE}", "\udcff"])
@pytest.mark.parametrize("variable", ["SPOTIFY_GRAPH_HOME", "DAGSTER_HOME"])
def test_a_character_that_does_not_work_everywhere_is_named_in_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, character: str
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, str(tmp_path / f"a{character}b"))
    result = CliRunner().invoke(main, ["generate"])
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert variable in line
    assert repr(character) in line
    assert list(tmp_path.iterdir()) == []


def test_all_other_characters_are_taken_and_in_the_landing_folder_those_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, landing = tmp_path / ALLOWED, tmp_path / f"{REFUSED}{ALLOWED}"
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(home))
    monkeypatch.setenv("SPOTIFY_GRAPH_LANDING", str(landing))
    settings = Settings.load()
    assert (settings.home, settings.landing) == (home, landing)


def test_a_home_of_a_user_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", "~nobody-of-that-name/home")
    result = CliRunner().invoke(main, ["generate"])
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert "SPOTIFY_GRAPH_HOME" in line
    assert "~nobody-of-that-name" in line
