"""The contestant `connector`: a Spark job with Neo4j's connector for Spark, as its documentation advises.

Constraints first, events aggregated to one row for each relationship, nodes before relationships, one partition for
relationships ("to avoid deadlocks, always use a single partition"), batches of 20,000 rows, the strategy `keys`, and
the mode Append, which creates: on an empty database it is right, and about twice as fast as Overwrite, which merges.
The session has the settings of this project's own.

The connector's releases before 5.4 write times as LOCAL DATETIME, where the model says ZONED DATETIME; they are in UTC,
and count as equal.

`python -m benchmarks.loading.connector lock` writes the lock file of its jars anew.
"""

import json
import sys
import time
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.loading import graph, process, server
from benchmarks.loading.measurement import Measurement, say
from spotify_graph.graph_model import (
    ARTIST,
    BY,
    EVENT_TYPES,
    FACTS,
    GENRE,
    IN_GENRE,
    PLAY,
    POPULARITY_HALF_LIFE_DAYS,
    POPULARITY_SINCE,
    TRACK,
    USER,
)
from spotify_graph.local import jars
from spotify_graph.neo4j_io.vocabulary import GraphTable, NodeType
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings

COORDINATES = "org.neo4j:neo4j-connector-apache-spark_2.13:5.3.10_for_spark_3"
LOCK = Path(__file__).with_name("connector.lock.toml")

_BATCH_ROWS = 20_000
_FORMAT = "org.neo4j.spark.DataSource"
_WRITE_S = "write_s.json"


def measure(home: Path) -> Measurement:
    """Runs the job on a new database."""
    jars.fetch(LOCK, say)
    with server.started(server.local(home)) as pid:
        whole_s, peak_mb = process.run_module("connector", server=lambda: pid)
        write_s = json.loads((home / _WRITE_S).read_text())
        with server.connected() as driver:
            notes = {"connector": COORDINATES, "times": graph.type_of_times(driver)}
            return Measurement(whole_s, write_s, peak_mb, graph.contents(driver), notes)


def main() -> None:
    """Makes the graph of the landed files; writes in the settings' home how many seconds each table took."""
    settings = Settings.load()
    libraries = ",".join(map(str, jars.fetch(LOCK)))
    spark = SparkResource(spark_config={"spark.jars": libraries}).spark_session
    try:
        tables = _tables(spark, Path(settings.landing_address))
        write_s = {}
        with server.connected() as driver:
            for table in FACTS:
                began = time.monotonic()
                if isinstance(table, NodeType):
                    graph.constrain(driver, table)
                _write(tables[table.asset], table, settings)
                write_s[table.asset] = time.monotonic() - began
                say(f"connector: {table.asset} written in {write_s[table.asset]:.1f} s")
        (settings.home / _WRITE_S).write_text(json.dumps(write_s))
    finally:
        spark.stop()


def _tables(spark: SparkSession, landing: Path) -> dict[str, DataFrame]:
    """The rows of each table, computed and cached."""
    events = _events(_csv(spark, landing, "user_events*.csv")).persist()
    catalogue = _catalogue(_csv(spark, landing, "tracks*.csv")).persist()
    interactions = (
        events.groupBy("user_id", "track_id", "event_type")
        .agg(F.count("*").alias("count"), F.min("event_ts").alias("first_ts"), F.max("event_ts").alias("last_ts"))
        .persist()
    )
    users = events.groupBy("user_id").agg(
        F.sort_array(F.collect_set("device")).alias("devices"),
        F.min("event_ts").alias("first_seen"),
        F.max("event_ts").alias("last_seen"),
    )
    tables = {
        USER.asset: users,
        TRACK.asset: _tracks(catalogue, interactions),
        ARTIST.asset: catalogue.select(F.col("artist").alias("name")).dropna().distinct(),
        GENRE.asset: catalogue.select(F.col("genre").alias("name")).dropna().distinct(),
        BY.asset: catalogue.select("track_id", "artist").dropna(),
        IN_GENRE.asset: catalogue.select("track_id", "genre").dropna(),
    }
    for name, frame in tables.items():
        say(f"connector: {frame.persist().count():,} rows of {name}")
    say(f"connector: {interactions.count():,} interactions")
    events.unpersist()
    for event in EVENT_TYPES:
        of_type = interactions.where(F.col("event_type") == event.name)
        tables[event.relationship.asset] = of_type.drop("event_type")
    return tables


def _csv(spark: SparkSession, folder: Path, names: str) -> DataFrame:
    rows = spark.read.option("header", True).option("escape", '"').csv(f"{folder}/{names}")
    return rows.select(*(_filled(F.trim(name)).alias(name) for name in rows.columns))


def _filled(text: Column) -> Column:
    return F.when(text != "", text)


def _events(rows: DataFrame) -> DataFrame:
    read = rows.withColumns({"event_type": F.lower("event_type"), "event_ts": F.col("event_ts").try_cast("timestamp")})
    known = F.col("event_type").isin([event.name for event in EVENT_TYPES])
    return read.dropna(subset=["user_id", "track_id", "event_ts"]).where(known).dropDuplicates()


def _catalogue(rows: DataFrame) -> DataFrame:
    read = rows.withColumn("duration_ms", F.col("duration_ms").try_cast("long"))
    return read.dropna(subset=["track_id"]).dropDuplicates(["track_id"])


def _tracks(catalogue: DataFrame, interactions: DataFrame) -> DataFrame:
    days = (F.unix_micros("last_ts") / 1e6 - POPULARITY_SINCE.timestamp()) / 86_400
    weight = F.when(F.col("event_type") == PLAY.name, F.pow(F.lit(2.0), days / POPULARITY_HALF_LIFE_DAYS))
    heard = interactions.groupBy("track_id").agg(F.round(F.log2(F.sum(weight)), 6).alias("popularity"))
    tracks = catalogue.withColumn("catalogued", F.lit(True)).join(heard, "track_id", "full")
    tracks = tracks.withColumn("catalogued", F.coalesce("catalogued", F.lit(False)))
    return tracks.select(*(column.name for column in TRACK.columns))


def _write(rows: DataFrame, table: GraphTable, settings: Settings) -> None:
    assert settings.neo4j_uri  # noqa: S101 the benchmark has set them
    assert settings.neo4j_password  # noqa: S101
    options = {
        "url": settings.neo4j_uri,
        "authentication.type": "basic",
        "authentication.basic.username": settings.neo4j_username,
        "authentication.basic.password": settings.neo4j_password.get_secret_value(),
        "batch.size": str(_BATCH_ROWS),
    }
    if isinstance(table, NodeType):
        options["labels"] = f":{table.label}"
    else:
        rows = rows.coalesce(1)
        options |= {"relationship": table.type, "relationship.save.strategy": "keys"}
        for side, end in (("source", table.start), ("target", table.end)):
            options[f"relationship.{side}.labels"] = f":{end.node.label}"
            options[f"relationship.{side}.save.mode"] = "Match"
            options[f"relationship.{side}.node.keys"] = f"{end.column}:{end.node.key.name}"
    rows.write.format(_FORMAT).mode("append").options(**options).save()


if __name__ == "__main__":
    if sys.argv[1:] == ["lock"]:
        jars.lock((COORDINATES,), LOCK)
    else:
        main()
