"""The IO manager that keeps an asset's DataFrame in the Parquet lake."""

from pathlib import Path
from time import monotonic

import dagster as dg
from pydantic import Field
from pyspark.sql import DataFrame

from spotify_graph.io_managers.lake import Lake
from spotify_graph.resources.spark import SparkResource


class ParquetIOManager(dg.ConfigurableIOManager):
    """Writes a DataFrame as a new version of its asset in the lake, and reads the current version.

    An interrupted or failed write leaves the version that was current readable. Another process, on another machine
    that sees the same lake, reads what this one wrote.
    """

    spark: dg.ResourceDependency[SparkResource]
    root: str = Field(description="The lake's folder.")

    @property
    def _lake(self) -> Lake:
        return Lake(Path(self.root))

    def handle_output(self, context: dg.OutputContext, obj: DataFrame) -> None:
        """Writes the next version."""
        started = monotonic()
        version = self._lake.write(_entry(context), obj)
        context.add_output_metadata(
            {
                "dagster/row_count": version.rows,
                "path": dg.MetadataValue.path(version.path),
                "seconds": round(monotonic() - started, 2),
            }
        )

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """The current version.

        Raises:
            FileNotFoundError: the asset was never materialized.
        """
        return self._lake.read(self.spark.spark_session, _entry(context))


def _entry(context: dg.OutputContext | dg.InputContext) -> str:
    return "/".join(context.asset_key.path)
