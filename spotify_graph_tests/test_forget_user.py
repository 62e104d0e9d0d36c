"""`spotify-graph forget --user`: a person leaves lake, rejects, graph, imports, history and logs, and stays out."""

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spotify_graph import runs
from spotify_graph.automation.partitions import CATALOGUE_FILES, LOG_FILES
from spotify_graph.care import forgetting
from spotify_graph.definitions import build_defs
from spotify_graph.errors import UserError
from spotify_graph.lake import people
from spotify_graph.lake.lake import Lake
from spotify_graph.lake.people import Leaving
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests.emptied import empty
from spotify_graph_tests.few_plays import HEADER, PLAYS, TRACKS, event
from spotify_graph_tests.histories import endsong, zipped
from spotify_graph_tests.platform import Platform, installed, without_a_graph

GONE = "zoë-Q7x/9"
OTHERS = [event(*pair, "play") for pair in PLAYS]
THEIRS = [event(GONE, "t1", "play"), event(f" {GONE} ", "t9", "like"), event(GONE, "t0", "skip")]
BAD = [f"{GONE},t0,hum,2026-01-01,s,web", f'too,many,"{GONE}",fields,here,and,there']
SELECTED = "not (group:evaluation or group:recommendations)"
DAY = "2024-03-01T12:00:00Z"


def graph(platform: Platform) -> list[dict[str, Any]]:
    """Every node with its relationships, but for the ledger."""
    return platform.ask(
        "MATCH (n) WHERE NOT n:_Publication RETURN labels(n) AS labels, properties(n) AS properties,"
        " COLLECT { MATCH (n)-[r]->(m) RETURN [type(r), properties(r), properties(m)] ORDER BY type(r),"
        " coalesce(m.track_id, m.user_id, m.name) } AS relationships"
        " ORDER BY labels, coalesce(n.track_id, n.user_id, n.name)"
    )


def traced(folder: Path, *words: str) -> list[str]:
    """The files of a home that hold a word, read otherwise than the platform does; landed files are left out."""
    found, words = [], (*words, *(json.dumps(word).strip('"') for word in words))
    for path in folder.rglob("*"):
        if not path.is_file() or {"landing", "exports"} & set(path.parts):
            continue
        content = path.read_bytes()
        texts = [content.decode(errors="replace")]
        if path.suffix == ".parquet":
            texts.append(str(pq.read_table(path).to_pydict()))
        if path.suffix == ".arrow":
            texts.append(str(pa.ipc.open_file(str(path)).read_all().to_pydict()))
        if any(word in text for word in words for text in (*texts, str(path))):
            found.append(str(path.relative_to(folder)))
    return sorted(found)


def land(platform: Platform, *more: str) -> None:
    platform.land("tracks.csv", *TRACKS)
    platform.land("user_events_1.csv", HEADER, *OTHERS, *more)
    platform.land("user_events_2.csv", HEADER, event("u0", "t0", "like"), *more[:1])


@pytest.fixture
def platform(tmp_path: Path, local_neo4j: LocalNeo4j, clean_graph: Any) -> Iterator[Platform]:
    with installed(tmp_path / "home", local_neo4j, clean_graph, stale_warn_hours=1e9, rejected_error=1.0) as platform:
        yield platform


def command(*arguments: str, dies_at: str = "") -> "subprocess.CompletedProcess[str]":
    """Runs the command in a process of its own, which is killed when it gets to a function."""
    module, _, function = dies_at.rpartition(".")
    kill = f"import {module}; {module}.{function} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL);"
    program = (
        f"import os, signal, sys; {kill if dies_at else ''} from spotify_graph.cli import main; main(sys.argv[1:])"
    )
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def test_a_person_is_nowhere_any_more_also_where_the_process_was_killed_and_the_graph_is_as_if_they_had_never_been(
    platform: Platform,
) -> None:
    land(platform, *THEIRS, *BAD)
    assert platform.refresh().exit_code == 0
    # A change on top, which holds old values beside new ones.
    platform.land("user_events_3.csv", HEADER, event(GONE, "t1", "play"), event("u2", "t0", "play"))
    assert platform.refresh().exit_code == 0
    # Pages name nobody, but somebody may write a name there.
    with runs.instance(Settings.load()) as instance:
        instance.report_runless_asset_event(dg.AssetObservation("user_nodes", metadata={"asked about": GONE}))
    assert {path.split("/")[0] for path in traced(platform.home, GONE)} == {"lake", "dagster"}
    before = graph(platform)
    old = tuple(path for path in traced(platform.home, GONE) if path.endswith(".parquet"))
    assert old

    # One version of a file is written anew, and not named yet; then all is published, and old versions are there yet.
    lake = Lake(platform.home / "lake")
    assert command("forget", "--user", GONE, dies_at="spotify_graph.lake.removal._count_anew").returncode == -9
    [leaving] = people.leaving(lake.root)
    assert leaving.user_id == GONE
    killed = command("materialize", "--select", SELECTED, dies_at="spotify_graph.care.forgetting._purge")
    assert killed.returncode == -9
    assert "completing that first" in killed.stderr
    assert set(old) <= set(traced(platform.home, GONE))
    result = platform.refresh()
    assert result.exit_code == 0, result.output

    assert "stays as it is" in result.stderr
    assert traced(platform.home, GONE) == []
    assert people.leaving(lake.root) == []
    assert list(people.read(lake.root).forgotten) == [people.read(lake.root).hashed(GONE)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in (lake.root / people.FOLDER).iterdir()} == {0o600}
    after = graph(platform)

    # The files lie there still: neither a run nor one that reads them anew brings the person back.
    platform.land("user_events_1.csv", HEADER, *BAD, *OTHERS, *THEIRS)
    assert platform.refresh().exit_code == 0
    assert graph(platform) == after
    assert traced(platform.home, GONE) == []
    files = {file["file"]: file for file in json.loads(platform.succeed("status", "--json"))["landed"]}
    assert (files["user_events_1.csv"]["state"], files["user_events_1.csv"]["rows"]) == ("passed", len(OTHERS))

    # Who is let back is read again from the files that lie there.
    told = json.loads(platform.succeed("forget", "--user", GONE, "--undo", "--json"))
    assert told["files"] == ["user_events_1.csv", "user_events_2.csv", "user_events_3.csv"]
    assert platform.refresh().exit_code == 0
    assert graph(platform) == before

    shutil.rmtree(platform.home)
    empty(platform.driver)
    land(platform)
    platform.land("user_events_3.csv", HEADER, event("u2", "t0", "play"))
    assert platform.refresh().exit_code == 0
    assert graph(platform) == after


