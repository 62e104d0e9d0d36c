"""What an asset's page says of a version, kept with it: a run that finds nothing new shows it again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from spotify_graph.io_managers.column_lineage import lineage_of
from spotify_graph.io_managers.previews import preview
from spotify_graph.lake import documents
from spotify_graph.lake.versions import Version
from spotify_graph.resources.links import Links
from spotify_graph.storage import Address

_FILE = "_page.json"


class Pages(dg.ConfigurableResource[None]):
    """Writes and reads the pages of versions, which lead to where they are seen."""

    links: dg.ResourceDependency[Links]

    def finish(self, context: dg.OutputContext, version: Address) -> None:
        """Keeps an output's metadata with the version in a folder of the lake, and makes that its data version.

        By its data version, Dagster tells whether what is computed from it is in sync. The page of a version stays: it
        is written once.
        """
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(version.name))
        asset = context.asset_key.to_user_string()
        context.add_output_metadata({**self._of_asset(asset), **self._of_work(), **_of_version(asset, version)})
        if not (version / _FILE).exists():
            _write(version, {**context.output_metadata, **context.get_logged_metadata()})

    def made(self, asset: str, version: Address, metadata: Mapping[str, Any]) -> dg.MaterializeResult[Any]:
        """The materialization of an asset whose version is in the lake already, with what its page says."""
        metadata = {**metadata, **self._of_asset(asset), **self._of_work(), **_of_version(asset, version)}
        _write(version, dg.AssetMaterialization(asset, metadata=metadata).metadata)
        return dg.MaterializeResult(asset, metadata=metadata, data_version=dg.DataVersion(version.name))

    def unchanged(self, asset: str, version: Address, **now: Any) -> dg.MaterializeResult[Any]:
        """The materialization of an asset that stays as it was: the version's page, and since when.

        Args:
            asset: the asset.
            version: the version's folder.
            now: metadata in place of what the page says.
        """
        now |= {"version": version.name, "seconds": 0.0, **self._of_asset(asset)}
        page = documents.read(version / _FILE)
        if page:
            kept = {name: dg.deserialize_value(value) for name, value in page["metadata"].items()}
            now = kept | now | {"unchanged since": dg.MetadataValue.timestamp(page["at"])}
        elif version.is_dir():
            now |= _of_version(asset, version)
            # What came about in another way, as by a database's import, has its first page now.
            _write(version, dg.AssetMaterialization(asset, metadata=now).metadata)
        return dg.MaterializeResult(asset, metadata=now, data_version=dg.DataVersion(version.name))

    def as_it_was(self, asset: str, version: Version) -> dg.MaterializeResult[Any]:
        """The same for a version of an asset of the lake."""
        return self.unchanged(asset, version.path, **{"dagster/row_count": version.rows})

    def _of_asset(self, asset: str) -> dict[str, Any]:
        """What an asset's page shows whichever its version is: where it is seen, and where its columns are from."""
        links = {"in Neo4j Browser": self.links.in_neo4j_browser(asset), "drawn": self.links.drawn(asset)}
        lineage = lineage_of(asset)
        return {
            **{name: dg.MetadataValue.url(link) for name, link in links.items() if link},
            **({"dagster/column_lineage": lineage} if lineage else {}),
        }

    def _of_work(self) -> dict[str, Any]:
        """What a version's page shows of how it was computed."""
        found = self.links.spark_jobs()
        return {"Spark": dg.MetadataValue.md(found)} if found else {}


def _of_version(asset: str, version: Address) -> dict[str, Any]:
    """What an asset's page shows of a version's rows."""
    rows = preview(asset, version)
    return {"preview": dg.MetadataValue.md(rows)} if rows else {}


def _write(version: Address, metadata: Mapping[str, Any]) -> None:
    values = {name: dg.serialize_value(value) for name, value in metadata.items()}
    documents.write(version / _FILE, {"at": datetime.now(UTC).timestamp(), "metadata": values})
