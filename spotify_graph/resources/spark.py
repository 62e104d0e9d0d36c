"""The Spark session of a run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar, Self

import dagster as dg
from dagster_pyspark import PySparkResource
from py4j.protocol import Py4JError
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession

from spotify_graph.local.spark import MEMORY
from spotify_graph.neo4j_io import buckets
from spotify_graph.neo4j_io.running import Runner, in_process
from spotify_graph.resources import jobs, links, session
from spotify_graph.settings import IN_PROCESS_ROWS, Settings


class SparkResource(PySparkResource):
    """One Spark session for a run: UTC, ANSI, the master of `SPARK_MASTER`.

    It starts when it is first asked for, and is stopped with the run. A session that is there already, or that somebody
    holds for several runs, is used as it is, and left running.
    """

    spark_config: dict[str, Any] = Field(default={}, description="Spark properties, which win over the platform's own.")
    master: str = Field(
        default="local[*]", description="The cluster's address, such as local[*]: all cores of this machine."
    )
    driver_memory: str = Field(
        default=MEMORY, description="The driver's heap, such as 4g; with a local master, it is all of Spark's."
    )
    in_process_rows: int = Field(
        default=IN_PROCESS_ROWS,
        description="Up to how many rows are worked on in the run's own process, without Spark; 0: none.",
    )

    _session: SparkSession | None = PrivateAttr(default=None)
    _owns_session: bool = PrivateAttr(default=False)

    _held: ClassVar[bool] = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Spark as an installation's settings have it."""
        return cls(master=settings.spark_master, in_process_rows=settings.in_process_rows)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Starts nothing: a run that computes nothing needs no session."""

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Stops the session if this resource started it."""
        if self._session and self._owns_session:
            _stop(self._session)
            self._session = None

    @property
    def spark_session(self) -> SparkSession:
        """The run's session, started if this process has none."""
        if self._session is None:
            # A process has one JVM for good.
            with jobs.explained():
                settings = Settings.load()
                self._owns_session = not self._held and SparkSession.getActiveSession() is None
                self._session = session.build(settings, self._properties)
                links.tell_run(settings.spark_history)
        return self._session

    def over(self, rows: int) -> Runner:
        """What runs the tasks that work on so many rows together: this process, or Spark's executors."""
        if rows <= self.in_process_rows:
            return in_process
        return partial(jobs.run, self.spark_session)

    def buckets(self, rows: int) -> int:
        """In how many buckets to divide so many rows for what runs their tasks: by their number, and by its cores."""
        count = buckets.count_for(rows)
        if rows <= self.in_process_rows:
            return count
        return max(count, buckets.count_for_cores(rows, jobs.cores(self.spark_session)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps one session for all runs of this process until the block ends; it starts when it is first asked for."""
        if SparkSession.getActiveSession():
            yield
            return
        type(self)._held = True
        try:
            yield
        finally:
            type(self)._held = False
            with suppress(ConnectionError, Py4JError):  # its JVM may have died
                if held := SparkSession.getActiveSession():
                    _stop(held)

    @property
    def _properties(self) -> dict[str, str]:
        return {
            "spark.master": self.master,
            "spark.driver.memory": self.driver_memory,
            **self.spark_config,
        }


def _stop(spark: SparkSession) -> None:
    """Stops a session. One whose JVM has died is stopped: the run has failed by that, and says so."""
    with suppress(ConnectionError, Py4JError):
        spark.stop()
