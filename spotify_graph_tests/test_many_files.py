"""Many files that land together, taken in by runs of many files: real files, a real lake, and Dagster's own history."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster import _check as check
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from spotify_graph import runs
from spotify_graph.automation.partitions import LOG_FILES
from spotify_graph.lake import manifest
from spotify_graph.lake.lake import Lake
from spotify_graph.settings import Settings
from spotify_graph_tests import oracle
from spotify_graph_tests.platform import Platform, without_a_graph

HEADER = "user_id,track_id,event_type,event_ts,session_id,device"
ASSETS = ("raw_user_events", "cleaned_events", "rejected_events")
FILES = ("materialize", "--select", "key:interactions or key:raw_user_events or key:cleaned_events")
UNREADABLE, DIRTY = "user_events_unreadable.csv", "user_events_dirty.csv"
GOOD = [f"user_events_{number:02}.csv" for number in range(12)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Twelve good files, and two bad ones among them."""
    with without_a_graph(tmp_path_factory.mktemp("many")) as platform:
        for number, name in enumerate(GOOD):
            platform.land(name, *rows(number))
        platform.land(UNREADABLE, "who,what", "u1,t1")
        platform.land(DIRTY, *rows(99), "no event", "nor this")
        yield platform


@pytest.fixture(scope="module")
def said(platform: Platform) -> list[str]:
    """The problems that the command names which takes them all in."""
    return problems(platform)


def rows(number: int) -> list[str]:
    """Some events, of which one is in every file."""
    of_all = "u0,t0,play,2026-01-01T10:00:00Z,s,web"
    return [HEADER, of_all, *(f"u{number},t{i},play,2026-01-01T{number % 24:02}:00:0{i}Z,s,web" for i in range(5))]


def problems(platform: Platform) -> list[str]:
    result = platform.run(*FILES)
    assert result.exit_code == 1, result.output
    return [line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ")]


def runs_that_ended() -> list[tuple[str, str, str | None]]:
    """Job, status and partition of each run that took something in, oldest first."""
    with runs.instance(Settings.load()) as instance:
        found = [(it.job_name, it.status.value, it.tags.get("dagster/partition")) for it in instance.get_runs()]
    return [it for it in reversed(found) if it[0].startswith("ingest")]


def partitions(asset: str) -> tuple[set[str], set[str]]:
    """The partitions that Dagster's pages show as failed, and those of which something was materialized."""
    with runs.instance(Settings.load()) as instance:
        status = check.not_none(get_and_update_asset_status_cache_value(instance, dg.AssetKey(asset), LOG_FILES))
        subsets = (
            status.deserialize_failed_partition_subsets(LOG_FILES),
            status.deserialize_materialized_partition_subsets(LOG_FILES),
        )
        bad, good = (set(subset.get_partition_keys()) for subset in subsets)
        return bad, good


def states(platform: Platform) -> dict[str, str]:
    return {it["file"]: it["state"] for it in json.loads(platform.succeed("status", "--json"))["landed"]}


def test_one_run_takes_in_the_good_ones_and_each_bad_one_has_a_run_that_fails(
    platform: Platform, said: list[str]
) -> None:
    assert runs_that_ended() == [
        ("ingest_many", "SUCCESS", None),
        ("ingest_events", "FAILURE", DIRTY),
        ("ingest_events", "FAILURE", UNREADABLE),
    ]
    assert states(platform) == dict.fromkeys(GOOD, "passed") | dict.fromkeys([DIRTY, UNREADABLE], "refused")


def test_the_bad_ones_are_named_with_what_is_wrong(said: list[str]) -> None:
    assert [line.split(":")[1].strip() for line in sorted(said)] == [DIRTY, UNREADABLE]
    assert any("2 of 8 rows rejected" in line for line in said)
    assert any("missing: user_id" in line for line in said)


def test_every_file_has_its_own_partition_with_its_own_checks(platform: Platform, said: list[str]) -> None:
    assert partitions("raw_user_events") == ({UNREADABLE}, {*GOOD, DIRTY})
    assert partitions("cleaned_events") == ({UNREADABLE, DIRTY}, {*GOOD})
    assert partitions("rejected_events") == ({UNREADABLE}, {*GOOD, DIRTY})
    for asset, gate in (("raw_user_events", "file_readable"), ("cleaned_events", "rejected_share")):
        with runs.instance(Settings.load()) as instance:
            records = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(dg.AssetKey(asset), gate), limit=50
            )
        found = [it.evaluation for it in records if isinstance(it.evaluation, dg.AssetCheckEvaluation)]
        assert {str(it.partition) for it in found if it.passed} >= {*GOOD}
        assert all(str(it.description).startswith(f"{it.partition}: ") for it in found)


def test_what_came_in_is_what_the_oracle_says(platform: Platform, said: list[str]) -> None:
    landed = {name: (platform.landing / name).read_bytes() for name in GOOD}
    promised = oracle.expected(landed, datetime.now(UTC))
    found = platform.rows("interactions").select(["user_id", "track_id", "count"]).to_pylist()
    assert {(it["user_id"], it["track_id"]): it["count"] for it in found} == {
        (user, track): edge["count"] for (user, _, track), edge in promised.events.items()
    }


def test_the_lake_changes_once_for_all_of_them(platform: Platform, said: list[str]) -> None:
    root = Lake(platform.home / "lake").root
    entries = [set(manifest.at(root, int(file.stem)).entries) for file in manifest.kept(root)]
    new = [len(after - before) for before, after in zip([set[str](), *entries], entries, strict=False)]
    assert new[0] == len(ASSETS) * len(GOOD)


def test_a_second_look_takes_nothing_in_again(platform: Platform, said: list[str]) -> None:
    before = runs_that_ended()
    assert sorted(problems(platform)) == sorted(said)
    assert runs_that_ended() == before


def test_files_that_are_replaced_together_share_a_run_too_and_a_corrected_one_is_held_back_no_more(
    platform: Platform, said: list[str]
) -> None:
    for name in (*GOOD[:5], UNREADABLE):
        platform.land(name, *rows(50))
    [line] = problems(platform)
    assert DIRTY in line
    assert runs_that_ended()[3:] == [("ingest_many", "SUCCESS", None)]
    assert states(platform)[UNREADABLE] == "passed"
    assert partitions("cleaned_events") == ({DIRTY}, {*GOOD, UNREADABLE})
    with runs.instance(Settings.load()) as instance:
        event = check.not_none(instance.get_latest_materialization_event(dg.AssetKey("held_back_files")))
    assert UNREADABLE not in str(check.not_none(event.asset_materialization).metadata["files"].value)


def test_a_file_of_them_can_be_accepted(platform: Platform, said: list[str]) -> None:
    runs.accept(Settings.load(), DIRTY, "it is right", print)
    assert states(platform)[DIRTY] == "accepted"
    assert partitions("cleaned_events")[0] == set()


def test_what_says_nothing_about_a_file_fails_the_run_and_all_are_taken_in_once_it_is_over(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with without_a_graph(tmp_path_factory.mktemp("no_room")) as platform:
        for name in GOOD:
            platform.land(name, *rows(9))
        spool = platform.home / "lake" / "_spool"
        spool.parent.mkdir(parents=True)
        spool.write_text("where a folder has to be")
        problems(platform)
        assert runs_that_ended()[0] == ("ingest_many", "FAILURE", None)
        assert set(states(platform).values()) == {"failed"}
        spool.unlink()
        platform.succeed(*FILES)
        assert set(states(platform).values()) == {"passed"}
