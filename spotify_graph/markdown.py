"""Markdown of what comes from files and people: text that is shown as it is, whatever it holds."""

import html
import re
from collections.abc import Sequence

_MARKUP = re.compile(r"[&<>|\\`*~\[\]!$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What means something in Markdown or in HTML, within a line."""


def escaped(text: str) -> str:
    """A text on one line, in which nothing is markup."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.splitlines()))


def unescaped(text: str) -> str:
    """The text that `escaped` was given, for who shows it without markup: a terminal, a record, a mail."""
    return html.unescape(text)


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table. The cells are escaped."""
    lines = [names, ["---"] * len(names), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
