"""Tables of text that fit a width: words stay whole, and no line ends in blanks.

A table that is too wide has its cells wrapped at their blanks. Where rows would become tall, the last column goes under
its row; where even that is not enough, each row is written upright, a line for each of its columns. A word that is
wider than all that, such as an id, sticks out: who copies it gets it whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

_GAP = "  "
_INDENT = "    "
_LEAST_COLUMNS = 3
"""Of fewer columns, none goes under the others."""
_TALLEST = 2
"""How many lines a row takes where all of its columns stand beside each other."""


@dataclass(frozen=True)
class Layout:
    """A table as lines.

    Attributes:
        head: the lines that name the columns; none where each row names them itself.
        body: the lines that follow.
    """

    head: tuple[str, ...]
    body: tuple[str, ...]


def lay_out(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, numeric: Sequence[bool] | None = None
) -> Layout:
    """Lays out a table.

    Args:
        columns: the columns' names.
        rows: the cells of each row, on one line each.
        width: how many characters a line may have.
        numeric: for each column whether it holds numbers, which are aligned at their right end and never wrapped.
    """
    numeric = numeric or [False] * len(columns)
    beside = under = None
    if widths := _widths(columns, rows, width, numeric):
        beside = [_beside(cells, widths, numeric) for cells in (columns, *rows)]
        if max(map(len, beside)) <= _TALLEST:
            return _layout(beside)
    if len(columns) >= _LEAST_COLUMNS and (widths := _widths(columns[:-1], [row[:-1] for row in rows], width, numeric)):
        under = [[*_beside(cells[:-1], widths, numeric), *_under(cells[-1], width)] for cells in (columns, *rows)]
    if found := under or beside:
        return _layout(found)
    upright = [_upright(columns, row, width) for row in rows]
    return Layout((), tuple(line for row in upright for line in ("", *row))[1:])


def _layout(lines: Sequence[Sequence[str]]) -> Layout:
    return Layout(tuple(lines[0]), tuple(line for row in lines[1:] for line in row))


def fits(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether a table fits without anything being wrapped."""
    return sum(_natural(columns, rows)) + len(_GAP) * (len(columns) - 1) <= width


def _natural(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]


def _widths(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, numeric: Sequence[bool]
) -> list[int] | None:
    """How wide each column is to be; None where too little would be left of one."""
    widths = _natural(columns, rows)
    least = [
        natural if is_number else max(-(-natural // 2), *(_longest_word(cell) for cell in cells))
        for natural, is_number, cells in zip(widths, numeric, zip(columns, *rows, strict=True), strict=False)
    ]
    room = width - len(_GAP) * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max((it for it in range(len(widths)) if widths[it] > least[it]), key=lambda it: widths[it])
        widths[widest] -= 1
    return widths


def _longest_word(cell: str) -> int:
    return max(map(cell_len, cell.split(" ")))


def _beside(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    """A row, on as many lines as its tallest cell has."""
    wrapped = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for number in range(max(map(len, wrapped))):
        parts = [cell[number] if number < len(cell) else "" for cell in wrapped]
        padded = [_padded(*it) for it in zip(parts, widths, numeric, strict=False)]
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _padded(text: str, width: int, is_number: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if is_number else text + blanks


def _under(cell: str, width: int) -> list[str]:
    return [f"{_INDENT}{line}" for line in _wrapped(cell, width - len(_INDENT)) if line]


def _upright(columns: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    """A row with a line for each of its columns that has something in it."""
    named = max(map(cell_len, columns))
    lines = []
    for column, cell in zip(columns, row, strict=True):
        if cell:
            first, *more = _wrapped(cell, width - named - len(_GAP))
            lines += [f"{column:<{named}}{_GAP}{first}", *(f"{'':<{named}}{_GAP}{line}" for line in more)]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines that are as wide at most; a word that is wider has a line of its own."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
