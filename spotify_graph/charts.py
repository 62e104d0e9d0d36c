"""Charts as small pictures in Markdown: what many numbers say at a glance.

Colours are those that colour-blind people can tell apart (Okabe and Ito, "Color Universal Design", 2008). What few
numbers say is a table: drawing takes half a second of a core, most of it to import what draws.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

from spotify_graph.markdown import table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito's, those first that stand out most beside one another."""
FEW = 1_000
"""Of so many rows and fewer, a table says as much as a picture."""
_SHARE, _DAYS = 0.05, 1
"""What is drawn stays until this share of the rows has changed, or so many days have passed."""
_PIXELS_PER_INCH = 80
_LARGEST_LABELS = 9


@dataclass(frozen=True)
class Point:
    """A value with its 95 % interval.

    Attributes:
        label: when it is of.
        value: the value.
        low: the lower end.
        high: the upper end.
    """

    label: str
    value: float
    low: float
    high: float


def is_due(rows: int, rows_then: int, at: datetime, now: datetime) -> bool:
    """Whether a picture is to be drawn anew.

    Args:
        rows: how many rows it is of now.
        rows_then: how many it was of.
        at: when it was drawn.
        now: the present.
    """
    return abs(rows - rows_then) > _SHARE * rows_then or now - at > timedelta(days=_DAYS)


