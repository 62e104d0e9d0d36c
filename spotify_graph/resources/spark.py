"""The Spark session of a run."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any, ClassVar

import dagster as dg
from dagster_pyspark import PySparkResource
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spotify_graph.local import spark as local
from spotify_graph.settings import Settings

_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # A task writes a file. All cores have one, unless that makes files too small to be worth opening.
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "true",
    "spark.sql.adaptive.coalescePartitions.minPartitionSize": "4m",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Hadoop's local file system would write a .crc file beside each file of the lake.
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
}

_LOCAL_CONF = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


class SparkResource(PySparkResource):
    """One Spark session for a run: UTC, ANSI, the master of `SPARK_MASTER`.

    It starts when it is first asked for, and is stopped with the run. A session that is there already, or that somebody
    holds for several runs, is used as it is, and left running.
    """

    spark_config: dict[str, Any] = Field(default={}, description="Spark properties, which win over the platform's own.")
    master: str = Field(default="local[*]", description="The cluster's address.")
    driver_memory: str = Field(
        default=local.MEMORY, description="The driver's heap; with a local master, all of Spark's."
    )
    shuffle_partitions: int = Field(
        default=8, description="How many partitions a shuffle starts from; small ones are joined."
    )

    _session: SparkSession | None = PrivateAttr(default=None)
    _owns_session: bool = PrivateAttr(default=False)

    _held: ClassVar[bool] = False

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Starts nothing: a run that computes nothing needs no session."""

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stops the session if this resource started it."""
        if self._session and self._owns_session:
            self._session.stop()
            self._session = None

    @property
    def spark_session(self) -> SparkSession:
        """The run's session, started if this process has none."""
        if self._session is None:
            self._owns_session = not self._held and SparkSession.getActiveSession() is None
            self._session = self._build()
        return self._session

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps one session for all runs of this process until the block ends; it starts beside what comes first."""
        if SparkSession.getActiveSession():
            yield
            return
        started: list[SparkSession] = []

        def start() -> None:
            # Whoever asks for the session builds it too: that waits for this one, or meets the same error.
            with suppress(Exception):
                started.append(self._build())

        threading.Thread(target=start, daemon=True).start()
        type(self)._held = True
        try:
            yield
        finally:
            type(self)._held = False
            # Where the block fails early, nobody waits for a session that is still starting: it ends with the process.
            for session in started:
                session.stop()

    def _build(self) -> SparkSession:
        settings = Settings.load()
        # Spark's workers need this project's packages, which another python on the PATH lacks.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        folders = {"spark.local.dir": str(settings.home / "spark"), **_LOCAL_CONF}
        conf = {
            **_CONF,
            **(folders if self.master.startswith("local") else {}),
            "spark.driver.memory": self.driver_memory,
            "spark.sql.shuffle.partitions": str(self.shuffle_partitions),
            "spark.sql.warehouse.dir": str(settings.home / "spark" / "warehouse"),
            **self.spark_config,
        }
        own = {"spark.master": self.master, "spark.driver.memory": self.driver_memory, **self.spark_config}
        with local.start(settings, own).result().used():
            return SparkSession.builder.appName("spotify_graph").master(self.master).config(map=conf).getOrCreate()


@contextmanager
def kept_warm(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """Keeps a JVM that has worked before for the runs of this home, until the block ends.

    It is started, and put to work once, in the background.

    Args:
        settings: the installation's settings.
        say: told why there is none: runs start their own, then.
    """
    ended = threading.Event()

    def keep() -> None:
        try:
            with local.Keeper(settings) as keeper:
                resource = SparkResource(master=settings.spark_master)
                _exercise(resource.spark_session, settings.home / "spark" / "exercise")
                resource.teardown_after_execution(dg.build_init_resource_context())
                keeper.lend()
                ended.wait()
        except Exception as error:  # noqa: BLE001 everything works without
            say(f"No Spark is kept ready ({str(error).splitlines()[0]}): see {settings.home / 'logs' / 'spark.log'}")

    keeping = threading.Thread(target=keep, daemon=True)
    keeping.start()
    try:
        yield
    finally:
        ended.set()
        keeping.join()


def _exercise(spark: SparkSession, folder: Path) -> None:
    """Has the JVM load what each run needs: Parquet written and read, rows grouped."""
    spark.range(1000).selectExpr("id", "CAST(id % 10 AS STRING) AS name").write.mode("overwrite").parquet(str(folder))
    spark.read.parquet(str(folder)).groupBy("name").agg(F.max("id")).collect()
    rmtree(folder)
