"""The HTTP service over a real Neo4j: what it answers, whom it refuses, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import neo4j
import pytest
import requests
from pydantic import SecretStr

from spotify_graph import queries, serving
from spotify_graph.api import server, token
from spotify_graph.api.app import build
from spotify_graph.api.plans import Plans
from spotify_graph.errors import UserError
from spotify_graph.graph_model import NODES
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings
from spotify_graph_tests.emptied import DATABASE, empty
from spotify_graph_tests.services import get, running, until

UNTIL = datetime(2026, 1, 31, tzinfo=UTC)
IDS = [
    "ann",
    "a/b",
    "..",
    "50 % off?",
    "%2F",
    "a&b=c#d+e",
    "ünïcødé 🎧",
    "two  spaces",
    'quote"<b>',
    "did you mean 'x'; y",
]
TRACKS = [f"t/{number}" for number in range(8)]
FIXED = {"heard": "true", "disliked": "true"}
SECRET = "s3cret-token"  # noqa: S105


@pytest.fixture(scope="module")
def graph(neo4j_driver: neo4j.Driver) -> neo4j.Driver:
    """Users of all kinds of ids, each with eight tracks recommended by the model v0; two of them play t/0 and t/1."""

    def run(query: str, **parameters: Any) -> None:
        neo4j_driver.execute_query(query, parameters_=parameters, database_=DATABASE)

    empty(neo4j_driver)
    for label, key in [*((node.label, node.key.name) for node in NODES), ("_Model", "name")]:
        run(f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{label}) REQUIRE n.{key} IS UNIQUE")
    run("CREATE (:_Model {name: 'recommendations', version: 'v0', until: $until})", until=UNTIL)
    run("UNWIND $ids AS id CREATE (:User {user_id: id})", ids=IDS)
    run(
        """
        MERGE (artist:Artist {name: 'AC/DC'}) MERGE (genre:Genre {name: 'Rock & Roll'})
        WITH * UNWIND range(0, size($tracks) - 1) AS place
        CREATE (track:Track {track_id: $tracks[place], title: 'Track ' + place, popularity: 80.0 - place})
        FOREACH (_ IN CASE WHEN place < 3 THEN [1] ELSE [] END | CREATE (artist)<-[:BY]-(track)-[:IN_GENRE]->(genre))
        """,
        tracks=TRACKS,
    )
    run(
        """
        UNWIND ['ann', 'a/b'] AS id UNWIND $tracks AS key
        MATCH (user:User {user_id: id}), (track:Track {track_id: key})
        CREATE (user)-[:PLAYED {count: 2, first_ts: $until, last_ts: $until}]->(track)
        """,
        tracks=TRACKS[:2],
        until=UNTIL,
    )
    load(neo4j_driver, "v0", shift=0)
    run(
        "MATCH (a:User {user_id: 'ann'}), (b:User {user_id: 'a/b'})"
        " CREATE (a)-[:SIMILAR_USER {score: 0.9, rank: 1, model: 'v0'}]->(b)"
    )
    run(
        "MATCH (a:Track {track_id: 't/0'}), (b:Track {track_id: 't/3'})"
        " CREATE (a)-[:SIMILAR_TO {score: 0.5, rank: 1, listeners: 7, model: 'v0'}]->(b)"
    )
    return neo4j_driver


def load(driver: neo4j.Driver, version: str, *, shift: int) -> None:
    """Loads what a version recommends to everybody: all tracks, from another one on in each version."""
    driver.execute_query(
        """
        MATCH (user:User) UNWIND range(0, size($tracks) - 1) AS place
        MATCH (track:Track {track_id: $tracks[(place + $shift) % size($tracks)]})
        CREATE (user)-[:RECOMMENDED {score: 1.0 - place / 10.0, rank: place + 1, model: $version}]->(track)
        """,
        parameters_={"tracks": TRACKS, "version": version, "shift": shift},
        database_=DATABASE,
    )


@pytest.fixture(scope="module")
def driver(graph: neo4j.Driver, local_neo4j: LocalNeo4j) -> Iterator[neo4j.Driver]:
    auth = ("neo4j", local_neo4j.password().get_secret_value())
    options = server.driver_options(Settings())
    with neo4j.GraphDatabase.driver(local_neo4j.status().uri, auth=auth, **options) as driver:
        yield driver


@pytest.fixture(scope="module")
def plans(driver: neo4j.Driver) -> Iterator[Plans]:
    plans = Plans(driver, DATABASE)
    plans.start()
    until(lambda: plans.made)
    yield plans
    plans.end()
    plans.join()


@pytest.fixture(scope="module")
def url(driver: neo4j.Driver, plans: Plans) -> Iterator[str]:
    with running(build(driver, DATABASE, connections=4, limit=64, seconds=60, planned=lambda: plans.made)) as url:
        yield url


def as_json(answer: Any) -> Any:
    return json.loads(json.dumps(asdict(answer), default=lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}"))


@pytest.mark.parametrize("user_id", IDS)
def test_an_id_of_any_characters_is_answered_what_python_is(url: str, driver: neo4j.Driver, user_id: str) -> None:
    answer = get(f"{url}/v1/recommendations", user_id=user_id)
    assert answer.status_code == 200
    assert answer.json() == as_json(serving.recommend(driver, DATABASE, user_id))
    assert answer.json()["known"]
    assert answer.json()["tracks"]


@pytest.mark.parametrize(
    "asked",
    [
        {"k": 2},
        {"k": 8, "per_artist": 1},
        {"k": 8, "heard": True},
        {"genre": "rock & roll"},
        {"artist": "AC/DC", "heard": True},
        {"k": 100, "disliked": True},
    ],
)
def test_the_parameters_are_those_of_the_request(url: str, driver: neo4j.Driver, asked: dict[str, Any]) -> None:
    answer = get(f"{url}/v1/recommendations", user_id="ann", **asked)
    assert answer.json() == as_json(serving.recommend(driver, DATABASE, "ann", **asked))


def test_a_parameter_that_is_there_but_empty_counts_as_not_given(url: str) -> None:
    given = get(f"{url}/v1/recommendations?user_id=ann&k=&genre=&heard=")
    assert given.content == get(f"{url}/v1/recommendations", user_id="ann").content


def test_an_unknown_user_gets_popular_tracks_and_is_told_so(url: str) -> None:
    answer = get(f"{url}/v1/recommendations", user_id="nobody", k=2).json()
    assert not answer["known"]
    assert answer["note"] == "the graph has no user 'nobody': these are the most popular tracks"
    assert [track["track_id"] for track in answer["tracks"]] == ["t/0", "t/1"]


def test_popular_tracks_are_those_with_most_listeners(url: str) -> None:
    """Listeners are 2 to the popularity, less than the days since 2020 over 30: 2,222 days are 74.07 of these."""
    answer = get(f"{url}/v1/popular-tracks", genre="rock & roll", per_artist=3, k=2).json()
    assert [(track["track_id"], track["rank"]) for track in answer["tracks"]] == [("t/0", 1), ("t/1", 2)]
    assert answer["tracks"][0]["listeners"] == pytest.approx(2 ** (80 - 2222 / 30))
    assert answer["tracks"][0]["because"] == "popular in Rock & Roll this month (about 61 listeners)"
    assert (answer["model"], answer["until"], answer["note"]) == ("v0", "2026-01-31T00:00:00Z", None)


def test_similar_users_say_what_they_share(url: str) -> None:
    answer = get(f"{url}/v1/similar-users", user_id="ann").json()
    assert answer["model"] == "v0"
    assert answer["users"] == [
        {
            "rank": 1,
            "user_id": "a/b",
            "score": 0.9,
            "because": "listens to 2 of the 2 tracks that you like and play most, such as Track 0 and Track 1",
            "shared": 2,
            "tracks": [{"track_id": "t/0", "title": "Track 0"}, {"track_id": "t/1", "title": "Track 1"}],
        }
    ]
    lonely = get(f"{url}/v1/similar-users", user_id="..").json()
    assert (lonely["users"], lonely["note"]) == ([], "the model finds nobody whose taste is like that of '..'")


def test_similar_tracks_are_what_python_is_answered(url: str, driver: neo4j.Driver) -> None:
    answer = get(f"{url}/v1/similar-tracks", track_id="t/0").json()
    assert answer == as_json(serving.similar(driver, DATABASE, "t/0"))
    assert [track["track_id"] for track in answer["tracks"]] == ["t/3"]


@pytest.mark.parametrize(
    ("path", "status", "detail", "fix"),
    [
        ("/v1/recommendations", 400, r"user_id is missing", r"the page at / "),
        ("/v1/recommendations?user_id=", 400, r"user_id is missing", r"the page at / "),
        ("/v1/recommendations?user_id=ann&k=0", 400, r"k is '0': input should be greater than or equal to 1", r"/ "),
        ("/v1/popular-tracks?k=101", 400, r"k is '101': input should be less than or equal to 100", r"/ "),
        ("/v1/popular-tracks?per_artist=x", 400, r"per_artist is 'x': input should be a valid integer", r"/ "),
        (
            "/v1/recommendations?user_id=ann&heard=perhaps",
            400,
            r"heard is 'perhaps': input should be a valid bool",
            r"/ ",
        ),
        (
            "/v1/similar-tracks?track_id=t&per-artist=1",
            400,
            r"there is no parameter 'per-artist'; there are k, track_id, per_artist",
            r"the page at / ",
        ),
        (
            "/v1/similar-tracks?track_id=x%2Fy%3B%20z",
            404,
            r"no Track with the track_id 'x/y; z'$",
            r"check the spelling",
        ),
        ("/v1/similar-tracks?track_id=T%2F0", 404, r"no Track with the track_id 'T/0'$", r"^did you mean 't/0'\?$"),
        ("/v1/similar-users?user_id=nobody", 404, r"no User with the user_id 'nobody'$", r"check the spelling"),
        ("/v1/popular-tracks?genre=Rok", 404, r"no Genre with the name 'Rok'$", r"check the spelling"),
        (
            "/v1/recommendations?user_id=ann&artist=ACDC",
            404,
            r"Artist with the name 'ACDC'$",
            r"did you mean 'AC/DC'\?",
        ),
        ("/v2", 404, r"there is nothing at /v2", r"the page at / "),
    ],
)
def test_what_is_wrong_with_a_request_is_said_with_what_mends_it(
    url: str, path: str, status: int, detail: str, fix: str
) -> None:
    answer = get(f"{url}{path}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert list(problem) == ["type", "title", "status", "detail", "fix"]
    assert problem["status"] == status
    assert re.search(detail, problem["detail"])
    assert re.search(fix, problem["fix"])


def test_nothing_but_get_is_answered(url: str) -> None:
    answer = requests.post(f"{url}/v1/recommendations", json={}, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert answer.json()["fix"] == "use GET"


def test_the_service_only_reads(graph: neo4j.Driver) -> None:
    asked = {"user_id": "", "track_id": "", "k": 1, "per_artist": 1, "heard": False, "disliked": False}
    asked |= dict.fromkeys(("genre", "artist", "candidates", "as_of"))
    for text in queries.serving().values():
        summary = graph.execute_query(f"EXPLAIN {text}", asked=asked, database_=DATABASE).summary
        assert summary.query_type == "r"
    with queries.session(graph, DATABASE) as session, pytest.raises(neo4j.exceptions.ClientError, match="read access"):
        session.execute_read(lambda transaction: transaction.run("CREATE (:User)").consume())


def test_an_answer_that_one_has_already_is_not_sent_again(url: str) -> None:
    first = get(f"{url}/v1/recommendations", user_id="ann")
    tag = first.headers["ETag"]
    for had in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = requests.get(f"{url}/v1/recommendations?user_id=ann", headers={"If-None-Match": had}, timeout=10)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    other = requests.get(f"{url}/v1/recommendations?user_id=ann&k=1", headers={"If-None-Match": tag}, timeout=10)
    assert other.status_code == 200
    assert other.headers["ETag"] != tag


def test_the_page_and_its_description_need_no_other_server(url: str) -> None:
    page, document = get(url), get(f"{url}/openapi.json").json()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.findall(r"//|<script|<img|<link|@import|\bsrc=", page.text)
    assert set(document["paths"]) == {
        *("/v1/recommendations", "/v1/similar-tracks", "/v1/similar-users", "/v1/popular-tracks"),
        *("/draw", "/health", "/ready", "/metrics"),
    }
    for path, of in document["paths"].items():
        assert f"GET {path}" in page.text
        assert escape(of["get"]["description"]) in page.text
        for parameter in of["get"].get("parameters", []):
            assert parameter["description"]
            assert f'name="{parameter["name"]}"' in page.text
    asked = document["paths"]["/v1/recommendations"]["get"]
    assert {it["name"] for it in asked["parameters"]} == {
        *("user_id", "k", "genre", "artist", "heard", "disliked", "per_artist")
    }
    assert set(asked["responses"]) == {"200", "304", "400", "401", "404", "503"}
    assert list(asked["responses"]["404"]["content"]) == ["application/problem+json"]
    assert document["components"]["schemas"]["Recommendation"]["properties"]["evidence"]


def test_a_neighbourhood_is_drawn_as_a_page_that_loads_nothing_and_without_an_id_of_what_is_played_most(
    url: str,
) -> None:
    answers = {
        "kind=user&id=a%2Fb": "User a/b",
        "kind=user": "User a/b",
        "kind=track&id=t%2F1": "Track Track 1",
        "kind=track": "Track Track 0",
        "kind=artist": "Artist AC/DC",
        "kind=genre": "Genre Rock &amp; Roll",
    }
    for asked, title in answers.items():
        answer = get(f"{url}/draw?{asked}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'unsafe-inline'")
        assert answer.headers["Cache-Control"] == "no-store"
        assert f"<title>{title}</title>" in answer.text
    for asked, status in {"kind=artist&id=nobody": 404, "kind=album": 400, "": 400, "kind=user&k=1000": 400}.items():
        answer = get(f"{url}/draw?{asked}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


def test_requests_are_counted_by_what_they_ask_and_nobody_is_named(driver: neo4j.Driver) -> None:
    with running(build(driver, DATABASE, connections=1, limit=8)) as url:
        for path in ("recommendations?user_id=ann", "recommendations?user_id=a%2Fb", "similar-users?user_id=nobody"):
            get(f"{url}/v1/{path}")
        get(f"{url}/ann")
        metrics = get(f"{url}/metrics")
    assert metrics.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = metrics.text.splitlines()
    assert 'spotify_graph_requests_total{route="/v1/recommendations",status="200"} 2.0' in lines
    assert 'spotify_graph_requests_total{route="/v1/similar-users",status="404"} 1.0' in lines
    assert 'spotify_graph_requests_total{route="none",status="404"} 1.0' in lines
    assert 'spotify_graph_request_seconds_count{route="/v1/recommendations"} 2.0' in lines
    assert "spotify_graph_requests_in_flight 0.0" in lines
    assert 'spotify_graph_model_info{version="v0"} 1.0' in lines
    assert not re.search("ann|a/b|nobody", metrics.text)


def test_a_token_is_asked_for_where_there_is_one_and_is_not_logged(
    driver: neo4j.Driver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with running(build(driver, DATABASE, connections=1, limit=8, shown=SecretStr(SECRET))) as url:
        asked = f"{url}/v1/recommendations?user_id=ann"
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {SECRET}"}):
            refused = requests.get(asked, headers=headers, timeout=10)
            assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert refused.json()["fix"] == "send the header `Authorization: Bearer TOKEN`"
        assert get(f"{url}/metrics").status_code == 401
        shown = {"Authorization": f"Bearer {SECRET}"}
        assert requests.get(asked, headers=shown, timeout=10).status_code == 200
        assert requests.get(f"{url}/metrics", headers=shown, timeout=10).status_code == 200
        for path in ("health", "ready", "", "openapi.json"):
            assert get(f"{url}/{path}").status_code == 200
    assert SECRET not in caplog.text


@pytest.mark.parametrize(("text", "found"), [(f" {SECRET}\n", SECRET), ("", None), ("two words", None), ("ü", None)])
def test_a_tokens_file_holds_one_token(tmp_path: Path, text: str, found: str | None) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    if found:
        assert token.read(file).get_secret_value() == found
    else:
        with pytest.raises(UserError, match=f"^{file} must hold a token"):
            token.read(file)
    with pytest.raises(UserError, match="none can't be read"):
        token.read(tmp_path / "none")


def test_more_requests_than_are_let_in_are_told_when_to_come_again(driver: neo4j.Driver) -> None:
    with (
        running(build(driver, DATABASE, connections=1, limit=1)) as url,
        ThreadPoolExecutor(8) as clients,
    ):
        found: dict[int, requests.Response] = {}

        def both() -> bool:
            for answer in clients.map(lambda _: get(f"{url}/v1/popular-tracks"), range(8)):
                found[answer.status_code] = answer
            return {200, 503} <= found.keys()

        until(both)
        assert found.keys() == {200, 503}
        assert found[503].headers["Retry-After"] == "1"
        assert found[503].json()["detail"] == "1 requests are being answered"
        assert get(f"{url}/v1/popular-tracks").status_code == 200
        assert get(f"{url}/health").status_code == 200


def test_who_waits_too_long_for_neo4j_is_told_so(driver: neo4j.Driver) -> None:
    with running(build(driver, DATABASE, connections=1, limit=8, seconds=0.0001)) as url:
        answer = get(f"{url}/v1/popular-tracks")
        assert (answer.status_code, answer.json()["detail"]) == (503, "Neo4j does not answer within 0.0001 s")
        until(lambda: "spotify_graph_requests_in_flight 0.0" in get(f"{url}/metrics").text.splitlines())


def test_a_graph_without_a_model_is_not_ready_and_serves_what_is_popular(url: str, graph: neo4j.Driver) -> None:
    graph.execute_query("MATCH (model:_Model) REMOVE model.version, model.until", database_=DATABASE)
    try:
        for path in ("/ready", "/v1/recommendations?user_id=ann", "/v1/similar-tracks?track_id=t%2F0"):
            answer = get(f"{url}{path}")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
            assert answer.json()["detail"] == "no recommendations are published yet"
            assert answer.json()["fix"] == "`spotify-graph materialize` makes them"
        popular = get(f"{url}/v1/popular-tracks", k=1).json()
        assert (popular["model"], popular["tracks"][0]["because"]) == (None, "popular")
        assert get(f"{url}/health").json() == {"status": "ok"}
    finally:
        back = "MATCH (model:_Model) SET model.version = 'v0', model.until = $until"
        graph.execute_query(back, until=UNTIL, database_=DATABASE)


def test_every_answer_is_of_one_model_while_models_are_switched(url: str, graph: neo4j.Driver) -> None:
    """Version i recommends all eight tracks from t/i on; what is not active is removed right after each switch."""
    ended = threading.Event()
    answers: list[requests.Response] = []

    def ask() -> None:
        while not ended.is_set():
            answers.append(get(f"{url}/v1/recommendations", user_id="two  spaces", k=8, per_artist=8))

    def more(than: int) -> bool:
        return len(answers) > than

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for shift in (1, 2, 3, 4, 0):
            seen = len(answers)
            load(graph, f"v{shift}", shift=shift)
            graph.execute_query(
                "MATCH (model:_Model) SET model.version = $version", version=f"v{shift}", database_=DATABASE
            )
            graph.execute_query(
                "MATCH ()-[edge:RECOMMENDED]->() WHERE edge.model <> $version DELETE edge",
                version=f"v{shift}",
                database_=DATABASE,
            )
            until(partial(more, seen + 6))
    finally:
        ended.set()
        for asker in askers:
            asker.join()
    assert {answer.status_code for answer in answers} == {200}
    found = {(answer.json()["model"], tuple(it["track_id"] for it in answer.json()["tracks"])) for answer in answers}
    whole = {(f"v{shift}", tuple(TRACKS[shift:] + TRACKS[:shift])) for shift in range(5)}
    assert found == whole


def test_plans_are_made_anew_for_another_model(
    url: str, plans: Plans, driver: neo4j.Driver, graph: neo4j.Driver
) -> None:
    until(lambda: plans.made_for == "v0")
    graph.execute_query("MATCH (model:_Model) SET model.version = 'v9'", database_=DATABASE)
    try:
        until(lambda: plans.made_for == "v9")
        assert get(f"{url}/ready").json() == {"status": "ready", "model": "v9"}
        assert serving.recommend(driver, DATABASE, "nobody").model == "v9"
    finally:
        graph.execute_query("MATCH (model:_Model) SET model.version = 'v0'", database_=DATABASE)


def test_a_port_that_is_taken_is_an_error_that_names_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"^port {port} is taken by .*process {os.getpid()}\): give --port another"
        ):
            server.listen(Settings(SPOTIFY_GRAPH_SERVE_PORT=port), print)
    with pytest.raises(UserError, match=r"^192\.0\.2\.1:\d+ can't be listened on .*: give"):
        server.listen(Settings(SPOTIFY_GRAPH_SERVE_HOST="192.0.2.1", SPOTIFY_GRAPH_SERVE_PORT=port), print)


def test_the_command_serves_until_it_is_told_to_end_and_warns_where_others_can_ask(
    graph: neo4j.Driver, local_neo4j: LocalNeo4j, tmp_path: Path
) -> None:
    environment = os.environ | {
        "NEO4J_URI": local_neo4j.status().uri,
        "NEO4J_PASSWORD": local_neo4j.password().get_secret_value(),
    }
    command = [sys.executable, "-m", "spotify_graph.cli", "serve", "--host", "0.0.0.0"]  # noqa: S104
    with (tmp_path / "errors").open("w+") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout
        try:
            url = process.stdout.readline().split()[-1]
            assert get(f"{url}/health").json() == {"status": "ok"}
            get(f"{url}/v1/similar-tracks", track_id="a/b")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        errors.seek(0)
        said = errors.read()
    assert "warning: whoever reaches 0.0.0.0 can ask what anybody listens to: give --token-file" in said
    assert said.endswith("Stopping\n")
    assert "a/b" not in said
