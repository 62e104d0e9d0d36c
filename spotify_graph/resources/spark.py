"""The Spark session of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import dagster as dg
from dagster_pyspark import PySparkResource
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession

from spotify_graph.local.spark import MEMORY
from spotify_graph.resources import session
from spotify_graph.settings import Settings


class SparkResource(PySparkResource):
    """One Spark session for a run: UTC, ANSI, the master of `SPARK_MASTER`.

    It starts when it is first asked for, and is stopped with the run. A session that is there already, or that somebody
    holds for several runs, is used as it is, and left running.
    """

    spark_config: dict[str, Any] = Field(default={}, description="Spark properties, which win over the platform's own.")
    master: str = Field(default="local[*]", description="The cluster's address.")
    driver_memory: str = Field(default=MEMORY, description="The driver's heap; with a local master, all of Spark's.")
    shuffle_partitions: int = Field(
        default=session.SHUFFLE_PARTITIONS,
        description="How many partitions a shuffle starts from; small ones are joined.",
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
            self._session = session.build(Settings.load(), self._properties)
        return self._session

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps one session for all runs of this process until the block ends; it starts beside what comes first."""
        if SparkSession.getActiveSession():
            yield
            return
        begun = session.begin(Settings.load(), self._properties)
        type(self)._held = True
        try:
            yield
        finally:
            type(self)._held = False
            # Where the block fails early, nobody waits for a session that is still starting: it ends with the process.
            if begun.done() and not begun.exception():
                begun.result().stop()

    @property
    def _properties(self) -> dict[str, str]:
        return {
            "spark.master": self.master,
            "spark.driver.memory": self.driver_memory,
            "spark.sql.shuffle.partitions": str(self.shuffle_partitions),
            **self.spark_config,
        }
