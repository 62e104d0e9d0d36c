"""What has to be the same where a run is and where Spark's workers are: Python, Spark, and this project.

It is imported by each worker before its first task, so it imports little.
"""

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Generic, Self, TypeVar

import pyspark

from spotify_graph.errors import UserError
from spotify_graph.local import checkout

# PyArrow is imported where it is used: definitions, which need none, are loaded often.

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Versions:
    """The versions of a process.

    Attributes:
        python: Python's, without the last number: what one pickles, the other reads.
        pyspark: Spark's.
        pyarrow: PyArrow's.
        spotify_graph: changes with every file of this project.
    """

    python: str
    pyspark: str
    pyarrow: str
    spotify_graph: str

    @classmethod
    def here(cls) -> Self:
        """The versions of this process."""
        import pyarrow as pa

        python = ".".join(platform.python_version_tuple()[:2])
        return cls(python, pyspark.__version__, pa.__version__, checkout.code().digest)


@dataclass(frozen=True)
class Checked(Generic[T, R]):
    """A task that is done by a worker of the same versions, and by no other.

    Attributes:
        task: the task.
        versions: the versions of the process that has the task done.
    """

    task: Callable[[T], R]
    versions: Versions

    def __call__(self, part: T) -> R:
        """Does the task for a part.

        Raises:
            UserError: the worker differs.
        """
        must_be_same(self.versions, Versions.here())
        return self.task(part)


def must_be_same(ours: Versions, theirs: Versions) -> None:
    """Makes sure that a worker has the versions of the run.

    Raises:
        UserError: it differs; the message says in what.
    """
    here = asdict(theirs)
    for name, version in asdict(ours).items():
        if here[name] != version:
            raise UserError(
                f"Spark's worker on {platform.node()} has {name} {here[name]}, and this run {version}: install the same"
                " environment on both, and name the worker's Python with PYSPARK_PYTHON"
            )
