"""The Spark session of a run."""

import os
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pyspark
from dagster_pyspark import PySparkResource
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession

from spotify_graph.local import aot
from spotify_graph.local.java import java_home
from spotify_graph.settings import Settings

_LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")

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

_JAVA_OPTIONS = (f"-Dlog4j2.configurationFile={_LOG_CONFIGURATION.as_uri()}", "-Djava.net.preferIPv4Stack=true")
_LOCAL_CONF = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


class SparkResource(PySparkResource):
    """One Spark session for a run: UTC, ANSI, the master of `SPARK_MASTER`.

    It starts when it is first asked for, and is stopped with the run. A session that is there already, or that somebody
    holds for several runs, is used as it is, and left running.
    """

    spark_config: dict[str, Any] = Field(default={}, description="Spark properties, which win over the platform's own.")
    master: str = Field(default="local[*]", description="The cluster's address.")
    driver_memory: str = Field(default="4g", description="The driver's heap; with a local master, all of Spark's.")
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
        os.environ["JAVA_HOME"] = str(java_home(settings))
        # Spark's workers need this project's packages, which another python on the PATH lacks.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        local = (
            {"spark.local.dir": str(settings.home / "spark"), **_LOCAL_CONF} if self.master.startswith("local") else {}
        )
        builder = SparkSession.builder.appName("spotify_graph").master(self.master)
        conf = {
            **_CONF,
            **local,
            "spark.driver.extraJavaOptions": shlex.join(
                (*_JAVA_OPTIONS, *aot.options(settings, aot.SPARK, pyspark.__version__, pyspark.__file__))
            ),
            "spark.driver.memory": self.driver_memory,
            "spark.sql.shuffle.partitions": str(self.shuffle_partitions),
            "spark.sql.warehouse.dir": str(settings.home / "spark" / "warehouse"),
            **self.spark_config,
        }
        return builder.config(map=conf).getOrCreate()
