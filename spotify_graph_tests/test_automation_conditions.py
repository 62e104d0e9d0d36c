"""When the graph follows the files, over stand-ins for the assets in a real Dagster instance."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from spotify_graph.automation.partitions import CATALOGUE_FILES, LOG_FILES
from spotify_graph_tests.stand_ins import (
    COMBINED,
    GRAPH,
    definitions,
    performed,
    requested,
)

FROM_EVENTS = {"interactions", *GRAPH} - {"artist_nodes", "genre_nodes"}
FROM_TRACKS = {"cleaned_tracks", "rejected_tracks", "track_nodes", "artist_nodes", "genre_nodes"}


class Automation:
    """The automation sensor's ticks on an instance, one after the other."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.now = datetime(2026, 1, 1, 10, 0, 5, tzinfo=UTC)
        self._cursor: AssetDaemonCursor | None = None

    def tick(self, defs: dg.Definitions | None = None) -> set[str]:
        """The assets that are asked for."""
        result = dg.evaluate_automation_conditions(
            defs or definitions(), self.instance, cursor=self._cursor, evaluation_time=self.now
        )
        self._cursor = result.cursor
        return {found.key.to_user_string() for found in result.results if not found.true_subset.is_empty}

    def queue(self, *files: str) -> list[dg.DagsterRun]:
        """One queued ingest run for each file."""
        return [self._queued(file) for file in files]

    def _queued(self, file: str) -> dg.DagsterRun:
        kind, job = (CATALOGUE_FILES, "ingest_catalogue") if "tracks" in file else (LOG_FILES, "ingest_events")
        self.instance.add_dynamic_partitions(kind.name, [file])  # type: ignore[arg-type]
        return requested(self.instance, definitions(), job, tags={"dagster/partition": file})

    def ingest(self, *files: str, defs: dg.Definitions | None = None) -> None:
        """Takes in files, one after the other."""
        for run in self.queue(*files):
            performed(self.instance, defs or definitions(), run)

    def refresh(self, assets: Iterable[str], defs: dg.Definitions | None = None) -> None:
        """What the daemon does about the assets that a tick asked for: one run."""
        job = (defs or definitions()).resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(name) for name in sorted(assets)]
        job.execute_in_process(instance=self.instance, asset_selection=keys, raise_on_error=False)


@pytest.fixture
def automation() -> Iterator[Automation]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Automation(instance)


def test_nothing_is_asked_for_before_anything_landed(automation: Automation) -> None:
    assert [automation.tick() for _ in range(2)] == [set(), set()]
    automation.queue("user_events_1.csv", "tracks.csv")
    assert automation.tick() == set()


def test_many_files_that_land_together_lead_to_one_refresh(automation: Automation) -> None:
    automation.tick()
    runs = automation.queue("tracks.csv", "user_events_1.csv", "user_events_2.csv", "user_events_3.csv")
    for run in runs:
        assert automation.tick() == set(), "a queued run holds it up"
        assert performed(automation.instance, definitions(), run) == dg.DagsterRunStatus.SUCCESS
    assert automation.tick() == {*COMBINED, *GRAPH}
    assert automation.tick() == set()
    automation.refresh({*COMBINED, *GRAPH})
    assert [automation.tick() for _ in range(3)] == [set()] * 3


def test_models_are_asked_for_where_there_are_none_and_not_at_every_refresh(automation: Automation) -> None:
    defs = definitions(recommendations=True)
    automation.tick(defs)
    automation.ingest("tracks.csv", "user_events_1.csv", defs=defs)
    wanted = automation.tick(defs)
    assert wanted == {*COMBINED, *GRAPH, "recommended_edges"}
    automation.refresh(wanted, defs)
    assert automation.tick(defs) == set()
    automation.ingest("user_events_2.csv", defs=defs)
    assert automation.tick(defs) == FROM_EVENTS


def test_a_run_that_has_begun_holds_the_refresh_up(automation: Automation) -> None:
    published(automation)
    automation.ingest("user_events_2.csv")
    (run,) = automation.queue("user_events_3.csv")
    automation.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, run.job_name), run.run_id
    )
    assert automation.instance.get_runs()[0].status == dg.DagsterRunStatus.STARTED
    assert automation.tick() == set()
    automation.instance.report_run_canceled(run)
    assert automation.tick() == FROM_EVENTS


def test_a_run_that_was_created_and_not_launched_holds_the_refresh_up(automation: Automation) -> None:
    published(automation)
    automation.ingest("user_events_2.csv")
    run = requested(
        automation.instance,
        definitions(),
        "ingest_events",
        dg.DagsterRunStatus.NOT_STARTED,
        {"dagster/partition": "user_events_1.csv"},
    )
    assert automation.tick() == set()
    automation.instance.delete_run(run.run_id)
    assert automation.tick() == FROM_EVENTS


