"""Spark sessions as the platform wants them, for whoever asks: a run, or the command line before it knows of one."""

import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from spotify_graph.errors import UserError
from spotify_graph.local import spark as local
from spotify_graph.resources import jobs
from spotify_graph.resources.versions import Versions
from spotify_graph.settings import Settings

_CONF = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
}

_LOCAL_CONF = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}

_CONNECT_SECONDS = 5
_MASTER_SECONDS = 40
"""How long a master may take to answer: with the start of a JVM before, less than a minute."""
_EXECUTOR_SECONDS = 120
"""How long it may then take to give an executor that works."""
_ON_DEMAND_SECONDS = 600
"""Both for YARN and Kubernetes, which may have to start a machine and load an image first."""
_REGISTERS = "waitForRegistration"
"""The method of Spark's in which a driver waits for a standalone master."""
_PORTS = {"spark": 7077, "sc": 15002, "http": 80, "https": 443}


_refused: list[str] = []
"""What a cluster has kept this process waiting for: its JVM has ended for that, and a process has one for good."""


def build(settings: Settings, properties: Mapping[str, str] | None = None) -> SparkSession:
    """The session of this process, started if there is none.

    Args:
        settings: the installation's settings.
        properties: Spark's, beside or in place of the platform's own.

    Raises:
        UserError: SPOTIFY_GRAPH_JAVA_HOME holds no JVM, or the home can't be written to; the cluster does not answer,
            gives no executor, or has workers of other versions.
    """
    # Spark's workers need this project's packages, which another python on the PATH lacks.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if settings.spark_remote:
        return _connected(settings.spark_remote.get_secret_value())
    given = {"spark.master": settings.spark_master, **(properties or {})}
    master = given["spark.master"]
    if jobs.is_local(master):
        return _session(settings, given, local.jvm(settings, given))
    if running := SparkSession.getActiveSession():
        return running
    if _refused:
        raise UserError(_refused[0])
    _must_listen("SPARK_MASTER", master)
    jvm = local.jvm(settings, given)
    standalone, version = master.startswith("spark:"), Versions.here().pyspark
    seconds = _MASTER_SECONDS if standalone else _ON_DEMAND_SECONDS
    complaint = f"SPARK_MASTER: {master} does not answer as a master of Spark {version} does"
    # A busy machine may take longer for what comes before and after.
    with _answering(jvm, seconds, complaint, method=_REGISTERS if standalone else None):
        session = _session(settings, given, jvm)
    seconds = _EXECUTOR_SECONDS if standalone else _ON_DEMAND_SECONDS
    with _answering(
        jvm, seconds, f"SPARK_MASTER: {master} gives no executor: start a worker, or end other applications"
    ):
        # The first executor that there is does it, if it is fit to.
        jobs.run(session, _nothing, [0])
    return session


def _session(settings: Settings, given: Mapping[str, str], jvm: local.Jvm) -> SparkSession:
    """The session in a JVM."""
    folder = settings.home / "spark"
    defaults = {"spark.sql.warehouse.dir": str(folder / "warehouse")}
    if jobs.is_local(given["spark.master"]):
        defaults |= {"spark.local.dir": str(folder), **_LOCAL_CONF}
    if settings.spark_history:
        # Rolled, so that the history server can let go of the oldest parts.
        events = folder / "events"
        events.mkdir(parents=True, exist_ok=True)
        defaults |= {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": events.as_uri(),
            "spark.eventLog.rolling.enabled": "true",
            "spark.eventLog.rolling.maxFileSize": "16m",
        }
    with jvm.used():
        SparkContext._ensure_initialized()
        # What an operator has written into Spark's own spark-defaults.conf.
        theirs = SparkConf()
        conf: dict[str, bool | float | int | str | None] = {
            **{name: value for name, value in defaults.items() if not theirs.contains(name)},
            **_CONF,
            **given,
        }
        return SparkSession.builder.appName("spotify_graph").config(map=conf).getOrCreate()


def _connected(remote: str) -> SparkSession:
    """The session at a Spark Connect server."""
    if running := SparkSession.getActiveSession():
        return running
    shown = f"SPARK_REMOTE: {_shown(remote)}"
    _must_listen("SPARK_REMOTE", remote)
    try:
        from pyspark.sql.connect.session import SparkSession as _  # noqa: F401 it says what is missing
    except ImportError:
        raise UserError(f"{shown} needs more packages: pip install 'spotify-graph[connect]'") from None
    session = SparkSession.builder.remote(remote).getOrCreate()
    theirs, ours = session.version, Versions.here().pyspark
    if theirs != ours:
        raise UserError(f"{shown} is Spark {theirs}, and this is PySpark {ours}: install the same version on both")
    jobs.run(session, _nothing, [0])
    return session


def _nothing(_part: int) -> None:
    """A task that a worker does if it is fit for others."""


def _must_listen(variable: str, address: str) -> None:
    """Makes sure that somebody listens at a cluster's address.

    Raises:
        UserError: nobody does.
    """
    if address.startswith("local"):
        return
    if address == "yarn":
        if not (os.environ.get("HADOOP_CONF_DIR") or os.environ.get("YARN_CONF_DIR")):
            raise UserError(f"{variable}: yarn needs HADOOP_CONF_DIR, the folder with Hadoop's configuration")
        return
    why = ""
    for host, port in _listeners(address):
        try:
            socket.create_connection((host, port), _CONNECT_SECONDS).close()
        except OSError as error:
            why = error.strerror or str(error)
        else:
            return
    raise UserError(f"{variable}: nobody answers at {_shown(address)} ({why}): start it, or set another address")


def _listeners(address: str) -> Iterator[tuple[str, int]]:
    """The hosts and ports of an address; a standalone cluster may have several masters."""
    scheme, _, rest = address.removeprefix("k8s://").rpartition("://")
    for each in rest.split(";")[0].split(","):
        host = urlsplit(f"//{each}")
        yield host.hostname or "", host.port or _PORTS[scheme or "https"]


def _shown(address: str) -> str:
    """An address without what may be a token in it."""
    return re.match(r"(\w+://)*[^/;?]*", address)[0]  # type: ignore[index] # it matches anything


@contextmanager
def _answering(jvm: local.Jvm, seconds: int, otherwise: str, *, method: str | None = None) -> Iterator[None]:
    """Ends the JVM where a cluster keeps what is done in the block waiting.

    Args:
        jvm: the driver's JVM.
        seconds: how long it may.
        otherwise: what is said then.
        method: the method of the JVM's that waits; None means that all that is done in the block may.

    Raises:
        UserError: it does.
    """
    late = threading.Event()

    def end() -> None:
        if method is None or jvm.is_in(method):
            late.set()
            jvm.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if late.is_set():
            _refused.append(f"{otherwise} ({seconds} s)")
            raise UserError(_refused[0]) from None
        raise
    finally:
        timer.cancel()


@contextmanager
def kept_warm(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """Keeps a JVM that has worked before for the runs of this home, until the block ends.

    It is started, and put to work once, in the background.

    Args:
        settings: the installation's settings.
        say: told why there is none: runs start their own, then.
    """
    if settings.spark_remote:  # which needs none
        yield
        return
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
