"""Interactions against an independent count in plain Python, on random logs with duplicates within and across files."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from spotify_graph.transforms.interactions import interactions
from spotify_graph_tests.cleaned_rows import SCHEMA

START = datetime(2024, 1, 1, tzinfo=UTC)


def random_log(seed: int) -> list[tuple[Any, ...]]:
    """Events from so few values that most are doubled, also with a null session and device."""
    dice = random.Random(seed)  # noqa: S311
    return [
        (
            dice.choice(["a.csv", "b.csv"]),
            dice.choice(["u1", "u2", "U1"]),
            dice.choice(["t1", "t2"]),
            dice.choice(["play", "like"]),
            START + timedelta(microseconds=dice.randrange(3)),
            dice.choice(["s1", None]),
            dice.choice(["mobile", None]),
        )
        for _ in range(dice.randrange(150))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_interactions_count_each_distinct_event_once(seed: int) -> None:
    log = random_log(seed)
    times: dict[tuple[str, str, str], list[datetime]] = {}
    for user, track, kind, ts, *_ in {row[1:] for row in log}:
        times.setdefault((user, track, kind), []).append(ts)
    events = pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in log], SCHEMA)
    rows = [tuple(row.values()) for row in interactions(events).to_pylist()]
    assert sorted(rows) == sorted((*key, len(ts), min(ts), max(ts)) for key, ts in times.items())
