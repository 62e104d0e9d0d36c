"""The IO manager that keeps an asset's rows in the Parquet lake."""

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg

from spotify_graph.errors import UserError
from spotify_graph.io_managers.pages import Pages
from spotify_graph.lake.intake import KINDS, ROWS, Intake
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.versions import LakeTable, Record, Version
from spotify_graph.resources.lake import LakeResource
from spotify_graph.transforms.landed_files import check_name

if TYPE_CHECKING:
    import pyarrow as pa

GATED = "spotify_graph/gated"
"""Definition metadata of an asset whose versions go on only after their gates have passed."""


def shown(version: Version, started: float, **counts: int) -> dict[str, Any]:
    """The metadata with which Dagster shows a version.

    Args:
        version: the version.
        started: when its making began, by `time.monotonic`.
        counts: what else is shown of it.
    """
    return {
        **counts,
        "dagster/row_count": version.rows,
        "path": dg.MetadataValue.path(str(version.path)),
        "version": version.name,
        "seconds": round(monotonic() - started, 2),
    }


@dataclass(frozen=True)
class NewRows:
    """The rows of a new version.

    Attributes:
        rows: the rows.
        record: what is known of the version.
        started: when their making began, by `time.monotonic`.
    """

    rows: "pa.Table"
    record: Record
    started: float


class ParquetIOManager(dg.ConfigurableIOManager):
    """Writes rows as a new version of their asset in the lake, and reads the latest version.

    An interrupted or failed write leaves what was there before readable. Another process, on another machine that sees
    the same lake, reads what this one wrote. A gated asset is read only where its gates have let that very version
    through, whoever asks: a run of the whole graph, or a click on one asset. What one step reads is of one manifest.
    """

    lake: dg.ResourceDependency[LakeResource]
    pages: dg.ResourceDependency[Pages]

    def handle_output(self, context: dg.OutputContext, obj: NewRows) -> None:
        """Writes the next version, and lets everybody see it."""
        entry, lake = _entry(context), self.lake.lake
        version = lake.write_table(entry, obj.rows, obj.record)
        lake.put({entry: version})
        context.add_output_metadata(shown(version, obj.started))
        self.pages.finish(context, version.path)

    def load_input(self, context: dg.InputContext) -> LakeTable:
        """The latest version; of an asset by file that is asked for as a whole, what the gates let through.

        Raises:
            FileNotFoundError: the asset was never materialized.
            UserError: its gates did not let the latest version through.
        """
        lake = self._pinned(context)
        table = _COMBINED.get(context.asset_key.path[-1])
        if table and not context.has_partition_key:
            intake = Intake(lake, table)
            return LakeTable(intake.active(intake.entries()), _ddl(context))
        entry = _entry(context)
        version = lake.latest(entry)
        if context.upstream_output and context.upstream_output.definition_metadata.get(GATED):
            must_hold(entry, version)
            accepted = version.verdict and version.verdict.accepted
            if accepted:
                context.add_input_metadata({"version": version.name, "accepted": accepted.because})
        return LakeTable({entry: version}, _ddl(context))

    def _pinned(self, context: dg.InputContext) -> Lake:
        """The lake as it was when a step asked for the first of its inputs."""
        try:
            step = context.step_context
        except dg.DagsterInvariantViolationError:  # somebody looks at an asset, outside of any run
            return self.lake.lake
        key = (self.lake.root, step.run_id, step.step.key, step.previous_attempt_count)
        if key not in _of_steps:
            _of_steps.clear()  # steps follow one another
            _of_steps[key] = self.lake.lake.pin()
        return _of_steps[key]


# Dagster makes an IO manager anew where it likes to.
_of_steps: dict[tuple[str, str, str, int], Lake] = {}

_COMBINED = {ROWS[table.name]: table for table in KINDS}


def must_hold(entry: str, version: Version) -> None:
    """Makes sure that a version's gates let it through.

    Raises:
        UserError: they did not; the message names the gate and the way on.
    """
    verdict = version.verdict
    if verdict and not verdict.holds:
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
