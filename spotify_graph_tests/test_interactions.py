"""Interactions against an independent count in plain Python, on random logs with duplicates within and across files."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spotify_graph.transforms.interactions import interactions

SCHEMA = (
    "file string, user_id string, track_id string, event_type string, event_ts timestamp, "
    "session_id string, device string"
)
START = datetime(2024, 1, 1)


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
def test_interactions_count_each_distinct_event_once(spark: SparkSession, seed: int) -> None:
    log = random_log(seed)
    times: dict[tuple[str, str, str], list[datetime]] = {}
    for user, track, kind, ts, *_ in {row[1:] for row in log}:
        times.setdefault((user, track, kind), []).append(ts)
    rows = interactions(spark.createDataFrame(log, SCHEMA)).collect()
    assert sorted(map(tuple, rows)) == sorted((*key, len(ts), min(ts), max(ts)) for key, ts in times.items())


def test_interactions_take_one_shuffle(spark: SparkSession) -> None:
    counted = interactions(spark.createDataFrame(random_log(0), SCHEMA))
    plan = counted._jdf.queryExecution().executedPlan().toString()  # Spark has no public way to it
    assert plan.count("Exchange") == 1
