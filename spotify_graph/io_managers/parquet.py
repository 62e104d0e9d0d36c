"""The IO manager that keeps an asset's DataFrame in the Parquet lake."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field
from pyspark.sql import DataFrame, Observation

from spotify_graph.errors import UserError
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.intake import ROWS, IntakeLedger
from spotify_graph.io_managers.lake import Lake, LakeVersion, read_all
from spotify_graph.resources.spark import SparkResource
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, check_name

if TYPE_CHECKING:
    import pyarrow as pa

GATED = "spotify_graph/gated"
"""Definition metadata of an asset whose versions go on only after their gates have passed."""


@dataclass(frozen=True)
class Observed:
    """A DataFrame to write, and what is counted while it is written.

    Attributes:
        rows: the DataFrame, with the observations in its plan.
        counts: the observations.
        shown: which of the counts become metadata of what is written.
    """

    rows: DataFrame
    counts: Sequence[Observation] = ()
    shown: Sequence[str] = ()


def write(
    lake: Lake, entry: str, rows: "DataFrame | Observed | pa.RecordBatchReader", about: Mapping[str, Any]
) -> tuple[LakeVersion, dict[str, Any]]:
    """Writes the next version of an entry of the lake.

    Args:
        lake: the lake.
        entry: the entry.
        rows: its rows.
        about: what to record with them, in JSON values.

    Returns:
        The version, and the metadata with which Dagster shows it.
    """
    started, counts = monotonic(), dict[str, int]()
    if isinstance(rows, Observed):
        version = lake.write(entry, rows.rows, about)
        counts = {name: count for counts in rows.counts for name, count in counts.get.items() if name in rows.shown}
    elif isinstance(rows, DataFrame):
        version = lake.write(entry, rows, about)
    else:
        version = lake.write_stream(entry, rows, about)
    return version, {
        **counts,
        "dagster/row_count": version.rows,
        "path": dg.MetadataValue.path(version.path),
        "version": version.name,
        "seconds": round(monotonic() - started, 2),
    }


class ParquetIOManager(dg.ConfigurableIOManager):
    """Writes a DataFrame as a new version of its asset in the lake, and reads the current version.

    An interrupted or failed write leaves the version that was current readable. Another process, on another machine
    that sees the same lake, reads what this one wrote. A gated asset is read only where its gates have let that very
    version through, whoever asks: a run of the whole graph, or a click on one asset.
    """

    spark: dg.ResourceDependency[SparkResource]
    root: str = Field(description="The lake's folder.")

    @property
    def _lake(self) -> Lake:
        return Lake(Path(self.root))

    def handle_output(self, context: dg.OutputContext, obj: "DataFrame | Observed | pa.RecordBatchReader") -> None:
        """Writes the next version, with the output's metadata beside it.

        What the asset computed before it handed over its rows, `computing_seconds`, counts into `seconds`.
        """
        started = monotonic()
        version, shown = write(self._lake, _entry(context), obj, _plain(context.output_metadata))
        computed = context.output_metadata.get("computing_seconds")
        seconds = round(monotonic() - started + (computed.value if computed else 0), 2)
        context.add_output_metadata({**shown, "seconds": seconds})
        pages.finish(context, version.path)

    def load_input(self, context: dg.InputContext) -> DataFrame:
        """The current version; of an asset by file that is asked for as a whole, what the gates let through.

        Raises:
            FileNotFoundError: the asset was never materialized.
            UserError: its gates did not let the current version through.
        """
        table = _COMBINED.get(context.asset_key.path[-1])
        if table and not context.has_partition_key:
            ledger = IntakeLedger(Path(self.root), table)
            in_force = ledger.in_force(ledger.entries()).values()
            return read_all(self.spark.spark_session, in_force, _ddl(context))
        entry = _entry(context)
        version = self._lake.current(entry)
        if context.upstream_output and context.upstream_output.definition_metadata.get(GATED):
            must_hold(entry, version)
            accepted = version.verdict and version.verdict.accepted
            if accepted:
                context.add_input_metadata({"version": version.name, "accepted": accepted.because})
        return version.read(self.spark.spark_session, _ddl(context))


_COMBINED = {ROWS[table.name]: table for table in (TRACKS, USER_EVENTS)}


def must_hold(entry: str, version: LakeVersion) -> None:
    """Makes sure that a version's gates let it through.

    Raises:
        UserError: they did not, or were not run to the end; the message names the gate and the way on.
    """
    verdict = version.verdict
    if verdict is None:
        raise UserError(f"{entry} {version.name}: its gates were not run to the end; materialize {entry} again")
    if not verdict.holds:
        found = "; ".join(f"check {finding.check}: {finding.description}" for finding in verdict.refusals)
        raise UserError(
            f"{entry} {version.name} was refused by {found}. See the checks of {entry} in the Dagster UI, or let it"
            f" through all the same: spotify-graph accept {version.name} --because ..."
        )


def _entry(context: dg.OutputContext | dg.InputContext) -> str:
    name = "/".join(context.asset_key.path)
    return f"{name}/{check_name(context.asset_partition_key)}" if context.has_asset_partitions else name


def _ddl(context: dg.InputContext) -> str:
    assert context.upstream_output  # noqa: S101 Dagster always gives it to the input of an asset
    schema = context.upstream_output.definition_metadata["dagster/column_schema"]
    return ", ".join(f"{column.name} {column.type}" for column in schema.columns)


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.value if isinstance(value, dg.MetadataValue) else value
        for name, value in metadata.items()
        # What is there to be looked at, such as a picture, is no fact about the version.
        if not (name.startswith("dagster/") or isinstance(value, dg.MarkdownMetadataValue))
    }
