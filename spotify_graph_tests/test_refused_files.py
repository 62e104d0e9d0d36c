"""A landed file that is held back, as people meet it: the command, `status`, Dagster's pages, the failure record."""

import html
import json
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pytest
from dagster import _check as check
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from neo4j import Driver

from spotify_graph import runs
from spotify_graph.automation import failures
from spotify_graph.automation.held_back import ASSET
from spotify_graph.automation.partitions import CATALOGUE_FILES, LOG_FILES
from spotify_graph.definitions import build_defs
from spotify_graph.errors import UserError
from spotify_graph.lake.lake import Lake
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests.platform import Platform, installed

EVENTS = "user_id,track_id,event_type,event_ts,session_id,device"
TRACKS = "track_id,artist,album,duration_ms,genre"
TAKEN_IN = "group:raw or key:cleaned_events or key:cleaned_tracks"
DIRTY, UNREADABLE, CATALOGUE = "user_events_dirty.csv", "user_events_unreadable.csv", "tracks_dirty.csv"
FOUND = {
    DIRTY: "56 of 400 rows rejected (14.00%), more than 5.00%",
    UNREADABLE: "missing: user_id",
    CATALOGUE: "2 of 4 rows rejected (50.00%), more than 5.00%",
}


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, local_neo4j: LocalNeo4j, neo4j_driver: Driver
) -> Iterator[Platform]:
    with installed(tmp_path_factory.mktemp("refused"), local_neo4j, neo4j_driver) as platform:
        platform.land("tracks.csv", TRACKS, "t1,Ann,First,180000,jazz")
        platform.land(
            CATALOGUE, TRACKS, "t2,Ann,First,1,jazz", "t3,Ann,First,1,jazz", ",Ann,,1,", "t4,Ann,First,-1,jazz"
        )
        platform.land("user_events_a.csv", EVENTS, *plays(5))
        platform.land(DIRTY, EVENTS, *plays(344), *(f"u{i},t1,play,<b>never|ever</b>,s,web" for i in range(56)))
        platform.land(UNREADABLE, "who,what", "u8,t8")
        yield platform


@pytest.fixture(scope="module")
def said(platform: Platform) -> list[str]:
    """The problems that a run names which takes the files in."""
    return problems(platform, 1)


def plays(count: int) -> list[str]:
    return [f"u{i},t1,play,2026-01-01T10:00:00Z,s,web" for i in range(count)]


def problems(platform: Platform, exit_code: int) -> list[str]:
    result = platform.run("materialize", "--select", TAKEN_IN)
    assert result.exit_code == exit_code, result.output
    return [line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ")]


def run_of(file: str, *assets: str) -> dg.ExecuteInProcessResult:
    """A run of some assets of a file, as Dagster's pages start it."""
    with runs.instance(Settings.load()) as instance:
        return (
            build_defs()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in assets],
                partition_key=file,
                raise_on_error=False,
            )
        )


def failed_runs() -> Sequence[dg.DagsterRun]:
    with runs.instance(Settings.load()) as instance:
        return instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))


def files(platform: Platform) -> dict[str, dict[str, Any]]:
    return {row["file"]: row for row in json.loads(platform.succeed("status", "--json"))["landed"]}


def failed(asset: str) -> set[str]:
    """The partitions that Dagster's pages show as failed."""
    return partitions(asset)[0]


def partitions(asset: str) -> tuple[set[str], set[str]]:
    """The partitions that Dagster's pages show as failed, and those of which something was materialized."""
    kind = CATALOGUE_FILES if asset == "raw_tracks" else LOG_FILES
    with runs.instance(Settings.load()) as instance:
        status = get_and_update_asset_status_cache_value(instance, dg.AssetKey(asset), kind)
        assert status is not None
        subsets = (
            status.deserialize_failed_partition_subsets(kind),
            status.deserialize_materialized_partition_subsets(kind),
        )
        bad, good = (set(subset.get_partition_keys()) for subset in subsets)
        return bad, good