def test_where_a_file_is_always_under_way_the_graph_follows_every_two_minutes(automation: Automation) -> None:
    published(automation)
    refreshed = []
    for number in range(30):
        automation.now += timedelta(seconds=10)
        automation.ingest(f"user_events_more_{number}.csv")
        (under_way,) = automation.queue("user_events_next.csv")
        wanted = automation.tick()
        if wanted:
            assert wanted == FROM_EVENTS
            automation.refresh(wanted)
            refreshed.append(automation.now)
        automation.instance.report_run_canceled(under_way)
    assert [f"{at:%H:%M}" for at in refreshed] == ["10:02", "10:04"]


def test_a_catalogue_in_the_queue_holds_up_the_events_too(automation: Automation) -> None:
    published(automation)
    automation.ingest("user_events_2.csv")
    (catalogue,) = automation.queue("tracks_2.csv")
    assert automation.tick() == set()
    performed(automation.instance, definitions(), catalogue)
    assert automation.tick() == {*COMBINED, *GRAPH}


def test_one_more_file_leads_to_what_depends_on_its_kind(automation: Automation) -> None:
    published(automation)
    automation.ingest("user_events_2.csv")
    assert automation.tick() == FROM_EVENTS
    automation.refresh(FROM_EVENTS)
    assert automation.tick() == set()
    automation.ingest("tracks_2.csv")
    assert automation.tick() == FROM_TRACKS | {*GRAPH} - {"user_nodes"}


def test_a_replaced_file_leads_to_a_refresh(automation: Automation) -> None:
    published(automation)
    automation.ingest("user_events_1.csv")
    assert automation.tick() == FROM_EVENTS


@pytest.mark.parametrize("fault", ["fails", "refused"])
@pytest.mark.parametrize("last", [True, False])
def test_a_file_that_failed_or_was_refused_does_not_hold_up_the_others(
    automation: Automation, fault: str, last: bool
) -> None:
    bad = "user_events_bad.csv"
    defs = definitions(**{fault: [bad]})  # type: ignore[arg-type]
    automation.tick()
    automation.ingest("tracks.csv")
    assert automation.tick() == FROM_TRACKS - {"track_nodes"}
    automation.refresh(FROM_TRACKS - {"track_nodes"})
    files = ["user_events_1.csv", "user_events_2.csv"]
    automation.ingest(*([*files, bad] if last else [bad, *files]), defs=defs)
    assert automation.tick() == FROM_EVENTS
    automation.refresh(FROM_EVENTS)
    assert automation.tick() == set()
    automation.ingest("user_events_3.csv", defs=defs)
    assert automation.tick() == FROM_EVENTS


@pytest.mark.parametrize("file", ["user_events_bad.csv", "tracks_bad.csv"])
def test_a_refused_file_leads_to_nothing_until_it_is_accepted(automation: Automation, file: str) -> None:
    published(automation)
    automation.ingest(file, defs=definitions(refused=[file]))
    assert [automation.tick() for _ in range(2)] == [set(), set()]
    asset, follows = (
        ("raw_tracks", FROM_TRACKS | {*GRAPH} - {"user_nodes"})
        if "tracks" in file
        else (
            "cleaned_events",
            FROM_EVENTS,
        )
    )
    # As the job `accept_refused_version` does.
    automation.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=file))
    assert automation.tick() == follows


def test_a_file_that_is_registered_and_never_came_in_does_not_hold_up_the_others(automation: Automation) -> None:
    published(automation)
    automation.instance.add_dynamic_partitions("log_files", ["user_events_never.csv"])
    automation.instance.add_dynamic_partitions("catalogue_files", ["tracks_never.csv"])
    automation.ingest("user_events_2.csv")
    assert automation.tick() == FROM_EVENTS


def test_the_graph_does_not_follow_what_its_gate_refused_and_does_once_it_passes(automation: Automation) -> None:
    published(automation)
    automation.ingest("user_events_2.csv")
    assert automation.tick() == FROM_EVENTS
    refused = definitions(refused=["interactions"])
    automation.refresh(FROM_EVENTS, refused)
    assert materializations(automation.instance, "interactions") == 2
    assert materializations(automation.instance, "user_nodes") == 1, "the gate holds within the run"
    assert [automation.tick() for _ in range(2)] == [set(), set()]
    automation.refresh(["interactions"], refused)
    assert [automation.tick() for _ in range(2)] == [set(), set()], "and across runs"
    automation.refresh(["interactions"])
    assert automation.tick() == FROM_EVENTS - {"interactions"}
    automation.refresh(FROM_EVENTS - {"interactions"})
    assert automation.tick() == set()


def published(automation: Automation) -> None:
    """One file of each kind, taken in and published; the automation has nothing to ask for."""
    automation.tick()
    automation.ingest("tracks.csv", "user_events_1.csv")
    assert automation.tick() == {*COMBINED, *GRAPH}
    automation.refresh({*COMBINED, *GRAPH})
    assert automation.tick() == set()


def materializations(instance: dg.DagsterInstance, asset: str) -> int:
    return len(instance.fetch_materializations(dg.AssetKey(asset), limit=10).records)
