"""The gates on single rows, as Arrow kernels: counted in the pass that makes the rows, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from typing import TYPE_CHECKING

from spotify_graph.checks import gates as gate
from spotify_graph.checks.gates import Gate
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.lake.verdicts import Finding
from spotify_graph.transforms.cleaning import in_range

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: with NumPy it takes half a second, and definitions are loaded often.

Rule = Callable[["pa.Table"], "pa.Array | pa.ChunkedArray"]
"""Says of each row whether something holds; null counts as broken. It can be pickled."""

Rules = Mapping[Gate, Rule]
"""What must hold of every row, by gate."""


@dataclass(frozen=True)
class Broken:
    """The rows that break a rule; of several parts they add up.

    Attributes:
        count: how many there are.
        examples: a few of them, at most `gates.SAMPLE`, as dicts with times as text.
    """

    count: int = 0
    examples: tuple[Mapping[str, object], ...] = ()

    def __add__(self, other: Broken) -> Broken:
        return Broken(self.count + other.count, (*self.examples, *other.examples)[: gate.SAMPLE])


def of_events(now: datetime) -> Rules:
    """Rules of cleaned events, which were judged at `now`."""
    return {
        gate.KEYS_PRESENT: partial(_present, ("user_id", "track_id")),
        gate.EVENT_TYPES_ALLOWED: _type_allowed,
        gate.TIMES_IN_RANGE: partial(_time_in_range, now),
    }


def of_catalogue() -> Rules:
    """Rules of cleaned tracks."""
    return {gate.KEYS_PRESENT: partial(_present, ("track_id",))}


def of_interactions() -> Rules:
    """Rules of interactions."""
    return {
        gate.KEYS_PRESENT: partial(_present, ("user_id", "track_id")),
        gate.EVENT_TYPES_ALLOWED: _type_allowed,
        gate.COUNTS_POSITIVE: _count_positive,
        gate.TIMES_IN_ORDER: _times_in_order,
    }


def broken(rules: Rules, rows: pa.Table) -> dict[str, Broken]:
    """The rows that break each rule, by the gate's name."""
    return {it.name: _broken(rule, rows) for it, rule in rules.items()}


def added(parts: Iterable[Mapping[str, Broken]]) -> dict[str, Broken]:
    """What is `broken` in all parts of the rows."""
    total: dict[str, Broken] = {}
    for part in parts:
        total |= {name: total.get(name, Broken()) + rows for name, rows in part.items()}
    return total


def findings(rules: Rules, found: Mapping[str, Broken]) -> list[Finding]:
    """What the gates find, from what is `broken` in all parts of the rows."""
    return [_finding(it, found[it.name]) for it in rules]


def _finding(it: Gate, rows: Broken) -> Finding:
    return gate.none_broken(it, rows.count, lambda: rows.examples)


def _broken(rule: Rule, rows: pa.Table) -> Broken:
    import pyarrow as pa
    import pyarrow.compute as pc

    offends = pc.invert(pc.fill_null(rule(rows), False))
    count = pc.sum(offends).as_py() or 0
    if not count:
        return Broken()
    few = rows.filter(offends).slice(0, gate.SAMPLE)
    for at, field in enumerate(few.schema):
        if pa.types.is_timestamp(field.type):
            # Python cannot hold every time that Arrow can.
            text = few[field.name].cast(pa.timestamp(field.type.unit)).cast(pa.string())
            few = few.set_column(at, field.name, text)
    return Broken(count, tuple(few.to_pylist()))


def _present(keys: Sequence[str], rows: pa.Table) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return reduce(pc.and_, (pc.not_equal(rows[key], "") for key in keys))


def _type_allowed(rows: pa.Table) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(rows["event_type"], pa.array([event.name for event in EVENT_TYPES]))


def _time_in_range(now: datetime, rows: pa.Table) -> pa.ChunkedArray:
    return in_range(rows["event_ts"], now)


def _count_positive(rows: pa.Table) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.greater_equal(rows["count"], 1)


def _times_in_order(rows: pa.Table) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.less_equal(rows["first_ts"], rows["last_ts"])
