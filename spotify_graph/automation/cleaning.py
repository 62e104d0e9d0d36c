"""The job that removes what nobody reads any more of the lake."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from spotify_graph.graph_model import RECOMMENDER
from spotify_graph.lake.cleaning import Cleaned, clean
from spotify_graph.resources.lake import LakeResource
from spotify_graph.resources.neo4j import PlatformNeo4j

if TYPE_CHECKING:
    from neo4j import Driver


def cleaned(lake: LakeResource, neo4j: PlatformNeo4j) -> Cleaned:
    """Removes what nobody reads any more; what the database was given stays."""
    return clean(lake.lake, datetime.now(UTC), in_database(neo4j.driver, neo4j.database))


def in_database(driver: "Driver", database: str) -> list[str]:
    """The names of the versions that a database was given, or whose names it keeps."""
    from spotify_graph.neo4j_io import ledger, models

    published = [entry.version for entry in ledger.read(driver, database).values()]
    model = models.active(driver, database, RECOMMENDER)
    held_out = [str(model.about["held_out"])] if model and model.about.get("held_out") else []
    return [*published, *held_out]


@dg.op(name="remove_unread_versions")
def _clean(context: dg.OpExecutionContext, lake: LakeResource, neo4j: PlatformNeo4j) -> None:
    found = cleaned(lake, neo4j)
    context.log.info(f"{found.manifests} manifests and {found.versions} versions are gone, {found.bytes:,} bytes")
    context.add_output_metadata(vars(found))


@dg.job(
    name="clean_lake",
    description="Removes versions of the lake that nobody reads any more: newer ones took their place over a day ago,"
    " and the database was not given them.",
)
def clean_lake() -> None:
    """Removes what nobody reads any more."""
    _clean()
