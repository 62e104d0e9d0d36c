"""The measurements side by side, as text."""

from collections.abc import Mapping
from typing import Any

from benchmarks.loading.measurement import Measurement

_PEAKS = ("python", "spark", "import", "neo4j", "all")
_RATIOS = (
    ("whole", "project", "connector"),
    ("whole", "project-bolt", "connector"),
    ("write", "project-bolt", "connector"),
    ("write", "project-bolt", "bolt"),
    ("write", "project-bolt", "project"),
    ("write", "project", "bulk"),
)


def ratios(measured: Mapping[str, Measurement]) -> dict[str, float]:
    """The seconds of one contestant as a multiple of another's, for those that were measured."""
    found = {}
    for part, one, other in _RATIOS:
        if one in measured and other in measured:
            seconds, others = (_seconds(measured[name], part) for name in (one, other))
            if seconds and others:
                found[f"{part}: {one} / {other}"] = round(seconds / others, 2)
    return found


def text(found: Mapping[str, Any], measured: Mapping[str, Measurement]) -> str:
    """Everything that was found, to be read."""
    head = ("", "whole s", "write s", "nodes/s", "relationships/s", "rows/s", *(f"{kind} MB" for kind in _PEAKS))
    rows = [head, *(_row(name, each) for name, each in measured.items())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    first = next(iter(measured.values())).as_record()
    sizes = ", ".join(f"{found['sizes'][name]:,} {name}" for name in ("events", "tracks", "users"))
    lines.append(f"\n{sizes}: {first['nodes']:,} nodes, {first['relationships']:,} relationships")
    lines += [f"{what}: {ratio:.2f}" for what, ratio in found["ratios"].items()]
    notes = {name: each.notes for name, each in measured.items() if each.notes}
    lines += [f"{name}: " + ", ".join(f"{k} {v}" for k, v in of.items()) for name, of in notes.items()]
    lines.append(", ".join(f"{name} {value}" for name, value in found["machine"].items()))
    return "\n".join(lines) + "\n"


def _row(name: str, measured: Measurement) -> tuple[str, ...]:
    rates = (measured.nodes_per_s, measured.relationships_per_s, measured.rows_per_s)
    return (
        name,
        f"{measured.whole_s:.1f}" if measured.whole_s else "-",
        f"{measured.all_write_s:.1f}",
        *(f"{rate:,.0f}" if rate else "-" for rate in rates),
        *(f"{measured.peak_mb[kind]:,}" if kind in measured.peak_mb else "-" for kind in _PEAKS),
    )


def _seconds(measured: Measurement, part: str) -> float | None:
    return measured.whole_s if part == "whole" else measured.all_write_s
