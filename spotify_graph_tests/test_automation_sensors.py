"""The sensors against a real Dagster instance and a real landing folder; the assets are stand-ins."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from spotify_graph import landing_folder
from spotify_graph.automation import orphans
from spotify_graph.automation.changes import AutomationAfterChanges
from spotify_graph.automation.landed import look
from spotify_graph.automation.sensors import SENSORS
from spotify_graph.automation.tags import CODE_TAG, DIGEST_TAG, FILE_TAG, HOST_TAG, PROCESS_TAG
from spotify_graph.lake.intake import ROWS, Intake, judging_code
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.verdicts import Finding, Verdict
from spotify_graph.lake.versions import Content, MadeFrom, Record
from spotify_graph.settings import Settings
from spotify_graph.storage import Address
from spotify_graph.transforms.landed_files import TRACKS, USER_EVENTS, LandedTable
from spotify_graph.transforms.landing import digest
from spotify_graph_tests.edited import an_edit  # noqa: F401 the fixture `edit`
from spotify_graph_tests.stand_ins import (
    definitions,
    requested,
)

FILE = "user_events_1.csv"


@dataclass
class Watch:
    """The sensor `new_log_files`, the folder that it watches, and what the daemon does about its ticks."""

    instance: dg.DagsterInstance
    settings: Settings
    cursor: str | None = None
    defs: dg.Definitions = field(default_factory=definitions)

    @property
    def landing(self) -> Path:
        return Path(self.settings.landing_address)

    def intake(self, table: LandedTable = USER_EVENTS) -> Intake:
        return Intake(Lake(self.settings.lake), table)

    @property
    def code(self) -> str:
        """Names the code that judges user events."""
        return judging_code(USER_EVENTS, self.settings)

    def land(self, name: str, text: str = "x") -> Path:
        file = self.landing / name
        file.write_text(text)
        return file

    def evaluate(self) -> Any:
        """A tick that leaves no trace, as when the daemon crashes before it has acted on it."""
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),  # as the daemon has it: partitions are looked up by it
            cursor=self.cursor,
            definitions=self.defs,
        )
        return self.defs.resolve_sensor_def("new_log_files").evaluate_tick(context)

    def tick(self) -> list[dg.RunRequest]:
        """A tick whose cursor and partitions are kept; the runs are left to the test."""
        found = self.evaluate()
        self.cursor = found.cursor
        for request in found.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        return list(found.run_requests or [])

    def settle(self) -> list[dg.RunRequest]:
        """Two ticks: whatever landed before them is stable in the second."""
        assert self.tick() == []
        return self.tick()

    def run(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """The run of a request, in this status."""
        ends = {
            dg.DagsterRunStatus.SUCCESS: dg.DagsterEventType.RUN_SUCCESS,
            dg.DagsterRunStatus.FAILURE: dg.DagsterEventType.RUN_FAILURE,
            dg.DagsterRunStatus.CANCELED: dg.DagsterEventType.RUN_CANCELED,
            dg.DagsterRunStatus.STARTED: dg.DagsterEventType.RUN_START,
        }
        created = status if status not in ends else dg.DagsterRunStatus.QUEUED
        tags = {**request.tags, "dagster/run_key": str(request.run_key), "dagster/sensor_name": "new_log_files"}
        run = requested(self.instance, self.defs, str(request.job_name), created, tags, request.run_config)
        if status in ends:
            self.instance.report_dagster_event(dg.DagsterEvent(ends[status].value, run.job_name), run.run_id)
        return run

    def take_in(self, request: dg.RunRequest, passed: bool = True) -> None:
        """A run that ends and whose file is in the lake, as the gates found it."""
        file = str(request.partition_key)
        table = TRACKS if request.job_name == "ingest_catalogue" else USER_EVENTS
        record = Record(
            made_from=MadeFrom(judging_code(table, self.settings)),
            content=Content(digest(self.landing / file), 1),
            verdict=Verdict((Finding("header", passed, True, "what was found"),)),
        )
        intake = self.intake(table)
        intake.record(file, intake.lake.write_nothing(f"{ROWS[table.name]}/{file}", record))
        self.run(request, dg.DagsterRunStatus.SUCCESS if passed else dg.DagsterRunStatus.FAILURE)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "home"))
    # As if what lands had lain there for a while.
    monkeypatch.setattr("spotify_graph.automation.digests.RACY_NS", -(10**9))
    settings = Settings.load()
    Path(settings.landing_address).mkdir(parents=True)
    return settings


@pytest.fixture
def watch(instance: dg.DagsterInstance, settings: Settings) -> Watch:
    return Watch(instance, settings)


def files(requests: Sequence[dg.RunRequest]) -> list[str | None]:
    return [request.partition_key for request in requests]


def test_every_sensor_runs_from_the_start_and_looks_as_often_as_somebody_waits_for_it() -> None:
    assert [sensor.name for sensor in SENSORS] == [
        *("new_log_files", "new_exports", "graph_automation", "run_failure", "platform_health")
    ]
    assert {sensor.default_status for sensor in SENSORS} == {dg.DefaultSensorStatus.RUNNING}
    assert {sensor.name: sensor.minimum_interval_seconds for sensor in SENSORS} == {
        "new_log_files": 4,
        "new_exports": 20,
        "graph_automation": 4,
        "run_failure": 20,
        "platform_health": 60,
    }


def test_the_automation_looks_at_every_asset() -> None:
    defs = definitions()
    sensor = defs.resolve_sensor_def("graph_automation")
    assert sensor.asset_selection is not None
    assert sensor.asset_selection.resolve(defs.resolve_asset_graph()) == set(defs.resolve_all_asset_keys())


def test_the_automation_evaluates_nothing_while_nothing_happens(instance: dg.DagsterInstance) -> None:
    defs, cursor = definitions(), None
    sensor = AutomationAfterChanges("x", target=dg.AssetSelection.all(), use_user_code_server=True)

    def tick() -> bool:
        """Whether the conditions were evaluated."""
        nonlocal cursor
        context = dg.build_sensor_context(instance, cursor=cursor, definitions=defs)
        found = sensor.evaluate_tick(context)
        cursor = found.cursor
        return found.skip_message != "nothing has happened"

    assert [tick() for _ in range(4)] == [True, True, False, False]
    instance.report_runless_asset_event(dg.AssetMaterialization("cleaned_tracks"))
    assert [tick() for _ in range(4)] == [True, True, False, False]
    dg.materialize([defs.get_assets_def("interactions")], instance=instance, raise_on_error=False)
    assert tick()


def test_a_code_location_has_the_sensor_that_evaluates_after_changes() -> None:
    sensor = definitions().get_repository_def().get_sensor_def("graph_automation")
    assert isinstance(sensor, AutomationAfterChanges)


def test_a_stable_file_of_each_kind_is_asked_for_once(watch: Watch) -> None:
    events, tracks = watch.land(FILE, "events"), watch.land("tracks.csv.gz", "tracks")
    requests = watch.settle()
    assert [(request.job_name, request.partition_key) for request in requests] == [
        ("ingest_catalogue", "tracks.csv.gz"),
        ("ingest_events", FILE),
    ]
    assert [request.run_key for request in requests] == [
        f"tracks.csv.gz@{digest(tracks)[:16]}/{judging_code(TRACKS, watch.settings)}#0",
        f"{FILE}@{digest(events)[:16]}/{watch.code}#0",
    ]
    assert requests[1].tags["spotify_graph/file"] == FILE
    assert requests[1].tags[DIGEST_TAG] == digest(events)
    assert watch.instance.get_dynamic_partitions("log_files") == [FILE]
    assert watch.instance.get_dynamic_partitions("catalogue_files") == ["tracks.csv.gz"]
    for request in requests:
        watch.take_in(request)
    assert watch.tick() == []


def test_a_file_that_grows_waits_and_the_reason_says_so(watch: Watch) -> None:
    watch.land(FILE, "x")
    watch.tick()
    watch.land(FILE, "xx")
    found = watch.evaluate()
    assert found.run_requests == []
    assert f"1 waiting to become stable: {FILE}" in found.skip_message
    assert str(watch.landing) in found.skip_message


def test_a_file_that_is_renamed_into_place_is_asked_for_at_the_first_look(watch: Watch) -> None:
    part = watch.land(f"{FILE}.part", "complete")
    os.utime(part, ns=(0, 0))
    assert watch.tick() == []
    part.rename(watch.landing / FILE)
    assert files(watch.tick()) == [FILE]


def test_a_replaced_file_is_found_by_its_content_whatever_its_times_say(watch: Watch) -> None:
    file = watch.land(FILE, "one")
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    watch.take_in(watch.settle()[0])
    os.utime(file, ns=(times[0], times[1] + 10**9))
    assert watch.settle() == [], "a new time, the same content"
    file.write_text("two")
    os.utime(file, ns=times)
    (request,) = watch.settle()
    assert request.tags[DIGEST_TAG] == digest(file)
    watch.take_in(request)
    file.write_text("one")
    os.utime(file, ns=(0, 0))
    (again,) = watch.settle()
    assert again.run_key == f"{FILE}@{digest(file)[:16]}/{watch.code}#1", (
        "the first content again: its first key is used up"
    )


def test_a_file_is_read_again_only_when_something_about_it_changed(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def counted(folder: Address, path: str, *, lasting: bool = False) -> str:
        read.append(path)
        return landing_folder.digest(folder, path, lasting=lasting)

    monkeypatch.setattr("spotify_graph.automation.digests.digest", counted)
    file = watch.land(FILE)
    watch.take_in(watch.settle()[0])
    assert watch.settle() == []
    assert read == [FILE]
    assert [landed.name for landed in look(watch.settings)] == [FILE]
    assert read == [FILE], "the command knows what the sensor does"
    os.utime(file, ns=(0, 0))
    look(watch.settings)
    assert watch.settle() == []
    assert read == [FILE, FILE]


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS]
)
def test_a_tick_that_is_repeated_after_a_crash_doubles_no_run(watch: Watch, status: dg.DagsterRunStatus) -> None:
    watch.land(FILE)
    watch.tick()
    (request,) = watch.evaluate().run_requests
    if status == dg.DagsterRunStatus.SUCCESS:
        watch.take_in(request)
    else:
        watch.run(request, status)
    assert watch.tick() == []


def test_a_tick_that_is_repeated_before_any_run_was_made_asks_for_the_same_run(watch: Watch) -> None:
    watch.land(FILE)
    watch.tick()
    first, second = watch.evaluate().run_requests, watch.evaluate().run_requests
    assert first[0].run_key == second[0].run_key
    # Created and never launched: Dagster launches a run that has the key and was not started.
    watch.run(first[0], dg.DagsterRunStatus.NOT_STARTED)
    assert [request.run_key for request in watch.tick()] == [first[0].run_key]


def test_a_run_in_flight_is_waited_for_when_its_file_is_replaced(watch: Watch) -> None:
    watch.land(FILE, "one")
    (request,) = watch.settle()
    run = watch.run(request, dg.DagsterRunStatus.QUEUED)
    watch.land(FILE, "two")
    assert watch.settle() == []
    watch.instance.report_run_canceled(run)
    (second,) = watch.tick()
    assert second.tags[DIGEST_TAG] == digest(watch.landing / FILE)


@pytest.mark.parametrize(
    ("died", "host", "asked"), [(False, None, []), (True, None, [FILE]), (True, "another machine", [])]
)
def test_a_run_of_the_command_is_waited_for_like_one_of_the_sensor_unless_its_process_was_killed(
    watch: Watch, died: bool, host: str | None, asked: list[str]
) -> None:
    watch.land(FILE)
    watch.tick()
    tags = {FILE_TAG: FILE, DIGEST_TAG: digest(watch.landing / FILE), CODE_TAG: watch.code}
    tags |= orphans.tags_of_this_process() | ({HOST_TAG: host} if host else {})
    # A process of the same number that began at another time.
    tags |= {PROCESS_TAG: f"{os.getpid()}:0.0"} if died else {}
    watch.instance.add_run(dg.DagsterRun("job", tags=tags, status=dg.DagsterRunStatus.STARTED))
    requests = watch.evaluate().run_requests
    assert files(requests) == asked
    assert all(str(request.run_key).endswith("#1") for request in requests), "what the command tried counts"


def test_a_failed_run_is_repeated_under_another_key_three_times_in_all(watch: Watch) -> None:
    watch.land(FILE)
    requests = watch.settle()
    keys = []
    for status in [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE]:
        keys += [request.run_key for request in requests]
        watch.run(requests[0], status)
        requests = watch.tick()
    content = digest(watch.landing / FILE)[:16]
    assert keys == [f"{FILE}@{content}/{watch.code}#{attempt}" for attempt in range(3)]
    assert requests == []
    message = watch.evaluate().skip_message
    assert "1 given up" in message
    assert "spotify-graph materialize" in message
    watch.land(FILE, "corrected")
    assert files(watch.settle()) == [FILE]


def test_a_key_that_is_left_in_a_history_purged_in_part_is_not_used_again(watch: Watch) -> None:
    watch.land(FILE)
    (request,) = watch.settle()
    first = watch.run(request, dg.DagsterRunStatus.FAILURE)
    (request,) = watch.tick()
    watch.run(request, dg.DagsterRunStatus.FAILURE)
    watch.instance.delete_run(first.run_id)
    (request,) = watch.tick()
    assert str(request.run_key).endswith("#2")


def test_a_purged_run_history_loses_and_doubles_nothing(watch: Watch) -> None:
    watch.land(FILE)
    watch.land("user_events_2.csv", "another")
    first, second = watch.settle()
    watch.take_in(first)
    watch.run(second, dg.DagsterRunStatus.FAILURE)
    for run in watch.instance.get_runs():
        watch.instance.delete_run(run.run_id)
    watch.cursor = None
    assert files(watch.tick()) == ["user_events_2.csv"]


def test_a_refused_file_is_not_tried_again_until_its_content_changes(watch: Watch) -> None:
    watch.land(FILE, "bad")
    (request,) = watch.settle()
    watch.take_in(request, passed=False)
    assert watch.settle() == []
    watch.land(FILE, "corrected")
    assert files(watch.settle()) == [FILE]


def test_a_changed_rule_has_known_files_taken_in_again_also_those_that_left_and_those_that_were_given_up(
    watch: Watch, edit: Callable[[str], None]
) -> None:
    names = [FILE, "user_events_given_up.csv", "user_events_left.csv", "user_events_refused.csv"]
    kept, given_up, left, refused = (watch.land(name, name) for name in names)
    for request in watch.settle():
        if request.partition_key == given_up.name:
            for _ in range(3):
                watch.run(request, dg.DagsterRunStatus.FAILURE)
        else:
            watch.take_in(request, passed=request.partition_key != refused.name)
    lake, entry = Lake(watch.settings.lake), f"raw_user_events/{left.name}"
    lake.put({entry: lake.write_stream(entry, pa.table({"line": [2]}).to_reader())})
    left.unlink()
    assert watch.settle() == []
    edit("spotify_graph.transforms.cleaning")
    requests = watch.tick()
    assert files(requests) == names
    assert {request.tags[CODE_TAG] for request in requests} == {watch.code}
    assert all(str(request.run_key).endswith(f"/{watch.code}#0") for request in requests)
    watch.run(requests[0], dg.DagsterRunStatus.QUEUED)
    left.write_text(left.name)
    for request in requests[1:]:
        watch.take_in(request)
    assert watch.settle() == []
    assert kept.exists()


def test_a_file_that_left_and_is_not_in_the_lake_is_not_asked_for(watch: Watch, edit: Callable[[str], None]) -> None:
    file = watch.land(FILE)
    watch.take_in(watch.settle()[0])
    file.unlink()
    watch.land("user_events_2.csv.part")
    edit("spotify_graph.transforms.cleaning")
    assert watch.settle() == []


def test_a_forgotten_file_stays_out_until_its_content_has_left_the_landing_folder(watch: Watch) -> None:
    file = watch.land(FILE)
    watch.take_in(watch.settle()[0])
    watch.intake().forget(FILE)
    assert watch.settle() == []
    os.utime(file, ns=(0, 0))
    assert watch.settle() == []
    watch.land("another.csv.part")
    file.rename(watch.settings.home / FILE)
    assert watch.settle() == []
    (watch.settings.home / FILE).rename(file)
    assert files(watch.settle()) == [FILE]


def test_an_empty_folder_releases_nothing_because_a_disk_may_not_be_mounted(watch: Watch) -> None:
    file = watch.land(FILE)
    watch.take_in(watch.settle()[0])
    watch.intake().forget(FILE)
    file.rename(watch.settings.home / FILE)
    watch.settle()
    (watch.settings.home / FILE).rename(file)
    assert watch.settle() == []


def land_many(watch: Watch, count: int, first: int = 0) -> list[str]:
    names = [f"user_events_{number:02}.csv" for number in range(first, first + count)]
    for name in names:
        watch.land(name, name)
    return names


def taken_in_by(request: dg.RunRequest) -> list[str]:
    """The files that a run of many is asked to take in."""
    assert request.job_name == "ingest_many"
    names: list[str] = request.run_config["ops"]["take_in_files"]["config"]["files"]
    return names


def test_a_backlog_is_asked_for_by_one_run_and_what_lands_meanwhile_by_the_next(watch: Watch) -> None:
    first, second = land_many(watch, 30), land_many(watch, 10, first=30)
    for name in second:
        (watch.landing / name).rename(watch.settings.home / name)
    (request,) = watch.settle()
    assert taken_in_by(request) == first
    assert watch.instance.get_dynamic_partitions("log_files") == first
    run = watch.run(request, dg.DagsterRunStatus.QUEUED)
    for name in second:
        (watch.settings.home / name).rename(watch.landing / name)
    assert watch.settle() == []
    watch.instance.report_run_canceled(run)
    (request,) = watch.tick()
    assert taken_in_by(request) == [*first, *second]


def test_a_run_of_many_that_is_repeated_before_any_was_made_is_the_same_run(watch: Watch) -> None:
    land_many(watch, 10)
    watch.tick()
    first, second = watch.evaluate().run_requests[0], watch.evaluate().run_requests[0]
    assert first.run_key == second.run_key
    watch.run(first, dg.DagsterRunStatus.STARTED)
    assert watch.tick() == []


def test_what_a_run_of_many_left_out_is_asked_for_alone_and_counts_no_failure(watch: Watch) -> None:
    first, *rest = land_many(watch, 6)
    (request,) = watch.settle()
    for name in rest:
        watch.take_in(dg.RunRequest(run_key=name, job_name="ingest_events", partition_key=name))
    watch.run(request, dg.DagsterRunStatus.SUCCESS)
    for attempt in (1, 2, 3):
        (alone,) = watch.tick()
        assert (alone.job_name, alone.partition_key) == ("ingest_events", first)
        assert str(alone.run_key).endswith(f"#{attempt}")
        watch.run(alone, dg.DagsterRunStatus.FAILURE)
    assert watch.tick() == []


def test_runs_of_many_that_are_cut_short_are_repeated_and_each_file_is_alone_in_the_end(watch: Watch) -> None:
    names = land_many(watch, 6)
    keys = set()
    requests = watch.settle()
    for status in [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE]:
        (request,) = requests
        assert taken_in_by(request) == names
        keys.add(request.run_key)
        watch.run(request, status)
        requests = watch.tick()
    assert len(keys) == 3
    assert files(requests) == names, "none is given up: each has a run of its own now"


@pytest.mark.parametrize("cursor", ["", "{", "1700000000.0", '{"files": {"a": 1}}', "null"])
def test_a_cursor_that_is_garbled_or_old_is_as_none(watch: Watch, cursor: str) -> None:
    watch.land(FILE)
    watch.cursor = cursor
    assert files(watch.settle()) == [FILE]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1]", "7", '{"user_events_1.csv": [1, 2]}', '{"user_events_1.csv": 7}']
)
def test_digests_that_are_garbled_are_computed_again(watch: Watch, text: str) -> None:
    (watch.settings.home / "landing_digests.json").write_text(text)
    watch.land(FILE)
    assert files(watch.settle()) == [FILE]


def test_the_cursor_does_not_grow_with_the_files_that_are_known(watch: Watch) -> None:
    for number in range(20):
        watch.land(f"user_events_{number}.csv", str(number))
    watch.land("user_events_new.csv.part")
    (request,) = watch.settle()
    for name in taken_in_by(request):
        watch.take_in(dg.RunRequest(run_key=name, job_name="ingest_events", partition_key=name))
    watch.tick()
    assert list(json.loads(str(watch.cursor))["looks"]) == ["user_events_new.csv.part"]


def test_a_landing_folder_that_is_missing_is_never_taken_for_empty(watch: Watch) -> None:
    watch.land(FILE)
    watch.take_in(watch.settle()[0])
    watch.intake().forget(FILE)
    watch.landing.rename(watch.settings.home / "elsewhere")
    found = watch.evaluate()
    assert found.run_requests == []
    assert found.cursor == watch.cursor
    assert all(words in found.skip_message for words in [str(watch.landing), "No such file", "SPOTIFY_GRAPH_LANDING"])
    assert list(watch.intake().forgotten()) == [FILE]


def test_what_cannot_be_taken_in_is_said_and_logged_and_holds_nothing_up(
    watch: Watch, capfd: pytest.CaptureFixture[str]
) -> None:
    watch.land("user_events 1.csv")
    watch.land("README.txt")
    os.mkfifo(watch.landing / "user_events_pipe.csv")
    (watch.landing / "tracks_broken.csv").symlink_to(watch.landing / "nothing")
    (watch.landing / "user_events_folder.csv").symlink_to(watch.landing, target_is_directory=True)
    (watch.landing / "empty").mkdir()
    (watch.landing / "2024" / "05").mkdir(parents=True)
    watch.land("2024/05/events_1.csv")
    message = watch.evaluate().skip_message
    for words in [
        "1 refused: user_events 1.csv (rename it",
        "2 no log files: README.txt (rename it: what is taken in is tracks*.csv and user_events*.csv",
        "2024/ (rename what is to be taken in (05/events_1.csv), or a folder that it is in, to tracks*.csv",
    ]:
        assert words in message
    assert "empty" not in message
    assert capfd.readouterr().err.count("is not taken in") == 1
    watch.land(FILE)
    # The run of what can't be read refuses it, as for the command.
    assert files(watch.settle()) == ["tracks_broken.csv", FILE, "user_events_folder.csv", "user_events_pipe.csv"]


def test_a_file_that_vanishes_before_it_is_read_is_no_error(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    file = watch.land(FILE)
    watch.land("user_events_2.csv", "stays")
    watch.tick()

    def vanishes(folder: Address, path: str, *, lasting: bool = False) -> str:
        file.unlink(missing_ok=True)
        return landing_folder.digest(folder, path, lasting=lasting)

    monkeypatch.setattr("spotify_graph.automation.digests.digest", vanishes)
    assert files(watch.tick()) == ["user_events_2.csv"]


def test_a_file_that_is_written_to_while_it_is_read_waits(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    file = watch.land(FILE, "x")
    watch.tick()

    def grows(folder: Address, path: str, *, lasting: bool = False) -> str:
        computed = landing_folder.digest(folder, path, lasting=lasting)
        if file.read_text() == "x":
            file.write_text("longer")
        return computed

    monkeypatch.setattr("spotify_graph.automation.digests.digest", grows)
    assert watch.tick() == []
    (request,) = watch.settle()
    assert request.tags[DIGEST_TAG] == digest(file)


def test_more_than_can_be_hashed_at_one_look_is_left_to_the_next(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spotify_graph.automation.landed.HASHED_BYTES", 10)
    for number in range(3):
        watch.land(f"user_events_{number}.csv", f"{number}" * 8)
    (request,) = watch.settle()
    assert request.partition_key == "user_events_0.csv"
    watch.run(request, dg.DagsterRunStatus.QUEUED)
    assert files(watch.tick()) == ["user_events_1.csv"]