def listed() -> str:
    """What people read there of the files that are held back."""
    return html.unescape(table_of_held_back())


def table_of_held_back() -> str:
    """What Dagster shows of them, in Markdown."""
    with runs.instance(Settings.load()) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(ASSET))
    assert event is not None
    assert event.asset_materialization is not None
    return str(event.asset_materialization.metadata["files"].value)


def version(platform: Platform, file: str) -> str:
    asset = "raw_tracks" if file.startswith("tracks") else "cleaned_events"
    return Lake(platform.home / "lake").latest(f"{asset}/{file}").name


def test_one_line_names_the_file_what_was_found_the_version_and_the_next_command(
    platform: Platform, said: list[str]
) -> None:
    assert len(said) == len(FOUND)
    for file, found in FOUND.items():
        [line] = [line for line in said if file in line]
        note = str(files(platform)[file]["note"])
        assert found in line
        assert line == f"spotify-graph: {file}: {note}"
    for file in (DIRTY, CATALOGUE):
        assert f"spotify-graph accept {version(platform, file)} --because" in str(files(platform)[file]["note"])
    assert "land it again" in str(files(platform)[UNREADABLE]["note"])


def test_its_partition_is_shown_as_failed_and_the_good_ones_are_not(platform: Platform, said: list[str]) -> None:
    assert partitions("raw_user_events") == ({UNREADABLE}, {"user_events_a.csv", DIRTY})
    assert partitions("cleaned_events") == ({UNREADABLE, DIRTY}, {"user_events_a.csv"})
    assert partitions("rejected_events") == ({UNREADABLE}, {"user_events_a.csv", DIRTY})
    assert partitions("raw_tracks") == ({CATALOGUE}, {"tracks.csv"})


def test_its_rejected_rows_can_be_browsed(platform: Platform, said: list[str]) -> None:
    for file, count in {DIRTY: 56, CATALOGUE: 2}.items():
        assert len(json.loads(platform.succeed("rejects", "--file", file, "--json"))) == count


def test_its_checks_are_its_partitions_and_name_it(platform: Platform, said: list[str]) -> None:
    for asset, gate, file in (
        ("cleaned_events", "rejected_share", DIRTY),
        ("raw_tracks", "rejected_share", CATALOGUE),
        ("raw_user_events", "file_readable", UNREADABLE),
    ):
        key = dg.AssetCheckKey(dg.AssetKey(asset), gate)
        with runs.instance(Settings.load()) as instance:
            records = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        found = [record.evaluation for record in records]
        evaluations = {it.partition: it for it in found if isinstance(it, dg.AssetCheckEvaluation)}
        assert not evaluations[file].passed
        assert str(evaluations[file].description).startswith(f"{file}: ")
        assert FOUND[file] in str(evaluations[file].description)
        assert "<b>" not in str(evaluations[file].description), "what a file holds is no markup"
        good = "tracks.csv" if asset == "raw_tracks" else "user_events_a.csv"
        assert evaluations[good].passed


def test_the_steps_own_error_and_the_failure_record_are_that_sentence(platform: Platform, said: list[str]) -> None:
    settings, sentences = Settings.load(), {file: f"{file}: {files(platform)[file]['note']}" for file in FOUND}
    news = failures.News(settings)
    with runs.instance(settings) as instance:
        for run in failed_runs():
            [step, ended] = [
                check.not_none(entry.dagster_event)
                for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE)
                for entry in instance.all_logs(run.run_id, of_type=kind)
            ]
            sentence = sentences[run.tags["dagster/partition"]]
            assert check.not_none(step.step_failure_data.error).message.strip().endswith(f"FileRefused: {sentence}")
            record = failures.record_of(run, None, ended, [step], [], settings)
            assert [it["error"] for it in record["steps"]] == [sentence]
            failures.keep(record, settings)
    told = news()
    assert len(told) == len(FOUND)
    assert all(any(line.endswith(sentence) for line in told) for sentence in sentences.values())


