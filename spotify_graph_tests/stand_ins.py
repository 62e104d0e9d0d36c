"""The platform's shape over stand-ins for its assets: the same keys, groups, partitions and dependencies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import dagster as dg
from dagster import _check as check
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from spotify_graph.automation.conditions import COMBINES_FILES, FIRST_TIME, FOLLOWS_GATES
from spotify_graph.automation.jobs import JOBS
from spotify_graph.automation.partitions import CATALOGUE_FILES, LOG_FILES
from spotify_graph.automation.schedules import SCHEDULES
from spotify_graph.automation.sensors import SENSORS
from spotify_graph.graph_model import FACTS
from spotify_graph.io_managers.pages import Pages
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.resources.gates import Gates
from spotify_graph.resources.lake import LakeResource, LandingFolder
from spotify_graph.resources.links import Links
from spotify_graph.resources.neo4j import PlatformNeo4j
from spotify_graph.resources.spark import SparkResource
from spotify_graph.settings import Settings

INGESTED = ["raw_user_events", "cleaned_events", "rejected_events", "raw_tracks"]
COMBINED = ["cleaned_tracks", "rejected_tracks", "interactions"]
GRAPH = {table.asset: table for table in FACTS}
GATE = "gate"
"""The blocking check of every asset but the rejected rows."""


def definitions(
    fails: Sequence[str] = (), refused: Sequence[str] = (), recommendations: bool = False
) -> dg.Definitions:
    """The platform's shape; the runs of the partitions in `fails` fail, the gates of those in `refused` don't pass."""
    return _definitions(tuple(fails), tuple(refused), recommendations)


@cache
def _definitions(fails: Sequence[str], refused: Sequence[str], recommendations: bool) -> dg.Definitions:
    def passed(name: str, context: dg.AssetExecutionContext) -> bool:
        partition = context.partition_key if context.has_partition_key else None
        assert partition is None or partition not in fails
        return name not in refused and partition not in refused

    def asset(name: str, **about: Any) -> dg.AssetsDefinition:
        gate = dg.AssetCheckSpec(GATE, asset=name, blocking=True)
        as_asset: Callable[..., dg.AssetsDefinition] = dg.asset(name=name, check_specs=[gate], **about)

        @as_asset
        def computed(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
            # The rows of an event file are judged by the asset that follows.
            check = dg.AssetCheckResult(check_name=GATE, passed=passed(name, context) or name == "raw_user_events")
            if context.has_partition_key and not check.passed:
                yield check
                raise dg.Failure("refused")
            metadata = dict(context.op_execution_context.op_config or {})
            yield dg.MaterializeResult(check_results=[check], metadata=metadata)

        return computed

    def pair(good: str, bad: str, dep: str, **about: Any) -> dg.AssetsDefinition:
        condition = None if "partitions_def" in about else COMBINES_FILES

        @dg.multi_asset(
            name=f"clean_{good}",
            specs=[
                dg.AssetSpec(good, deps=[dep], group_name="cleaned", automation_condition=condition),
                dg.AssetSpec(bad, deps=[dep], group_name="cleaned", automation_condition=condition),
            ],
            check_specs=[dg.AssetCheckSpec(GATE, asset=good, blocking=True)],
            **about,
        )
        def computed(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
            check = dg.AssetCheckResult(asset_key=good, check_name=GATE, passed=passed(good, context))
            if context.has_partition_key and not check.passed:
                yield dg.MaterializeResult(bad)
                yield check
                raise dg.Failure("refused")
            yield dg.MaterializeResult(good, check_results=[check])
            yield dg.MaterializeResult(bad)

        return computed

    class InteractionsConfig(dg.Config):
        full: bool = False

    @dg.asset(
        deps=["cleaned_events"],
        group_name="cleaned",
        automation_condition=COMBINES_FILES,
        check_specs=[dg.AssetCheckSpec(GATE, asset="interactions", blocking=True)],
    )
    def interactions(context: dg.AssetExecutionContext, config: InteractionsConfig) -> dg.MaterializeResult:  # type: ignore[type-arg]
        check = dg.AssetCheckResult(check_name=GATE, passed=passed("interactions", context))
        return dg.MaterializeResult(metadata={"full": config.full}, check_results=[check])

    sources = {
        "track_nodes": ["cleaned_tracks", "interactions"],
        # A node asset that reads the files as well as what they are combined to.
        "user_nodes": ["interactions"],
        "artist_nodes": ["cleaned_tracks"],
        "genre_nodes": ["cleaned_tracks"],
        "by_edges": ["cleaned_tracks", "track_nodes", "artist_nodes"],
        "in_genre_edges": ["cleaned_tracks", "track_nodes", "genre_nodes"],
    }
    graph = [
        asset(
            name,
            deps=sources.get(name, ["interactions", "user_nodes", "track_nodes"]),
            group_name="nodes" if isinstance(table, NodeType) else "edges",
            automation_condition=FOLLOWS_GATES,
            config_schema={"verify": dg.Field(bool, default_value=False)},
        )
        for name, table in GRAPH.items()
    ]
    model = asset(
        "recommended_edges", deps=["interactions"], group_name="recommendations", automation_condition=FIRST_TIME
    )
    return dg.Definitions(
        assets=[
            asset("raw_user_events", partitions_def=LOG_FILES, group_name="raw"),
            asset("raw_tracks", partitions_def=CATALOGUE_FILES, group_name="raw"),
            pair("cleaned_events", "rejected_events", "raw_user_events", partitions_def=LOG_FILES),
            pair("cleaned_tracks", "rejected_tracks", "raw_tracks"),
            interactions,
            *graph,
            *([model] if recommendations else []),
        ],
        jobs=JOBS,
        sensors=SENSORS,
        schedules=SCHEDULES,
        # Of the jobs that no stand-in replaces, and that no test here runs.
        resources={
            "lake": LakeResource(root=""),
            "neo4j": PlatformNeo4j(),
            "gates": Gates(),
            "landing": LandingFolder.from_settings(Settings.load()),
            "spark": SparkResource(),
            "pages": Pages(links=Links.from_settings(Settings.load())),
        },
        executor=dg.in_process_executor,
    )


def requested(
    instance: dg.DagsterInstance,
    defs: dg.Definitions,
    job: str,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED,
    tags: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> dg.DagsterRun:
    """A run as the daemon creates it: it has not begun, whatever its status."""
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("spotify_graph"), "__repository__")
    return instance.create_run_for_job(
        defs.resolve_job_def(job),
        status=status,
        tags=tags,
        run_config=config,
        remote_job_origin=RemoteJobOrigin(location, job),
    )


def performed(instance: dg.DagsterInstance, defs: dg.Definitions, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    """Carries out a run that was queued, and tells how it ended."""
    starting = dg.DagsterEvent(dg.DagsterEventType.PIPELINE_STARTING.value, run.job_name)
    instance.report_dagster_event(starting, run.run_id)
    job = InMemoryJob(defs.resolve_job_def(run.job_name))
    execute_run(job, check.not_none(instance.get_run_by_id(run.run_id)), instance)
    return check.not_none(instance.get_run_by_id(run.run_id)).status
