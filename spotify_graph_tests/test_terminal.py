"""What a person meets in a terminal: progress that leaves no traces, help with examples, completion, and JSON."""

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from spotify_graph.cli import main
from spotify_graph.rejects import REASONS

ROW = re.compile(r"\[ ?\d+/\d+\]  \w+")
ERASED = "\r\x1b[2K"


pytestmark = pytest.mark.usefixtures("new_home")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def land() -> None:
    result = run("generate", "--tracks", "3", "--users", "2", "--events", "10")
    assert result.exit_code == 0, result.output


def commands() -> list[tuple[str, ...]]:
    """Every command by its words."""
    found: list[tuple[str, ...]] = []
    for name, command in main.commands.items():
        found += [(name, inner) for inner in command.commands] if isinstance(command, click.Group) else [(name,)]
    return found


def on_a_terminal(*arguments: str, columns: int = 80) -> str:
    """What the command writes to a terminal of that width, which it has as its stdout and stderr."""
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "spotify_graph.cli", *arguments],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(its_end)
    written = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # Linux says so where the other end is closed
            break
        if not some:
            break
        written += some
    os.close(terminal)
    assert process.wait() == 0, written.decode()
    return written.decode()


def test_on_a_terminal_the_line_at_the_bottom_is_cleared_before_a_row_is_printed() -> None:
    land()
    written = on_a_terminal("materialize", "--select", "*cleaned_tracks")
    rows = [line for line in written.split("\r\n") if ROW.search(line)]
    assert len(rows) == 3  # raw_tracks, cleaned_tracks, rejected_tracks
    for row in rows:
        # What was on the line before is erased, and the row is all that stays on it.
        assert ROW.match(row.rpartition(ERASED)[2]), row


def test_on_a_terminal_progress_says_how_much_is_done() -> None:
    land()
    written = on_a_terminal("materialize", "--select", "*cleaned_tracks")
    assert re.search(r"\b[12]/3\b", written.replace("[", " "))
    assert re.search(r"\d:\d\d:\d\d", written)


def test_where_stderr_is_no_terminal_there_are_plain_lines() -> None:
    land()
    result = run("materialize", "--select", "*cleaned_tracks")
    assert "\x1b" not in result.output
    assert "\r" not in result.output
    assert [bool(ROW.match(line)) for line in result.stderr.splitlines()] == [True] * 3


def test_a_table_is_as_wide_as_the_terminal_at_most() -> None:
    for columns in (80, 120):
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_a_terminal("query", "--list", columns=columns))
        assert max(map(len, text.splitlines())) <= columns
        assert "user_neighbourhood" in text


@pytest.mark.parametrize("arguments", [("query", "--list"), ("status",)])
def test_a_table_that_is_piped_fits_80_columns_and_no_line_ends_in_blanks(arguments: tuple[str, ...]) -> None:
    land()
    result = run(*arguments)
    assert result.stderr in {"", "Neo4j does not run: what others have added to the graph is not known\n"}
    lines = [line for line in result.stdout.splitlines() if not line.startswith("Files, landing in /")]
    assert len(lines) > 5
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)


def test_materialize_says_as_json_what_was_held_back_and_written(new_home: Path) -> None:
    land()
    (new_home / "landing" / "tracks-bad.csv").write_text("nothing\n1\n")
    result = run("materialize", "--select", "*cleaned_tracks", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["complete"] is False
    assert report["failures"] == []
    assert report["written"] == {}
    (held_back,) = report["held_back"]
    assert "tracks-bad.csv" in held_back


def test_generate_says_as_json_what_it_wrote(new_home: Path) -> None:
    result = run("generate", "--tracks", "3", "--users", "2", "--events", "10", "--json")
    written = json.loads(result.stdout)
    assert written.keys() == {"tracks", "user_events", "truth"}
    assert all(Path(path).exists() for path in written.values())


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_can_answer_in_json_but_those_that_run_until_they_are_stopped(words: tuple[str, ...]) -> None:
    assert ("--json" in run(*words, "--help").stdout) is (words not in {("up",), ("serve",)})


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_help_of_a_command_has_examples_that_it_would_take(words: tuple[str, ...]) -> None:
    text = run(*words, "--help").stdout
    examples = re.findall(r"^  spotify-graph (.+)$", text.partition("Example")[2], re.MULTILINE)
    assert examples, text
    for example in examples:
        given = shlex.split(example)
        command: click.Command = main
        while isinstance(command, click.Group):
            command = command.commands[given.pop(0)]
        command.make_context(command.name, given)


@pytest.mark.parametrize("words", [(), *commands()], ids=" ".join)
def test_help_fits_80_columns(words: tuple[str, ...]) -> None:
    lines = run(*words, "--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["query", "top"], ["top_liked_tracks"]),
        (["query", "related_tracks", "-p", "l"], ["limit=", "listeners="]),
        (["query", "related_tracks", "-p", "x"], []),
        (["list", "a"], ["artists"]),
        (["draw", ""], ["user", "artist", "track", "genre"]),
        (["rejects", "--reason", "bad_e"], [it for it in REASONS if it.startswith("bad_e")]),
        (["mat"], ["materialize"]),
    ],
)
def test_the_shell_completes_commands_and_the_names_of_queries(typed: list[str], offered: list[str]) -> None:
    words = " ".join(["spotify-graph", *typed])
    asked = {"_SPOTIFY_GRAPH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(typed))}
    result = CliRunner().invoke(main, [], prog_name="spotify-graph", env=asked)
    assert [line.partition(",")[2] for line in result.stdout.split()] == offered


def test_help_waits_for_none_of_what_takes_long_to_import() -> None:
    slow = ("dagster", "pyspark", "pyarrow", "numpy", "pandas", "neo4j", "neo4j_viz")
    code = f"import sys, spotify_graph.cli; print([name for name in {slow!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