def test_a_person_whose_history_was_imported_leaves_with_it_and_comes_back_only_on_purpose(platform: Platform) -> None:
    exports = platform.home / "exports"
    for name, track in {"ann-of-7": 1, "bob": 2}.items():
        zipped(exports / name / "my_spotify_data.zip", {"MyData/endsong_0.json": [endsong(DAY, track=track)]})
    platform.land("tracks.csv", *TRACKS)
    assert platform.refresh().exit_code == 0
    assert "ann-of-7" in str(traced(platform.home, "ann-of-7"))

    told = json.loads(platform.succeed("forget", "--user", "ann-of-7", "--json"))

    assert (told["complete"], told["events"]) == (True, 1)
    assert traced(platform.home, "ann-of-7") == []
    assert not list(platform.landing.glob("*ann*"))
    assert [Path(file).name for file in told["sources"]] == []
    assert [row["id"] for row in platform.ask("MATCH (u:User) RETURN u.user_id AS id")] == ["bob"]
    refused = platform.run("import", str(exports / "ann-of-7"))
    assert refused.exit_code == 1
    assert "forgotten on purpose" in refused.stderr
    assert platform.refresh().exit_code == 0

    platform.succeed("forget", "--user", "ann-of-7", "--undo")
    platform.succeed("import", str(exports / "ann-of-7"))
    assert platform.refresh().exit_code == 0
    assert len(platform.ask("MATCH (u:User) RETURN u")) == 2


def test_what_is_wrong_with_a_request_to_forget_is_one_clear_line(platform: Platform) -> None:
    land(platform)
    for arguments, code, line in (
        (("--user", "nobody"), 1, "there is nothing of a user nobody in "),
        (("--user", " u0"), 2, "' u0' is no user's id"),
        (("--user", "nobody", "--undo"), 1, "no user nobody was forgotten here"),
        (("--undo",), 2, "forget a FILE, or --user USER_ID"),
        (("user_events_1.csv", "--user", "u0"), 2, "forget a FILE, or --user USER_ID"),
        (("user_events_1.csv", "--undo"), 2, "belong to --user"),
    ):
        result = platform.run("forget", *arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (code, 1)
        assert line in result.stderr


def test_who_was_forgotten_since_a_backup_is_found_in_it_and_kept_out_again(tmp_path: Path) -> None:
    with without_a_graph(tmp_path / "home") as platform:
        land(platform, *THEIRS)
        assert platform.run("materialize", "--select", "+cleaned_events").exit_code == 0
        restored, lake = Lake(platform.home / "lake"), Lake(tmp_path / "before")
        people.begin(lake.root, Leaving(GONE, "2026-01-01T00:00:00Z"))
        people.done(lake.root, GONE)
        assert forgetting.returned(restored) == []
        people.carry_over(lake.root, restored.root)
        assert forgetting.returned(restored) == [GONE]
        assert people.leaving(lake.root) == []


KEYS = ("a/../../../outside", "../outside", "/outside-of-all", "..")


def test_a_partition_key_cannot_leave_the_lake_whichever_asset_is_given_it(tmp_path: Path) -> None:
    with without_a_graph(tmp_path / "home" / "deep") as platform:
        land(platform)
        settings = Settings.load()
        assets = {"raw_tracks": CATALOGUE_FILES, "raw_user_events": LOG_FILES, "cleaned_events": LOG_FILES}
        with runs.instance(settings) as instance:
            job = build_defs().resolve_implicit_global_asset_job_def()
            for asset, files in assets.items():
                instance.add_dynamic_partitions(str(files.name), list(KEYS))
                # Assets that are computed together are selected together.
                names = [asset, "rejected_events"] if asset == "cleaned_events" else [asset]
                for key in KEYS:
                    done = job.execute_in_process(
                        instance=instance,
                        asset_selection=[dg.AssetKey(name) for name in names],
                        partition_key=key,
                        raise_on_error=False,
                    )
                    assert not done.success
        there = {path.name for path in (tmp_path, tmp_path / "home") for path in path.iterdir()}
        assert there == {"home", "deep"}
        for name in (it for key in KEYS for it in (f"raw_tracks/{key}", key)):
            with pytest.raises(UserError, match="is no entry of the lake"):
                Lake(settings.lake).write_table(name, pa.table({"a": [1]}))
