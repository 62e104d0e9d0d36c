"""The JVM that Spark runs in, as a process of this machine.

A process starts one of its own, or borrows the one that `spotify-graph up` keeps: a JVM that has worked before is ready
within a second, and fast from its first query on. A JVM carries one process's session at a time.
"""

import json
import os
import pwd
import shlex
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any, Self

import pyspark
from filelock import FileLock, Timeout
from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

from spotify_graph.local import aot
from spotify_graph.local.files import write_private
from spotify_graph.local.java import java_home
from spotify_graph.local.priority import NICENESS
from spotify_graph.local.processes import identity, is_alive
from spotify_graph.settings import Settings

MEMORY = "4g"
"""The heap of the JVM, unless somebody asks for another."""

_LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")
_JAVA_OPTIONS = (
    f"-Dlog4j2.configurationFile={_LOG_CONFIGURATION.as_uri()}",
    "-Djava.net.preferIPv4Stack=true",
)
_STOP_SECONDS = 10


@dataclass(frozen=True)
class Jvm:
    """A JVM that waits for PySpark.

    Attributes:
        process: which process it is.
        port: where it listens, on 127.0.0.1.
        secret: what it must be told.
        properties: Spark's, that it was started with.
        held_by: what must live while the JVM is used: the process's pipe, or the lock of who borrowed it.
    """

    process: str
    port: int
    secret: str = field(repr=False)
    properties: dict[str, str]
    held_by: Popen[bytes] | FileLock | None = None

    def kill(self) -> None:
        """Ends it at once, whoever waits for it."""
        if is_alive(self.process):
            os.kill(int(self.process.split(":")[0]), signal.SIGKILL)

    def is_in(self, method: str) -> bool:
        """Whether one of its threads is in a method of that name."""
        with self.used():
            gateway = launch_gateway()  # type: ignore[no-untyped-call]
        try:
            stacks = gateway.jvm.java.lang.Thread.getAllStackTraces().values()
            return any(frame.getMethodName() == method for stack in stacks for frame in stack)
        finally:
            gateway.close()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within the block, PySpark takes this JVM, if this process has none yet."""
        # As spark-submit tells a Python program which JVM is its own.
        os.environ |= {"PYSPARK_GATEWAY_PORT": str(self.port), "PYSPARK_GATEWAY_SECRET": self.secret}
        try:
            yield
        finally:
            os.environ.pop("PYSPARK_GATEWAY_PORT", None)
            os.environ.pop("PYSPARK_GATEWAY_SECRET", None)


_mine: list[Jvm] = []
"""The JVM of this process, if it has one."""
_starting = threading.Lock()


def jvm(settings: Settings, properties: Mapping[str, str] | None = None) -> Jvm:
    """The JVM of this process: the one that is kept, if nobody works with it, or else a new one.

    There is one for a process, and it ends with it.

    Args:
        settings: the installation's settings.
        properties: Spark's, beside or in place of the platform's own.

    Raises:
        UserError: SPOTIFY_GRAPH_JAVA_HOME holds no JVM, or the home can't be written to.
        PySparkException: it does not start.
    """
    with _starting:
        if not _mine:
            wanted = _properties(settings, properties or {})
            _mine.append(_borrowed(settings, wanted) or _launched(settings, wanted))
        return _mine[0]


class Keeper:
    """Keeps a JVM for the runs of a home, one after the other; it ends with the block, or with this process.

    What it computes gives way to what somebody waits for.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> Self:
        log = self._settings.home / "logs" / "spark.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            launch = partial(_launched, self._settings, _properties(self._settings, {}), stdout=output, stderr=output)
            # PySpark starts it, as a child of the thread that asks: a priority is a thread's own.
            with ThreadPoolExecutor(max_workers=1, initializer=os.nice, initargs=(NICENESS,)) as aside:
                self._jvm = aside.submit(launch).result()
        _mine[:] = [self._jvm]
        return self

    def __exit__(self, *_exception: object) -> None:
        _file(self._settings).unlink(missing_ok=True)
        _mine.clear()
        process = self._jvm.held_by
        assert isinstance(process, Popen)  # noqa: S101 it was launched
        assert process.stdin  # noqa: S101 and ends when this closes
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except TimeoutExpired:
            process.kill()
            process.wait()

    def lend(self) -> None:
        """From now on a run may borrow the JVM. This process has no session in it any more."""
        known = {name: value for name, value in vars(self._jvm).items() if name != "held_by"}
        write_private(_file(self._settings), json.dumps(known))


def _borrowed(settings: Settings, properties: Mapping[str, str]) -> Jvm | None:
    try:
        kept = Jvm(**json.loads(_file(settings).read_text(encoding="utf-8")))
        if kept.properties != properties or not is_alive(kept.process):
            return None
        lock = FileLock(_file(settings).with_suffix(".lock"), timeout=0)
        lock.acquire()
    except (OSError, ValueError, TypeError, Timeout):
        return None
    try:
        with kept.used():
            gateway = launch_gateway()  # type: ignore[no-untyped-call]
        # A run that was killed has left its session behind.
        active = getattr(getattr(gateway.jvm.org.apache.spark, "SparkContext$"), "MODULE$").getActive()
        if active.isDefined():
            active.get().stop()
        gateway.close()
    except Exception:  # noqa: BLE001 whatever it is, a JVM of one's own will do
        lock.release()
        return None
    return replace(kept, held_by=lock)


def _launched(settings: Settings, properties: dict[str, str], **output: object) -> Jvm:
    os.environ["JAVA_HOME"] = str(java_home(settings))
    if properties["spark.master"].startswith("local"):
        # Its pages are for this machine alone: they have no login.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    conf = SparkConf(loadDefaults=False).setAll(list(properties.items()))
    gateway = launch_gateway(conf, output)  # type: ignore[no-untyped-call]
    _name_user(gateway)
    process, where = gateway.proc, gateway.java_parameters
    gateway.close()
    return Jvm(identity(process.pid), where.port, where.auth_token, properties, process)


def _name_user(gateway: Any) -> None:
    """Gives Hadoop a name for the user whose id the system has none for: it would open no file else."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        hadoop = gateway.jvm.org.apache.hadoop.security.UserGroupInformation
        hadoop.setLoginUser(hadoop.createRemoteUser(os.environ.get("HADOOP_USER_NAME") or str(os.getuid())))


def _properties(settings: Settings, more: Mapping[str, str]) -> dict[str, str]:
    cache = aot.options(settings, aot.SPARK, pyspark.__version__, pyspark.__file__)
    return {
        "spark.master": settings.spark_master,
        "spark.driver.memory": MEMORY,
        "spark.driver.extraJavaOptions": shlex.join((*_JAVA_OPTIONS, *cache)),
        # The others, such as jars, a JVM is given before it starts.
        **{name: value for name, value in more.items() if not name.startswith("spark.sql.")},
    }


def _file(settings: Settings) -> Path:
    return settings.home / "spark" / "jvm.json"
