"""The gates on single rows, as Spark conditions: counted in the pass that makes the rows."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spotify_graph.checks import gates as gate
from spotify_graph.checks.gates import Gate
from spotify_graph.graph_model import EVENT_TYPES
from spotify_graph.io_managers.verdicts import Finding
from spotify_graph.transforms.cleaning import in_range

Rules = Mapping[Gate, Column]
"""What must hold of every row, by gate."""


def of_events(now: datetime) -> Rules:
    """Rules of cleaned events, which were judged at `now`."""
    return {
        gate.KEYS_PRESENT: _present("user_id", "track_id"),
        gate.EVENT_TYPES_ALLOWED: _allowed_type(),
        gate.TIMES_IN_RANGE: in_range("event_ts", now),
    }


def of_catalogue() -> Rules:
    """Rules of cleaned tracks."""
    return {gate.KEYS_PRESENT: _present("track_id")}


def of_interactions() -> Rules:
    """Rules of interactions."""
    return {
        gate.KEYS_PRESENT: _present("user_id", "track_id"),
        gate.EVENT_TYPES_ALLOWED: _allowed_type(),
        gate.COUNTS_POSITIVE: F.col("count") >= 1,
        gate.TIMES_IN_ORDER: F.col("first_ts") <= F.col("last_ts"),
    }


def broken_counts(rules: Rules) -> list[Column]:
    """Aggregates for `DataFrame.observe`: the rows that break each rule, by the gate's name."""
    return [F.count_if(_broken(rule)).alias(it.name) for it, rule in rules.items()]


def findings(rules: Rules, counts: Mapping[str, int], rows: DataFrame) -> list[Finding]:
    """What the gates find, from `broken_counts` of the rows."""

    def offenders(rule: Column) -> gate.Sample:
        return lambda: rows.where(_broken(rule)).take(gate.SAMPLE)

    return [gate.none_broken(it, counts[it.name], offenders(rule)) for it, rule in rules.items()]


def _broken(rule: Column) -> Column:
    return ~F.coalesce(rule, F.lit(False))


def _present(*keys: str) -> Column:
    return reduce(and_, (F.col(key).isNotNull() & (F.col(key) != "") for key in keys))


def _allowed_type() -> Column:
    return F.col("event_type").isin([event.name for event in EVENT_TYPES])
