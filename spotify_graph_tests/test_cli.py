"""What the command says when something is wrong: one line that names the culprit, and the promised exit code."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from neo4j import Driver

from spotify_graph.cli import main
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph_tests.spelling import misspelt

pytestmark = pytest.mark.usefixtures("new_home")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def fails_with_one_line(result: Result, *expected: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for part in expected:
        assert part in lines[0]


def landed(home: Path) -> None:
    result = run("generate", "--tracks", "3", "--users", "2", "--events", "10")
    assert result.exit_code == 0, result.output
    assert (home / "landing" / "tracks.csv").exists()


def test_materialize_without_a_landing_folder_says_where_it_looked_and_writes_nothing(new_home: Path) -> None:
    fails_with_one_line(run("materialize"), str(new_home / "landing"), "SPOTIFY_GRAPH_LANDING", "generate")
    assert not (new_home / "lake").exists()
    assert not (new_home / "neo4j").exists()


def test_materialize_with_an_empty_landing_folder_says_what_is_missing(new_home: Path) -> None:
    (new_home / "landing").mkdir(parents=True)
    fails_with_one_line(run("materialize"), "tracks*.csv", str(new_home / "landing"))


def test_materialize_where_nothing_lies_that_can_be_taken_in_names_what_lies_there(new_home: Path) -> None:
    (new_home / "landing" / "2024").mkdir(parents=True)
    for name in ("events.csv", "2024/events.csv", "user_events.zip", "user_events.csv.part"):
        (new_home / "landing" / name).write_text("x")
    fails_with_one_line(
        run("materialize"),
        "events.csv is not taken in: rename it",
        "2024/ is not taken in: rename what is to be taken in (events.csv), or a folder that it is in",
        "user_events.zip is not taken in: unpack it",
    )


def test_a_server_that_does_not_answer_is_named(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landed(new_home)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        uri = f"bolt://127.0.0.1:{reserved.getsockname()[1]}"
        monkeypatch.setenv("NEO4J_URI", uri)
        fails_with_one_line(run("materialize"), uri, "NEO4J_URI")
    assert not (new_home / "lake").exists()


def test_a_wrong_password_is_said_without_the_password(
    new_home: Path, local_neo4j: LocalNeo4j, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed(new_home)
    monkeypatch.setenv("NEO4J_URI", str(local_neo4j.status().uri))
    monkeypatch.setenv("NEO4J_PASSWORD", "not-the-password")
    result = run("materialize")
    fails_with_one_line(result, "NEO4J_PASSWORD")
    assert "not-the-password" not in result.output


def test_a_uri_that_is_none_is_named(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landed(new_home)
    monkeypatch.setenv("NEO4J_URI", "localhost")
    fails_with_one_line(run("materialize"), "NEO4J_URI")


def test_a_uri_with_a_password_in_it_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_URI", "bolt://neo4j:hunter2@127.0.0.1:7687")
    result = run("materialize")
    fails_with_one_line(result, "NEO4J_URI", "NEO4J_PASSWORD")
    assert "hunter2" not in result.output


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file where the folder should be: unlike a mode, it stops root too.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPOTIFY_GRAPH_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "file" / "dagster"))
    for command in (["generate"], ["neo4j", "start"], ["demo"]):
        fails_with_one_line(run(*command), str(tmp_path / "file"))


def test_a_selection_that_is_not_valid_is_quoted(new_home: Path) -> None:
    landed(new_home)
    fails_with_one_line(run("materialize", "--select", "++"), "--select", "'++'", code=2)
    fails_with_one_line(run("materialize", "--select", "no_such_asset"), "no_such_asset", code=2)


def test_generate_does_not_overwrite_logs_unless_told_to(new_home: Path) -> None:
    landed(new_home)
    before = (new_home / "landing" / "tracks.csv").read_bytes()
    fails_with_one_line(run("generate", "--seed", "2"), "tracks.csv", "--overwrite")
    assert (new_home / "landing" / "tracks.csv").read_bytes() == before
    assert run("generate", "--tracks", "3", "--events", "10", "--seed", "2", "--overwrite").exit_code == 0
    assert (new_home / "landing" / "tracks.csv").read_bytes() != before


def test_what_click_takes_for_wrong_usage_exits_with_2() -> None:
    assert run("materialise").exit_code == 2
    assert run("generate", "--tracks", "many").exit_code == 2
    assert run("recommend").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["query"], "--list"),
        (["query", "top_liked_track"], "top_liked_tracks"),
        (["query", "top_liked_tracks"], "user_id"),
        (["query", "top_liked_tracks", "-p", "novalue"], "K=V"),
        (["query", "top_liked_tracks", "-p", "user=u"], "user_id"),
        (["query", "top_liked_tracks", "-p", "user_id=u", "-p", "limit=abc"], "'abc'"),
        (["query", "top_liked_tracks", "-p", "user_id=u", "-p", "user_id=v"], "twice"),
        (["rejects", "--reason", "bad_luck"], "bad_event_ts"),
        (["materialize", "--rebuild", "--select", "played_edges"], "whole graph"),
    ],
)
def test_wrong_usage_exits_with_2_and_is_named_in_one_line(new_home: Path, arguments: list[str], named: str) -> None:
    landed(new_home)
    fails_with_one_line(run(*arguments), named, code=2)
    assert not (new_home / "neo4j").exists()


def test_queries_are_listed_as_json_with_their_parameters() -> None:
    result = run("query", "--list", "--json")
    listed = {row["query"]: row["parameters"] for row in json.loads(result.stdout)}
    assert "user_id" in listed["top_liked_tracks"]


def test_the_local_server_says_as_json_that_it_is_not_running() -> None:
    result = run("neo4j", "status", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["running"] is False
    assert misspelt(json.loads(result.stdout)) is None


def test_managing_the_local_server_is_refused_where_another_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_URI", "bolt://127.0.0.1:1")
    fails_with_one_line(run("neo4j", "start"), "NEO4J_URI")


def test_status_of_a_new_installation_lists_every_asset_and_nothing_landed() -> None:
    result = run("status", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["landed"] == []
    assert {row["asset"] for row in report["assets"]} >= {"raw_tracks", "played_edges"}
    assert all(row["at"] is None for row in report["assets"])


def test_rejects_before_anything_is_cleaned_says_what_to_run() -> None:
    fails_with_one_line(run("rejects"), "spotify-graph materialize")


def test_debug_shows_the_traceback(new_home: Path) -> None:
    result = run("materialize", "--debug")
    assert result.exception is not None
    assert not isinstance(result.exception, SystemExit)


@pytest.fixture
def connected(clean_graph: Driver, local_neo4j: LocalNeo4j, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """An installation whose graph is empty."""
    monkeypatch.setenv("NEO4J_URI", str(local_neo4j.status().uri))
    monkeypatch.setenv("NEO4J_PASSWORD", local_neo4j.password().get_secret_value())
    return clean_graph


@pytest.mark.parametrize("command", ["recommend", "similar"])
def test_an_empty_graph_serves_nothing_and_says_how_to_fill_it(connected: Driver, command: str) -> None:
    fails_with_one_line(run(command, "x"), "empty", "spotify-graph materialize")


@pytest.mark.parametrize("command", ["recommend", "similar"])
def test_a_graph_without_a_model_serves_nothing_and_says_how_to_make_one(connected: Driver, command: str) -> None:
    connected.execute_query("CREATE (:Track {track_id: 't', popularity: 1.0}), (:User {user_id: 't'})")
    fails_with_one_line(run(command, "t"), "no recommendations are published yet", "spotify-graph materialize")


def test_an_unknown_track_genre_or_artist_is_named(connected: Driver) -> None:
    connected.execute_query(
        "CREATE (:Track {track_id: 't'}), (:User {user_id: 'u'}),"
        " (:_Model {name: 'recommendations', version: 'v', until: datetime()})"
    )
    fails_with_one_line(run("similar", "nothing"), "'nothing'")
    fails_with_one_line(run("recommend", "u", "--genre", "polka"), "'polka'")
    fails_with_one_line(run("recommend", "u", "--artist", "Nobody"), "'Nobody'")


@pytest.mark.parametrize("command", ["recommend", "similar"])
@pytest.mark.parametrize("k", ["0", "-1", "101"])
def test_a_k_out_of_range_is_named_before_a_server_is_asked(new_home: Path, command: str, k: str) -> None:
    fails_with_one_line(run(command, "x", "-k", k), f"k is {k}", "1 to 100", code=2)
    assert not (new_home / "neo4j").exists()
