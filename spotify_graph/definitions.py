"""The entry point of Dagster: every asset, resource, job, sensor and schedule of the platform."""

from typing import Any

import dagster as dg

from spotify_graph.assets import cleaned, edges, evaluation, interactions, nodes, published_graph, raw, recommendations
from spotify_graph.assets.held_back_files import HELD_BACK_FILES
from spotify_graph.assets.many_files import ingest_many
from spotify_graph.assets.platform_health import PLATFORM_HEALTH
from spotify_graph.automation import mail
from spotify_graph.automation.accept import accept
from spotify_graph.automation.cleaning import clean_lake
from spotify_graph.automation.executor import in_turn
from spotify_graph.automation.exports import import_listening_histories
from spotify_graph.automation.jobs import JOBS
from spotify_graph.automation.schedules import SCHEDULES
from spotify_graph.automation.sensors import SENSORS, record_of_failure
from spotify_graph.first_load import first_load
from spotify_graph.io_managers.neo4j import PlatformIOManager
from spotify_graph.io_managers.pages import Pages
from spotify_graph.io_managers.parquet import ParquetIOManager
from spotify_graph.resources.defaults import as_defaults
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.lake import LakeResource, LandingFolder
from spotify_graph.resources.links import Links
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.resources.recommender import Recommender
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings


def build_defs(**overrides: Any) -> dg.Definitions:
    """The platform's definitions.

    Args:
        overrides: resources by key, in place of the platform's own.
    """
    settings = Settings.load()
    spark = overrides.pop("spark", as_defaults(SparkResource.from_settings(settings)))
    neo4j = overrides.pop("neo4j", as_defaults(PlatformNeo4j.from_settings(settings)))
    lake = as_defaults(LakeResource(root=str(settings.lake)))
    links = as_defaults(Links.from_settings(settings))
    pages = Pages(links=links)
    graph = str(settings.lake / "graph")
    published = PlatformIOManager(neo4j=neo4j, pages=pages, root=graph, keep_foreign=settings.foreign == "keep")
    resources = {
        "spark": spark,
        "neo4j": neo4j,
        "gates": as_defaults(Gates.from_settings(settings)),
        "recommender": as_defaults(Recommender.from_settings(settings)),
        "lake": lake,
        "landing": as_defaults(LandingFolder.from_settings(settings)),
        "links": links,
        "pages": pages,
        "io_manager": ParquetIOManager(lake=lake, pages=pages),
        "neo4j_io_manager": as_defaults(published),
    }
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules(
                [raw, cleaned, interactions, nodes, edges, published_graph, recommendations, evaluation]
            ),
            HELD_BACK_FILES,
            PLATFORM_HEALTH,
        ],
        resources=resources | overrides,
        jobs=[*JOBS, ingest_many, accept, clean_lake, first_load, import_listening_histories],
        schedules=SCHEDULES,
        sensors=[*SENSORS, *mail.sensors(settings, record_of_failure)],
        # One process and one Spark session for a run; nothing passes between assets except through their IO managers.
        executor=in_turn,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the webserver and the daemon load."""
    return build_defs()
