import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.run_coordinator import QueuedRunCoordinator

from spotify_graph.definitions import build_defs
from spotify_graph.graph_model import FACTS, NODES, RECOMMENDATIONS, RELATIONSHIPS, TABLES
from spotify_graph.resources.gates import Gates
from spotify_graph.settings import PROJECT_ROOT

GROUPS = {
    "raw": {"raw_tracks", "raw_user_events", "held_back_files"},
    "cleaned": {"cleaned_events", "rejected_events", "cleaned_tracks", "rejected_tracks", "interactions"},
    "nodes": {"track_nodes", "user_nodes", "artist_nodes", "genre_nodes"},
    "edges": {
        *("played_edges", "liked_edges", "skipped_edges", "paused_edges", "seeked_edges"),
        *("by_edges", "in_genre_edges"),
    },
    "health": {"platform_health"},
    "graph": {"published_graph"},
    "recommendations": {"similar_track_edges", "similar_user_edges", "recommended_edges"},
    "evaluation": {"recommendation_evaluation"},
}


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in build_defs().resolve_all_asset_specs()}


def test_a_code_location_can_be_made_of_the_definitions() -> None:
    dg.Definitions.validate_loadable(build_defs())


def test_the_assets_are_those_of_the_design_in_their_groups(specs: dict[str, dg.AssetSpec]) -> None:
    found = {group: {name for name, spec in specs.items() if spec.group_name == group} for group in GROUPS}
    assert found == GROUPS
    assert len(specs) == sum(map(len, GROUPS.values()))


def test_every_asset_says_what_it_is_whose_it_is_and_what_columns_it_has(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.owners == ["team:data-platform"], name
        assert spec.kinds, name
        # The page of the platform's health has no rows, and is what is to be seen first.
        assert name == "platform_health" or spec.metadata["dagster/column_schema"].columns, name


def test_the_columns_of_an_asset_of_the_graph_are_those_of_the_model(specs: dict[str, dg.AssetSpec]) -> None:
    for name, table in TABLES.items():
        shown = [(column.name, column.type) for column in specs[name].metadata["dagster/column_schema"].columns]
        assert shown == [(column.name, column.type.value) for column in table.columns]


def _upstream(specs: dict[str, dg.AssetSpec], name: str) -> set[str]:
    parents = {dep.asset_key.to_user_string() for dep in specs[name].deps}
    return parents.union(*(_upstream(specs, parent) for parent in parents))


def test_a_relationship_waits_for_the_nodes_at_both_ends(specs: dict[str, dg.AssetSpec]) -> None:
    for edge in (*RELATIONSHIPS, *RECOMMENDATIONS):
        assert _upstream(specs, edge.asset) >= {edge.start.node.asset, edge.end.node.asset}


def test_models_wait_for_the_whole_graph_and_hang_on_few_assets(specs: dict[str, dg.AssetSpec]) -> None:
    for name in ("recommendation_evaluation", *(table.asset for table in RECOMMENDATIONS)):
        assert _upstream(specs, name) >= {table.asset for table in FACTS}
        assert len(list(specs[name].deps)) <= 3


def test_the_graph_model_names_every_label_and_type_once() -> None:
    assert len({node.label for node in NODES}) == len(NODES)
    assert len({table.type for table in (*RELATIONSHIPS, *RECOMMENDATIONS)}) == len(RELATIONSHIPS) + len(
        RECOMMENDATIONS
    )


def test_every_job_sensor_and_schedule_says_in_a_sentence_what_it_does() -> None:
    repository = build_defs().get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    everything: list[dg.JobDefinition | dg.SensorDefinition | dg.ScheduleDefinition] = [*jobs]
    for it in [*everything, *repository.sensor_defs, *repository.schedule_defs]:
        description = it.description or ""
        assert description.endswith("."), it.name
        # A sentence, and not the name once more.
        assert len(description) > 2 * len(it.name), it.name


PERSONS_ALONE_KNOW = {"accept_version.version", "accept_version.because", "import_history.path", "take_in_files.files"}


def _fields(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dg.Field]]:
    for name, field in getattr(config, "fields", {}).items():
        yield (*path, name), field
        yield from _fields(field.config_type, (*path, name))


def test_every_field_of_the_launchpad_says_what_it_is_and_has_a_default_unless_a_person_alone_knows_it() -> None:
    told, needed = set(), set()
    for job in build_defs().get_repository_def().get_all_jobs():
        for path, field in _fields(job.run_config_schema.config_type):
            match path:
                case "ops" | "resources", owner, "config", *names if names:
                    name = ".".join([owner, *names])
                    told.add(name)
                    assert (field.description or "").strip(), f"{name} of the job {job.name}"
                    if field.is_required:
                        needed.add(name)
    assert told > {"interactions.full", "played_edges.verify", "gates.drop_error", "lake.root", "spark.driver_memory"}
    assert needed == PERSONS_ALONE_KNOW


def test_who_changes_one_value_in_the_launchpad_keeps_the_others_of_the_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPOTIFY_GRAPH_GATES", '{"drop_error": 0.77, "stale_warn_hours": 5}')
    seen = []

    @dg.op
    def look(gates: Gates) -> None:
        seen.append((gates.rejected_error, gates.drop_error, gates.stale_warn_hours))

    @dg.job(resource_defs={"gates": build_defs().resources["gates"]})  # type: ignore[index]
    def looking() -> None:
        look()

    looking.execute_in_process(run_config={"resources": {"gates": {"config": {"rejected_error": 0.5}}}})
    assert seen == [(0.5, 0.77, 5)]


def test_the_definitions_load_without_what_only_their_runs_need() -> None:
    unneeded = {"faker", "jgo", "matplotlib", "neo4j", "numpy", "pandas", "pyarrow", "pyspark.ml", "requests"}
    loading = "import sys; from spotify_graph.definitions import build_defs; build_defs(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", loading], check=True, capture_output=True, text=True).stdout.split()
    assert "spotify_graph.definitions" in loaded
    assert unneeded & set(loaded) == set()


def test_the_workspace_loads_the_definitions_that_this_package_has() -> None:
    workspace = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())
    assert workspace["load_from"][0]["python_module"]["module_name"] == "spotify_graph.definitions"


def test_the_dagster_instance_keeps_everything_under_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").write_text((PROJECT_ROOT / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert instance.storage_directory().startswith(str(tmp_path))
        assert instance.telemetry_enabled is False
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 1
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert instance.run_coordinator.dequeue_interval_seconds == 1
