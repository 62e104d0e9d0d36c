"""Spark's jobs: a task for each part, done by executors, and where they are seen afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import dagster as dg
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from spotify_graph.errors import UserError
from spotify_graph.resources.versions import Checked, Versions

if TYPE_CHECKING:
    import pyarrow as pa

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

T = TypeVar("T")
R = TypeVar("R")

_ENDED = (
    "Spark's JVM has ended, as when the machine has no memory left for it: run it again, and what is not done yet is"
    " done then"
)
_OTHER_PYTHON = re.compile(r"\[PYTHON_VERSION_MISMATCH\] \D*([\d.]*\d)")
_NO_PYTHON = re.compile(r'Cannot run program "([^"]+)"')
_NO_PACKAGE = re.compile(r"ModuleNotFoundError: (No module named '\S+')")
_SAID = re.compile(rf"{re.escape(UserError.__module__)}\.{UserError.__name__}: (.+)")
_GIVEN_UP = "Master removed our application"


def run(spark: SparkSession, task: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """Has one of Spark's tasks done for each part; the results, in the order of the parts.

    Raises:
        UserError: Spark's JVM has ended; a worker has another Python, another Spark or another version of this project.
    """
    if not parts:
        return []
    with explained():
        if is_remote(spark):
            return _by_connect(spark, Checked(task, Versions.here()), parts)
        context = spark.sparkContext
        if group := _group():
            context.setJobGroup(group, group)
        if not is_local(str(context.master)):
            task = Checked(task, Versions.here())
        return context.parallelize(list(parts), len(parts)).map(task).collect()


def cores(spark: SparkSession) -> int:
    """How many tasks a session's executors do at once; 1 where that is not told, as by Spark Connect."""
    return 1 if is_remote(spark) else spark.sparkContext.defaultParallelism


def is_local(master: str) -> bool:
    """Whether Spark's tasks run on this machine, by this process's own Python."""
    return master.partition("[")[0] == "local"


def is_remote(spark: SparkSession) -> bool:
    """Whether a session is one of Spark Connect, which has data frames and no more."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def _by_connect(spark: SparkSession, task: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """The same by a data frame: a row has a part, pickled, and then what came of it."""
    import pyarrow as pa

    def done(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number, part in zip(batch["number"].to_pylist(), batch["pickled"].to_pylist(), strict=True):
                result = _pickled(task(cloudpickle.loads(part)))
                yield pa.RecordBatch.from_pydict({"number": [number], "pickled": [result]})

    schema = "number long, pickled binary"
    rows = [(number, _pickled(part)) for number, part in enumerate(parts)]
    divided = spark.createDataFrame(rows, schema).repartitionByRange(len(parts), "number")
    found = {row.number: cloudpickle.loads(row.pickled) for row in divided.mapInArrow(done, schema).collect()}
    return [found[number] for number in range(len(parts))]


def _pickled(value: object) -> bytes:
    return bytes(cloudpickle.dumps(value))  # type: ignore[no-untyped-call]


@contextmanager
def explained() -> Iterator[None]:
    """Says in one line what a person can mend, where that is why Spark fails."""
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        if said := _explanation(str(error)):
            raise UserError(said) from None
        raise
    except (ConnectionError, Py4JError):  # it does not answer
        raise UserError(_ENDED) from None


def _explanation(text: str) -> str | None:
    """What a person is told of an error of Spark's; None of one that is explained nowhere."""
    ours = Versions.here()
    if found := _SAID.search(text):
        return found[1]
    if found := _OTHER_PYTHON.search(text):
        return (
            f"Spark's worker has Python {found[1]}, and this run Python {ours.python}: install the same environment on"
            " both, and name the worker's Python with PYSPARK_PYTHON"
        )
    if found := _NO_PYTHON.search(text):
        return f"Spark's worker can't run {found[1]}: name the Python that it has with PYSPARK_PYTHON"
    if found := _NO_PACKAGE.search(text):
        return (
            f"the Python of Spark's worker lacks something of this project ({found[1]}): install the same environment"
            " there, and name its Python with PYSPARK_PYTHON"
        )
    if _GIVEN_UP in text:
        return (
            "Spark's master has given up this application, because its executors end as soon as they start: a worker"
            f" with another Spark than {ours.pyspark} or with another Java does that, and its log says why"
        )
    return None


@dataclass(frozen=True)
class Application:
    """What Spark has done in this process, for whoever wants to see it.

    Attributes:
        name: Spark's name of the application.
        ui: the address of its pages, while it runs; None where it has none.
        jobs: the jobs that were done for the step that is under way.
        remote: whether it is a Spark Connect server's, which does not tell its jobs.
    """

    name: str
    ui: str | None
    jobs: tuple[int, ...] = ()
    remote: bool = False


def seen() -> Application | None:
    """The application of this process's session; None without one."""
    with suppress(ConnectionError, Py4JError):  # its JVM may have died
        spark = SparkSession.getActiveSession()
        if spark is None:
            return None
        if is_remote(spark):
            return Application(str(spark.conf.get("spark.app.id")), None, remote=True)
        context, group = spark.sparkContext, _group()
        jobs = context.statusTracker().getJobIdsForGroup(group) if group else []
        return Application(str(context.applicationId), context.uiWebUrl, tuple(sorted(jobs)))
    return None


def _group() -> str | None:
    """What the jobs of the step that is under way are called, by its asset and its run; None outside a step."""
    try:
        step = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return None
    return f"{step.op_handle.path[0]} of run {step.run_id[:8]}"
