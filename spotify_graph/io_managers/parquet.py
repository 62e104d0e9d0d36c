"""The IO manager that keeps an asset's rows in the Parquet lake."""

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from spotify_graph.errors import UserError
from spotify_graph.io_managers import pages
from spotify_graph.io_managers.intake import ROWS, IntakeLedger
from spotify_graph.io_managers.lake import Lake, LakeTable, LakeVersion
from spotify_graph.transforms.landing import TRACKS, USER_EVENTS, check_name

if TYPE_CHECKING:
    import pyarrow as pa

GATED = "spotify_graph/gated"
"""Definition metadata of an asset whose versions go on only after their gates have passed."""


def shown(version: LakeVersion, started: float, **counts: int) -> dict[str, Any]:
    """The metadata with which Dagster shows a version.

    Args:
        version: the version.
        started: when its making began, by `time.monotonic`.
        counts: what else is shown of it.
    """
    return {
        **counts,
        "dagster/row_count": version.rows,
        "path": dg.MetadataValue.path(version.path),
        "version": version.name,
        "seconds": round(monotonic() - started, 2),
    }


class ParquetIOManager(dg.ConfigurableIOManager):
    """Writes rows as a new version of their asset in the lake, and reads the current version.

    An interrupted or failed write leaves the version that was current readable. Another process, on another machine
    that sees the same lake, reads what this one wrote. A gated asset is read only where its gates have let that very
    version through, whoever asks: a run of the whole graph, or a click on one asset.
    """

    root: str = Field(description="The lake's folder.")

    @property
    def _lake(self) -> Lake:
        return Lake(Path(self.root))

    def handle_output(self, context: dg.OutputContext, obj: "pa.Table") -> None:
        """Writes the next version, with the output's metadata beside it.

        What the asset computed before it handed over its rows, `computing_seconds`, counts into `seconds`.
        """
        started = monotonic()
        version = self._lake.write_table(_entry(context), obj, _plain(context.output_metadata))
        computed = context.output_metadata.get("computing_seconds")
        before = computed.value if computed else 0
        context.add_output_metadata(shown(version, started - before))
        pages.finish(context, version.path)

    def load_input(self, context: dg.InputContext) -> LakeTable:
        """The current version; of an asset by file that is asked for as a whole, what the gates let through.

        Raises:
            FileNotFoundError: the asset was never materialized.
            UserError: its gates did not let the current version through.
        """
        table = _COMBINED.get(context.asset_key.path[-1])
        if table and not context.has_partition_key:
            ledger = IntakeLedger(Path(self.root), table)
            return LakeTable(list(ledger.in_force(ledger.entries()).values()), _ddl(context))
        entry = _entry(context)
        version = self._lake.current(entry)
        if context.upstream_output and context.upstream_output.definition_metadata.get(GATED):
            must_hold(entry, version)
            accepted = version.verdict and version.verdict.accepted
            if accepted:
                context.add_input_metadata({"version": version.name, "accepted": accepted.because})
        return LakeTable([version], _ddl(context))


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