def test_one_place_lists_every_file_that_is_held_back_and_how_it_gets_in(platform: Platform, said: list[str]) -> None:
    table = listed()
    for file, found in FOUND.items():
        [row] = [row for row in table.splitlines() if row.startswith(f"| {file} | refused | ")]
        assert found in row
    assert f"spotify-graph accept {version(platform, DIRTY)} --because" in table
    assert "<b>" not in table_of_held_back(), "what a file holds is no markup"
    assert "user_events_a.csv" not in table


def test_a_second_look_says_the_same_and_takes_nothing_in_again(platform: Platform, said: list[str]) -> None:
    result = platform.run("materialize", "--select", TAKEN_IN)
    lines = [line for line in result.stderr.splitlines() if line.startswith("spotify-graph: ")]
    assert (result.exit_code, sorted(lines)) == (1, sorted(said))
    assert "raw_user_events" not in result.stderr


def test_it_is_accepted_by_its_name_turns_green_and_is_listed_no_more(platform: Platform, said: list[str]) -> None:
    for name, words in {UNREADABLE: "land it again", "user_events_a.csv": "is not refused", "no.csv": "status"}.items():
        with pytest.raises(UserError, match=words):
            runs.accept(Settings.load(), name, "why not", print)
    assert len(failed_runs()) == len(FOUND), "what is mistyped is no failed run"
    for file in (DIRTY, CATALOGUE):
        runs.accept(Settings.load(), file, "the partner confirmed it", print)
        assert files(platform)[file]["state"] == "accepted"
        assert file not in listed()
    assert failed("cleaned_events") == {UNREADABLE}
    assert failed("raw_tracks") == set()


def test_a_corrected_file_turns_green_and_is_listed_no_more(platform: Platform, said: list[str]) -> None:
    platform.land(UNREADABLE, EVENTS, *plays(1))
    assert problems(platform, 0) == []
    assert partitions("cleaned_events") == (set(), {"user_events_a.csv", DIRTY, UNREADABLE})
    assert listed() == "No file is held back."


def test_a_refused_replacement_is_shown_as_failed_though_the_last_good_content_stays(
    platform: Platform, said: list[str]
) -> None:
    platform.land("user_events_a.csv", EVENTS, *plays(5), ",,,,,")
    [line] = problems(platform, 1)
    assert "1 of 6 rows rejected" in line
    assert failed("cleaned_events") == {"user_events_a.csv"}
    file = files(platform)["user_events_a.csv"]
    assert (file["state"], file["in_graph"]) == ("refused", 5)
    platform.land("user_events_a.csv", EVENTS, *plays(5))
    assert problems(platform, 0) == []
    assert failed("cleaned_events") == set()


def test_an_unexpected_error_is_recorded_with_the_file_and_tried_again(platform: Platform, said: list[str]) -> None:
    platform.land("user_events_b.csv", EVENTS, *plays(2))
    lake = platform.home / "lake"
    in_the_way = lake / "raw_user_events" / "user_events_b.csv"
    in_the_way.write_text("a file where a folder should be")
    [line] = problems(platform, 1)
    assert line.startswith("spotify-graph: raw_user_events, user_events_b.csv: [Errno ")
    file = files(platform)["user_events_b.csv"]
    assert (file["state"], file["rows"]) == ("failed", None)
    with runs.instance(Settings.load()) as instance:
        [run] = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "user_events_b.csv"}))
    assert run.run_id in str(file["note"])
    assert str(file["note"]) in listed()

    in_the_way.unlink()
    assert run_of("user_events_b.csv", "raw_user_events").success
    [part] = in_the_way.glob("*/*.parquet")
    part.write_bytes(b"no Parquet at all")
    assert not run_of("user_events_b.csv", "cleaned_events", "rejected_events").success
    note = str(files(platform)["user_events_b.csv"]["note"])
    assert "is not a Parquet file" in note
    assert "An error occurred while calling" not in note
    assert problems(platform, 0) == []
    assert files(platform)["user_events_b.csv"]["state"] == "passed"
    assert listed() == "No file is held back."
