"""The Spark session of a run."""

import os
import sys
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_pyspark import PySparkResource
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession

from spotify_graph.local.java import java_home
from spotify_graph.settings import Settings

_LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")

_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # One task writes one file: small inputs stay in few files, adaptive execution splits what is large.
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Hadoop's local file system would write a .crc file beside each file of the lake.
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "spark.driver.extraJavaOptions": (
        f"-Dlog4j2.configurationFile={_LOG_CONFIGURATION.as_uri()} -Djava.net.preferIPv4Stack=true"
    ),
}

_LOCAL_CONF = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


class SparkResource(PySparkResource):
    """One Spark session for a run: UTC, ANSI, the master of `SPARK_MASTER`.

    A session that is already active in this process is used as it is, and left running; one that this resource started
    is stopped with the run.
    """

    spark_config: dict[str, Any] = Field(default={}, description="Spark properties, which win over the platform's own.")
    master: str = Field(default="local[*]", description="The cluster's address.")
    driver_memory: str = Field(default="4g", description="The driver's heap; with a local master, all of Spark's.")
    shuffle_partitions: int = Field(
        default=8, description="How many partitions a shuffle starts from; small ones are joined."
    )

    _session: SparkSession | None = PrivateAttr(default=None)
    _owns_session: bool = PrivateAttr(default=False)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Starts the session, or joins the one that this process has."""
        self.start()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stops the session if this resource started it."""
        if self._session and self._owns_session:
            self._session.stop()
            self._session = None

    @property
    def spark_session(self) -> SparkSession:
        """The run's session."""
        return self._session or self.start()

    def start(self) -> SparkSession:
        """The session, started if this process has none."""
        session = SparkSession.getActiveSession()
        self._owns_session = session is None
        self._session = session or self._build()
        return self._session

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
            "spark.driver.memory": self.driver_memory,
            "spark.sql.shuffle.partitions": str(self.shuffle_partitions),
            "spark.sql.warehouse.dir": str(settings.home / "spark" / "warehouse"),
            **self.spark_config,
        }
        return builder.config(map=conf).getOrCreate()
