"""What the command line prints: tables or JSON on stdout, progress and errors on stderr."""

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from spotify_graph.times import utc

# Wider than any screen: a key that is folded in its column can't be copied, a line that the terminal wraps can.
_WIDTH = 10_000

_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They turn the order of what follows on a screen around."""

out = Console(highlight=False, soft_wrap=True, width=_WIDTH)
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
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = any(isinstance(row[column], int | float) and not isinstance(row[column], bool) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_literal(_shown(row[column])) for column in columns))
    out.print(table)
    if not rows:
        say("(no rows)")


def document(value: object) -> None:
    """A JSON document, on stdout."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write("\n")


def progress(what: str) -> Progress:
    """A bar for long work on stderr, which is silent where stderr is not a terminal.

    Args:
        what: the work, in a few words.
    """
    return Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def _literal(text: str, style: str = "") -> Text:
    """The text as it is, whatever it holds: no markup of Rich's, and nothing that a terminal would obey."""
    return Text("".join(repr(it)[1:-1] if _is_obeyed(it) else it for it in text), style)


def _is_obeyed(character: str) -> bool:
    # Other format characters belong to words and to emoji.
    return (unicodedata.category(character) == "Cc" and character not in "\n\t") or character in _DIRECTIONS


def _plain(value: object) -> str:
    """What neither JSON nor a table has a type for, as text."""
    return utc(value) if isinstance(value, datetime) else str(value)


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
            # A line break in a title must not break the table.
            return " ".join(_plain(value).split())
