"""How fast the HTTP service answers, also while its model is replaced and while logs are taken in: `make bench-http`.

Requests are sent at a fixed rate, whether or not earlier ones are answered, and each is timed from the moment at which
it was due: an answer that keeps others waiting counts for all of them. They go over as many connections as it takes.

The phases follow each other on one local Neo4j and one service, in a temporary home with the default sample: alone;
while a file of 10,000 events is taken in; while the job `retrain`, which `nightly_retrain` starts, trains on these and
publishes a new model. Every answer is checked. While a file is taken in, each track must be one that this model
recommends; while the model is replaced, each must be, byte for byte, what is answered to that request by the one model
that it names.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import urlencode

import aiohttp
import requests
from neo4j import Driver

from spotify_graph import sample_data
from spotify_graph.graph_model import GENRE, TRACK, USER
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.neo4j_io.vocabulary import NodeType
from spotify_graph.resources.neo4j import connect
from spotify_graph.settings import Settings

NO_MODELS = "not (group:evaluation or group:recommendations)"
_START_S = 180
_SHARES = {
    "recommendations": 70,
    "recommendations in a genre": 10,
    "similar tracks": 10,
    "similar users": 5,
    "popular": 5,
}
"""Of a hundred requests."""


@dataclass
class Load:
    """What came of the requests of one phase.

    Attributes:
        taken: milliseconds of each answer, from when it was due.
        failed: how many requests failed, by what happened.
        answers: by path, the answers that came, by their ETag.
        seconds: how long it took.
    """

    taken: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    answers: dict[str, dict[str, bytes]] = field(default_factory=dict)
    seconds: float = 0

    def figures(self) -> dict[str, Any]:
        """What is told of it."""
        ordered = sorted(self.taken)
        at = {f"p{share}_ms": ordered[min(len(ordered) * share // 100, len(ordered) - 1)] for share in (50, 99)}
        return {
            "requests": len(ordered),
            "requests_per_s": round(len(ordered) / self.seconds, 1),
            **{name: round(value, 1) for name, value in {**at, "max_ms": ordered[-1]}.items()},
            "failed": dict(self.failed),
            "models": len({json.loads(body)["model"] for of in self.answers.values() for body in of.values()}),
        }


def main() -> None:
    """Runs the phases and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60, help="of the phase alone")
    parser.add_argument("--warm-up", type=float, default=60, help="seconds of requests that are not counted")
    parser.add_argument("--requests", type=int, default=400, help="different ones")
    parser.add_argument("--only-alone", action="store_true", help="leave out the retrain and the taking in")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="a home with a graph and a model, to use in place of a new one")
    asked = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("SPOTIFY_GRAPH_", "NEO4J_", "DAGSTER_"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="bench-http-") as folder:
        home = asked.home or Path(folder) / "home"
        os.environ |= {"SPOTIFY_GRAPH_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
        try:
            found = _measure(home, Path(folder), asked)
        finally:
            if not asked.home:
                LocalNeo4j(Settings.load()).stop()
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _measure(home: Path, scratch: Path, asked: argparse.Namespace) -> dict[str, Any]:
    settings = Settings.load()
    if not asked.home:
        sample_data.generate(home / "landing", truth=scratch / "truth")
        _run("spotify_graph.cli", "materialize")
    found: dict[str, Any] = {"cores": os.cpu_count(), "rate": asked.rate}
    with connect(settings, _say) as driver, _service(scratch) as url:
        database = settings.neo4j_database
        paths = _paths(driver, database, random.Random(asked.seed), asked.requests)  # noqa: S311 - no secret

        def phase(name: str, work: Callable[[], object]) -> Load:
            _say(f"{name}: load average {os.getloadavg()[0]:.1f}")
            load = asyncio.run(_load(url, paths, asked.rate, work))
            found[name] = {**load.figures(), "load_average": round(os.getloadavg()[0], 1)}
            return load

        phase("warm_up", lambda: time.sleep(asked.warm_up))
        phase("alone", lambda: time.sleep(asked.seconds))
        if asked.only_alone:
            return found
        known = _known(driver, database)
        name = f"user_events_{time.time_ns()}.csv"
        sample_data.generate(scratch / "more", truth=scratch / "truth", events=10_000, seed=time.time_ns() % 10_000)
        copyfile(scratch / "more" / "user_events.csv", home / "landing" / name)
        load = phase("take_in", lambda: _run("spotify_graph.cli", "materialize", "--select", NO_MODELS))
        found["take_in"]["not_of_one_model"] = sum(
            not _recommends(known, json.loads(body)) for of in load.answers.values() for body in of.values()
        )
        before = _reference(url, paths)
        load = phase(
            "retrain", lambda: _run("dagster", "job", "execute", "-m", "spotify_graph.definitions", "-j", "retrain")
        )
        after = _reference(url, paths)
        found["retrain"]["not_of_one_model"] = sum(
            etag not in (before[path][0], after[path][0]) for path, of in load.answers.items() for etag in of
        )
    return found


async def _load(url: str, paths: Sequence[str], rate: float, work: Callable[[], object]) -> Load:
    """Sends requests until the work is done."""
    load, chance = Load(), random.Random(2)  # noqa: S311 - no secret
    working = asyncio.create_task(asyncio.to_thread(work))
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:
        asking: set[asyncio.Task[None]] = set()
        started = due = time.perf_counter()
        while not working.done():
            await asyncio.sleep(max(0, due - time.perf_counter()))
            task = asyncio.create_task(_ask(session, chance.choice(paths), due, load))
            asking.add(task)
            task.add_done_callback(asking.discard)
            due += 1 / rate
        await asyncio.gather(*asking)
        load.seconds = time.perf_counter() - started
    await working
    return load


async def _ask(session: aiohttp.ClientSession, path: str, due: float, load: Load) -> None:
    try:
        async with session.get(path) as answer:
            body = await answer.read()
    except aiohttp.ClientError as error:
        load.failed[type(error).__name__] += 1
        return
    load.taken.append((time.perf_counter() - due) * 1000)
    if answer.status != 200:  # noqa: PLR2004
        load.failed[f"{answer.status}: {body.decode()}"] += 1
    else:
        load.answers.setdefault(path, {})[answer.headers["ETag"]] = body


def _paths(driver: Driver, database: str, chance: random.Random, number: int) -> list[str]:
    users, tracks, genres = (_keys(driver, database, node) for node in (USER, TRACK, GENRE))
    kinds: dict[str, Callable[[], tuple[str, dict[str, str]]]] = {
        "recommendations": lambda: ("recommendations", {"user_id": chance.choice(users)}),
        "recommendations in a genre": lambda: (
            "recommendations",
            {"user_id": chance.choice(users), "genre": chance.choice(genres)},
        ),
        "similar tracks": lambda: ("similar-tracks", {"track_id": chance.choice(tracks)}),
        "similar users": lambda: ("similar-users", {"user_id": chance.choice(users)}),
        "popular": lambda: ("popular-tracks", {"genre": chance.choice(genres)}),
    }
    chosen = (kinds[kind]() for kind in chance.choices(list(_SHARES), list(_SHARES.values()), k=number))
    return [f"/v1/{path}?{urlencode(parameters)}" for path, parameters in chosen]


def _keys(driver: Driver, database: str, node: NodeType) -> list[str]:
    query = f"MATCH (n:{node.label}) RETURN n.{node.key.name} AS key ORDER BY key"
    return [record["key"] for record in driver.execute_query(query, database_=database).records]


def _reference(url: str, paths: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """What each request is answered now: the ETag and the body."""
    with requests.Session() as session:
        answers = {path: session.get(f"{url}{path}", timeout=60) for path in paths}
    return {path: (answer.headers["ETag"], answer.content) for path, answer in answers.items()}


def _known(driver: Driver, database: str) -> dict[tuple[str, str], set[tuple[str, float]]]:
    """What the active model says of each user and each track: by its version and that id, ids with their scores."""
    query = """
        MATCH (model:_Model {name: 'recommendations'}) WITH model.version AS version
        MATCH (of)-[edge:RECOMMENDED|SIMILAR_TO|SIMILAR_USER]->(other) WHERE edge.model = version
        RETURN version, coalesce(of.user_id, of.track_id) AS of,
               collect([coalesce(other.user_id, other.track_id), edge.score]) AS others
    """
    records = driver.execute_query(query, database_=database).records
    return {(it["version"], it["of"]): {(key, score) for key, score in it["others"]} for it in records}


def _recommends(known: Mapping[tuple[str, str], set[tuple[str, float]]], answer: Mapping[str, Any]) -> bool:
    """Whether all that the answer says by the model is of the version that it names."""
    of = known.get((answer["model"], answer.get("user_id") or answer.get("track_id") or ""), set())
    lines = answer.get("tracks") or answer.get("users") or []
    scored = {(it.get("track_id") or it["user_id"], it["score"]) for it in lines if it.get("score") is not None}
    return scored <= of


@contextmanager
def _service(scratch: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (scratch / "serve.log").open("w") as log:
        command = [sys.executable, "-m", "spotify_graph.cli", "serve", "--port", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_S
        while not _is_ready(url):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"bench-http: the service does not start: {(scratch / 'serve.log').read_text()}")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=5).ok
    except requests.RequestException:
        return False


def _run(*module: str) -> None:
    done = subprocess.run([sys.executable, "-m", *module], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench-http: {' '.join(module)}: {done.stdout}{done.stderr}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
