"""The Parquet lake: each asset's versions, one of them current.

`<root>/<asset>/<version>/*.parquet`, and `<root>/<asset>/CURRENT`, which holds the current version's name. The entries
of a partitioned asset are named `<asset>/<partition>`.
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

_CURRENT = "CURRENT"


@dataclass(frozen=True)
class LakeVersion:
    """One whole version of an entry of the lake.

    Attributes:
        path: the folder of its Parquet files.
        rows: how many rows were written.
    """

    path: Path
    rows: int


@dataclass(frozen=True)
class Lake:
    """A folder of Parquet datasets, whose versions are switched as a whole.

    Attributes:
        root: the folder.
    """

    root: Path

    def write(self, name: str, frame: DataFrame) -> LakeVersion:
        """Writes a new version of an entry and makes it the current one.

        The version becomes current in one rename, after all of it is written. When writing fails, the version that was
        current stays so, and what was half written is removed.

        Args:
            name: the entry.
            frame: its rows; they may be computed from the entry's current version.
        """
        entry = self.root / name
        version = entry / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{uuid4().hex[:8]}"
        written = Observation()
        try:
            frame.observe(written, F.count(F.lit(1)).alias("rows")).write.parquet(str(version))
            if not (version / "_SUCCESS").exists():
                raise OSError(f"{version}: Spark ended without marking the version as whole")
        except BaseException:
            shutil.rmtree(version, ignore_errors=True)
            raise
        pointer = entry / f".{_CURRENT}.{version.name}"
        pointer.write_text(version.name)
        pointer.replace(entry / _CURRENT)
        return LakeVersion(version, written.get["rows"])

    def current(self, name: str) -> Path | None:
        """The folder of an entry's current version, or None where it was never written."""
        try:
            return self.root / name / (self.root / name / _CURRENT).read_text()
        except FileNotFoundError:
            return None

    def read(self, spark: SparkSession, name: str) -> DataFrame:
        """An entry's current version.

        Raises:
            FileNotFoundError: the entry was never written.
        """
        path = self.current(name)
        if path is None:
            raise FileNotFoundError(f"{name} is not in the lake at {self.root} yet: materialize it first")
        return spark.read.parquet(str(path))
