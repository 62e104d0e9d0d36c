"""Spark sessions as the platform wants them, for whoever asks: a run, or the command line before it knows of one."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from pyspark.sql import SparkSession

from spotify_graph.local import spark as local
from spotify_graph.settings import Settings

_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

_LOCAL_CONF = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def build(settings: Settings, properties: Mapping[str, str] | None = None) -> SparkSession:
    """The session of this process, started if there is none.

    Args:
        settings: the installation's settings.
        properties: Spark's, beside or in place of the platform's own.

    Raises:
        UserError: SPOTIFY_GRAPH_JAVA_HOME holds no JVM, or the home can't be written to.
    """
    given = {"spark.master": settings.spark_master, **(properties or {})}
    # Spark's workers need this project's packages, which another python on the PATH lacks.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    folder = settings.home / "spark"
    local_conf = {"spark.local.dir": str(folder), **_LOCAL_CONF} if given["spark.master"].startswith("local") else {}
    conf: dict[str, bool | float | int | str | None] = {
        **_CONF,
        **local_conf,
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        **given,
    }
    with local.jvm(settings, given).used():
        return SparkSession.builder.appName("spotify_graph").config(map=conf).getOrCreate()


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
                with build(settings) as session:
                    _exercise(session)
                keeper.lend()
                ended.wait()
        except Exception as error:  # noqa: BLE001 everything works without
            why = (str(error).splitlines() or [type(error).__name__])[0]
            say(f"No Spark is kept ready ({why}): see {settings.home / 'logs' / 'spark.log'}")

    keeping = threading.Thread(target=keep, daemon=True)
    keeping.start()
    try:
        yield
    finally:
        ended.set()
        keeping.join()


def _exercise(session: SparkSession) -> None:
    """Has the JVM load what tables need: tasks in Python."""
    session.sparkContext.parallelize(range(4), 2).map(str).collect()
