"""The page docs/guarantees.md: its table of hostile files is written here, from the cases that a test runs.

`make guarantees` writes it anew.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from spotify_graph_tests.hostile_files import GROUPS, Failed, NotTakenIn, Outcome, Refused, Taken

PAGE = Path(__file__).parent.parent / "docs" / "guarantees.md"
BEGIN, END = "<!-- written by `make guarantees` -->", "<!-- until here -->"
_LONGEST = 60


def table() -> str:
    """The table of hostile files and values, in Markdown."""
    return "\n".join(_lines())


def with_table(page: str) -> str:
    """The page with the table as it is to be."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


def _lines() -> Iterator[str]:
    for group, cases in GROUPS.items():
        yield f"### {group}\n"
        yield "| what lands | what becomes of it |"
        yield "|---|---|"
        for case in cases:
            yield f"| {case.what} | {_told(case.outcome)} |"
        yield ""


def _told(outcome: Outcome) -> str:
    match outcome:
        case NotTakenIn():
            return f"not taken in: {_code(outcome.advice)}"
        case Refused():
            return f"refused: {_code(outcome.reason)}"
        case Failed():
            return f"failed, and tried again: {_code(outcome.message)}"
        case Taken():
            return "; ".join(_of_rows(outcome))


def _of_rows(taken: Taken) -> Iterator[str]:
    if taken.kept or not (taken.rejected or taken.warnings):
        yield f"{taken.kept:,} kept"
    if taken.duplicates:
        yield f"{taken.duplicates:,} duplicate"
    for reasons in taken.rejected:
        yield f"rejected: {', '.join(map(_code, reasons.split(', ')))}"
    if taken.raw is not None:
        yield f"its text {_code(repr(taken.raw))}"
    for name, value in taken.values.items():
        yield f"{_code(name)} is {'missing' if value is None else _code(_value(value))}"
    for gate in taken.warnings:
        yield f"warning: {_code(gate)}"


def _value(value: object) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else ascii(value)


def _code(text: str) -> str:
    """The text as it is, in a cell of a table; what is long is shortened in the middle."""
    if len(text) > 3 * _LONGEST:
        text = f"{text[:_LONGEST]} ... {text[-_LONGEST:]}"
    text = text.replace("|", r"\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
