"""What the command line prints: tables or JSON on stdout, progress and errors on stderr."""

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from spotify_graph.tables import fits, lay_out
from spotify_graph.times import utc

_WIDTH = 80
"""How wide a line is where nobody looks at a terminal."""
_BAR_WIDTH = 12

_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They turn the order of what follows on a screen around."""

# A word that is wider than the screen is wrapped by the terminal: folded by us, it couldn't be copied.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """A line of progress, on stderr."""
    err.print(_literal(line))


def heading(line: str) -> None:
    """The title of what follows, on stdout."""
    out.print(_literal(f"\n{line}", style="bold"))


def tell(line: str) -> None:
    """A line of the answer, on stdout."""
    out.print(_literal(line))


def records(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Rows of an answer, as a table for people or as a JSON array of objects.

    Args:
        rows: the rows, each with every column.
        columns: the columns, in order.
        as_json: whether a program reads.
    """
    if as_json:
        document([dict(row) for row in rows])
        return
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    numeric = [any(_is_number(row[column]) for row in rows) for column in columns]
    layout = lay_out(columns, cells, width(), numeric=numeric)
    for line in layout.head:
        out.print(_literal(line, style="bold"))
    for line in layout.body:
        out.print(_literal(line))
    if not rows:
        say("(no rows)")


def fit(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bool:
    """Whether a table of these rows has room for every row on one line."""
    return fits(columns, [[_cell(row[column]) for column in columns] for row in rows], width())


def width() -> int:
    """How many characters a line of an answer has: as many as the terminal has, and 80 where there is none."""
    return shutil.get_terminal_size(fallback=(_WIDTH, 0)).columns


def document(value: object) -> None:
    """A JSON document, on stdout."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write("\n")


class Work:
    """Long work, as it is shown while it lasts.

    On a terminal, a line at the bottom says what is being done, how much of it is, how fast, and how long it will take.
    Elsewhere there are but the lines that are said.

    Args:
        bar: the line at the bottom.
    """

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def on(self, what: str) -> None:
        """Tells what is being worked on now."""
        self._bar.update(self._task, description=_escaped(what))

    def progress(self, done: int, total: int) -> None:
        """Tells how much is done, and of how much."""
        self._bar.update(self._task, completed=done, total=total)


@contextmanager
def work(unit: str) -> Iterator[Work]:
    """Shows long work on stderr while it lasts.

    Args:
        unit: what is counted, in the plural.
    """
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(_BAR_WIDTH),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with _kept_on_terminal(), bar:
        yield Work(bar)


class _Rate(ProgressColumn):
    """How fast work goes."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        if not task.speed:
            return Text("")
        return Text(f"{task.speed:,.0f} {self._unit}/s" if task.speed >= 1 else f"{1 / task.speed:.0f} s each")


@contextmanager
def _kept_on_terminal() -> Iterator[None]:
    """Keeps what is said on the terminal, where others turn stderr into a file, as Dagster does for each step.

    The line at the bottom would not be cleared there, and what is said would reach the terminal late, in another order.
    """
    if not sys.stderr.isatty():
        yield
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding) as terminal:
        before, err.file = err.file, terminal
        try:
            yield
        finally:
            err.file = before


def _literal(text: str, style: str = "") -> Text:
    """The text as it is, whatever it holds: no markup of Rich's, and nothing that a terminal would obey."""
    return Text(_escaped(text), style)


def _escaped(text: str) -> str:
    return "".join(repr(it)[1:-1] if _is_obeyed(it) else it for it in text)


def _is_obeyed(character: str) -> bool:
    # Other format characters belong to words and to emoji.
    return (unicodedata.category(character) == "Cc" and character not in "\n\t") or character in _DIRECTIONS


def _plain(value: object) -> str:
    """What neither JSON nor a table has a type for, as text."""
    return utc(value) if isinstance(value, datetime) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    """A value as a cell of a table has it: a line break in a title must not break the table."""
    return _escaped(" ".join(_shown(value).split()))


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case list():
            return ", ".join(_shown(item) for item in value)
        case _:
            return _plain(value)
