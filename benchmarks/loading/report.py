"""The measurements side by side, in Markdown: to be read in a terminal, and in docs/performance.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.loading.measurement import Measurement
from spotify_graph.errors import UserError

Runs = Mapping[str, Sequence[Measurement]]
"""The runs of each contestant, by its name; the first of each were made one after the other, then the second ones."""

_PEAKS = {"python": "Python", "spark": "Spark", "import": "import", "neo4j": "Neo4j"}


def _whole(measured: Measurement) -> float | None:
    return measured.whole_s


def _writing(measured: Measurement) -> float | None:
    return measured.all_write_s or None


def _counting(measured: Measurement) -> float | None:
    return measured.counted_s


_RATIOS: tuple[tuple[str, Callable[[Measurement], float | None], str, str], ...] = (
    ("the whole", _whole, "connector", "project"),
    ("the whole", _whole, "connector", "project-bolt"),
    ("writing", _writing, "connector", "project-bolt"),
    ("writing", _writing, "bolt", "project-bolt"),
    ("writing", _writing, "bulk", "project"),
    ("until all is counted", _counting, "project", "pyarrow"),
    ("until all is counted", _counting, "project", "duckdb"),
)
"""What is compared, the seconds of which are divided by those of which."""


def ratios(measured: Runs) -> dict[str, list[float]]:
    """How many times as long one contestant took as another in the same run, for those that were measured."""
    found = {}
    for part, seconds_of, one, other in _RATIOS:
        pairs = zip(measured.get(one, ()), measured.get(other, ()), strict=False)
        seconds = [(seconds_of(first), seconds_of(second)) for first, second in pairs]
        if known := [round(first / second, 2) for first, second in seconds if first and second]:
            found[f"{part}: {one} / {other}"] = known
    return found


def text(found: Mapping[str, Any], measured: Runs) -> str:
    """Everything that was found."""
    return "\n".join(_lines(found, measured)) + "\n"


def put(section: str, events: int, page: Path) -> None:
    """Puts a report into a page, in place of the one of as many events.

    Raises:
        UserError: the page has no place for it.
    """
    begin, end = f"<!-- make bench: {events} events -->\n", "<!-- end -->\n"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise UserError(f"{page} has no place for {events:,} events: lines {begin.strip()} and {end.strip()}")
    page.write_text(f"{before}{begin}{section}{end}{after}", encoding="utf-8")


def _lines(found: Mapping[str, Any], measured: Runs) -> Iterator[str]:
    sizes = ", ".join(f"{found['sizes'][name]:,} {name}" for name in ("events", "tracks", "users"))
    a_graph = next((runs[0] for runs in measured.values() if runs[0].nodes), None)
    made = f": {a_graph.nodes:,} nodes and {a_graph.relationships:,} relationships" if a_graph else ""
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    yield f"{sizes}{made}. {found['date']}; {machine}."
    yield ""
    yield "| contestant | whole, s | writing, s | nodes/s | relationships/s | both/s | peak memory, MB | of these |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, runs in measured.items():
        yield f"| {' | '.join((name, *_row(runs)))} |"
    if found["ratios"]:
        yield ""
        yield "| how many times as long | in the middle | in each run |"
        yield "|---|---|---|"
        for what, each in found["ratios"].items():
            yield f"| {what} | **{median(each):.2f}** | {', '.join(f'{ratio:.2f}' for ratio in each)} |"
    for name, runs in measured.items():
        if parts := runs[0].parts:
            yield ""
            yield f"| where the time of {name} goes | s |"
            yield "|---|---|"
            yield from (f"| {part} | {_spread([each.parts[part] for each in runs])} |" for part in parts)
    for name, runs in measured.items():
        if notes := runs[0].notes:
            yield ""
            yield f"{name}: {', '.join(f'{what} {value}' for what, value in notes.items())}."


def _row(runs: Sequence[Measurement]) -> tuple[str, ...]:
    kinds = [kind for kind in _PEAKS if kind in runs[0].peak_mb]
    peaks = [f"{_PEAKS[kind]} {max(each.peak_mb[kind] for each in runs):,}" for kind in kinds]
    return (
        _spread([each.whole_s for each in runs]),
        _spread([_writing(each) for each in runs]),
        _rate([each.nodes_per_s for each in runs]),
        _rate([each.relationships_per_s for each in runs]),
        _rate([each.rows_per_s for each in runs]),
        f"{max(each.peak_mb['all'] for each in runs):,}",
        ", ".join(peaks) if len(peaks) > 1 else "",
    )


def _rate(rates: Sequence[float | None]) -> str:
    known = [each for each in rates if each is not None]
    return f"{median(known):,.0f}" if known else ""


def _spread(seconds: Sequence[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    if not known:
        return ""
    middle = f"{median(known):.1f}"
    return middle if len(known) == 1 else f"{middle} ({min(known):.1f} to {max(known):.1f})"