def of_days(title: str, unit: str, by_series: Mapping[str, Mapping[str, int]]) -> str:
    """Counts by day as stacked bars.

    Args:
        title: what is counted.
        unit: the word for what is counted.
        by_series: for each series its counts by day (YYYY-MM-DD) or month (YYYY-MM).
    """
    days = sorted({day for counts in by_series.values() for day in counts})
    per = "month" if days and len(days[0]) == len("YYYY-MM") else "day"
    # Narrow bars run into one another: a few days share one.
    stride = max(1, -(-len(days) // 120))

    def draw(axes: Axes) -> None:
        starts = range(0, len(days), stride)
        edges = [start - stride / 2 for start in (*starts, len(starts) * stride)]
        bottom = [0] * len(starts)
        for (name, counts), colour in zip(by_series.items(), COLOURS, strict=False):
            heights = [sum(counts.get(day, 0) for day in days[at : at + stride]) for at in starts]
            top = [low + high for low, high in zip(bottom, heights, strict=True)]
            # One shape for a series: a shape for each of its bars takes ten times as long.
            axes.stairs(top, edges, baseline=bottom, fill=True, color=colour, label=name)
            bottom = top
        shown = range(0, len(days), max(1, len(days) // 6))
        axes.set_xticks(list(shown), [days[at] for at in shown])
        axes.set_ylabel(f"{unit} per {per if stride == 1 else f'{stride} {per}s'}")
        axes.legend(fontsize=7, ncols=len(by_series), frameon=False, loc="upper left", bbox_to_anchor=(0, 1.02))
        axes.margins(x=0.01, y=0.15)

    return _picture(title, draw)


def of_reasons(title: str, unit: str, counts: Mapping[str, int]) -> str:
    """Counts by reason as bars, the longest on top."""
    ranked = sorted(counts.items(), key=lambda it: it[1])

    def draw(axes: Axes) -> None:
        axes.barh([name for name, _ in ranked], [count for _, count in ranked], color=COLOURS[5])
        for place, (_, count) in enumerate(ranked):
            axes.text(count, place, f" {count:,}", va="center", fontsize=8)
        axes.set_xlabel(unit)
        axes.margins(x=0.15)

    return _picture(title, draw)


def of_degrees(title: str, by_end: Mapping[str, Sequence[int]]) -> str:
    """How many nodes have how many relationships, for each end: both axes logarithmic.

    Args:
        title: what is counted.
        by_end: for each end, in words, the number of relationships of each node there.
    """

    def draw(axes: Axes) -> None:
        for (name, degrees), colour, marker in zip(by_end.items(), COLOURS, "os", strict=False):
            buckets = bucketed(degrees)
            axes.plot(list(buckets), list(buckets.values()), marker=marker, markersize=4, color=colour, label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("relationships of a node: this many, to twice as many")
        axes.set_ylabel("nodes")
        axes.legend(fontsize=8, frameon=False)

    return _picture(title, draw)


def bucketed(degrees: Sequence[int]) -> dict[int, int]:
    """How many there are of 1, of 2 to 3, of 4 to 7, and so on, by the least of each."""
    found: dict[int, int] = {}
    for degree in degrees:
        least = 1 << (max(1, degree).bit_length() - 1)
        found[least] = found.get(least, 0) + 1
    return dict(sorted(found.items()))


def of_time(title: str, unit: str, by_series: Mapping[str, Sequence[Point]]) -> str:
    """Values with their intervals, in the order of time.

    Args:
        title: what is measured.
        unit: of the values.
        by_series: for each series its points; all series have points of the same labels.
    """

    def draw(axes: Axes) -> None:
        labels: list[str] = []
        for (name, points), colour in zip(by_series.items(), COLOURS, strict=False):
            places = list(range(len(points)))
            labels = [point.label for point in points]
            axes.plot(places, [point.value for point in points], marker="o", markersize=4, color=colour, label=name)
            axes.fill_between(
                places,
                [point.low for point in points],
                [point.high for point in points],
                color=colour,
                alpha=0.2,
                linewidth=0,
            )
        shown = range(0, len(labels), max(1, len(labels) // 6))
        axes.set_xticks(list(shown), [labels[at] for at in shown])
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.1)
        axes.legend(fontsize=8, frameon=False, loc="lower left")

    return _picture(title, draw)


def of_rankers(title: str, unit: str, bars: Sequence[tuple[Point, str]], kinds: Mapping[str, str]) -> str:
    """Values with their intervals as bars, the best on top.

    Args:
        title: what is measured.
        unit: of the values.
        bars: each value with its kind.
        kinds: what each kind is, in words, in the legend's order.
    """
    colour_of = dict(zip(kinds, COLOURS, strict=False))

    def draw(axes: Axes) -> None:
        from matplotlib.patches import Patch

        ranked = sorted(bars, key=lambda it: it[0].value)
        for place, (point, kind) in enumerate(ranked):
            axes.barh(place, point.value, color=colour_of[kind])
            axes.plot([point.low, point.high], [place, place], color="#222222", linewidth=1.5)
            axes.text(point.high, place, f" {point.value:.3f}", va="center", fontsize=8)
        axes.set_yticks(range(len(ranked)), [point.label for point, _ in ranked])
        axes.set_xlabel(unit)
        axes.margins(x=0.14)
        there = {kind for _, kind in bars}
        patches = [Patch(color=colour_of[kind], label=words) for kind, words in kinds.items() if kind in there]
        axes.legend(
            handles=patches, fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.13), ncols=2
        )

    return _picture(title, draw, height=0.26 * len(bars) + 1.7)


def days_table(by_series: Mapping[str, Mapping[str, int]]) -> str:
    """Counts by day as a table, the latest days first."""
    days = sorted({day for counts in by_series.values() for day in counts}, reverse=True)
    rows = [[day, *(f"{counts.get(day, 0):,}" for counts in by_series.values())] for day in days[:_LARGEST_LABELS]]
    more = f"\n\nand {len(days) - len(rows)} more" if len(days) > len(rows) else ""
    return table(["", *by_series], rows) + more


def degrees_table(by_end: Mapping[str, Sequence[int]]) -> str:
    """How many nodes have how many relationships, as a table."""
    found = {name: bucketed(degrees) for name, degrees in by_end.items()}
    least = sorted({it for buckets in found.values() for it in buckets})
    rows = [
        [str(it) if it == 1 else f"{it} to {2 * it - 1}", *(f"{buckets.get(it, 0):,}" for buckets in found.values())]
        for it in least
    ]
    return table(["relationships of a node", *found], rows)


def _picture(title: str, draw: Callable[[Axes], None], height: float = 2.6) -> str:
    # Imported where they are used: it takes half a second.
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(7, height), layout="constrained", dpi=_PIXELS_PER_INCH)
    axes = figure.subplots()
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    draw(axes)
    axes.set_title(title, fontsize=10, loc="left")
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(8)
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    # Few colours: a fifth of the bytes, in a history that keeps each of them.
    Image.open(drawn).convert("RGB").quantize(32).save(small, format="png", optimize=True)
    text = title.replace("[", "(").replace("]", ")")
    return f"![{text}](data:image/png;base64,{base64.b64encode(small.getvalue()).decode()})"
