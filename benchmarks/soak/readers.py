"""Those who ask the graph meanwhile, over Bolt and over HTTP."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests
from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

from benchmarks.soak.files import USERS
from benchmarks.soak.installation import Installation
from spotify_graph.local.neo4j import LocalNeo4j
from spotify_graph.settings import Settings

_AWAY = 503
"""What the HTTP service answers while Neo4j is away."""
_QUIET: dict[str, Any] = {"notifications_min_severity": "OFF"}


@dataclass
class Asked:
    """What readers of one kind have met."""

    answers: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    longest_away_s: float = 0.0
    last: float = field(default_factory=time.monotonic)

    def answered(self, seconds: float) -> None:
        """Counts an answer that took so long."""
        now = time.monotonic()
        self.longest_away_s = max(self.longest_away_s, now - self.last)
        self.answers += 1
        self.slowest_s = max(self.slowest_s, seconds)
        self.last = now

    def figures(self) -> dict[str, object]:
        """What is printed of it."""
        return {
            "answers": self.answers,
            "refused or away": dict(self.refusals),
            "slowest_s": round(self.slowest_s, 2),
            "longest_away_s": round(self.longest_away_s, 1),
        }


class Readers:
    """Two threads that ask until they are told to stop.

    Attributes:
        bolt: what the one has met that asks Neo4j.
        http: what the other has met.
        wrong: answers that nobody should get.
    """

    def __init__(self, installation: Installation, chance: random.Random) -> None:
        self._installation, self._chance = installation, chance
        self.bolt, self.http = Asked(), Asked()
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=it, daemon=True) for it in (self._read_bolt, self._read_http)]

    def start(self) -> None:
        """Begins to ask."""
        self.bolt.last = self.http.last = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stops asking."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read_bolt(self) -> None:
        local = LocalNeo4j(Settings.load())
        while not self._over.wait(0.5):
            started = time.monotonic()
            try:
                auth = ("neo4j", local.password().get_secret_value())
                with GraphDatabase.driver(local.status().uri, auth=auth, connection_timeout=5, **_QUIET) as driver:
                    twice = driver.session().run(
                        "MATCH (u:User)-[r]->(t:Track) WHERE r.model IS NULL WITH u, t, type(r) AS type, count(*) AS n"
                        " WHERE n > 1 RETURN count(*) AS n"
                    )
                    if count := twice.single(strict=True)["n"]:
                        self.wrong.append(f"{count} relationships exist twice")
            except (DriverError, Neo4jError, OSError) as error:
                self.bolt.refusals[type(error).__name__] += 1
                continue
            self.bolt.answered(time.monotonic() - started)

    def _read_http(self) -> None:
        while not self._over.wait(0.3):
            started = time.monotonic()
            try:
                user = f"u{self._chance.randrange(USERS)}"
                answer = requests.get(
                    f"{self._installation.url('HTTP API')}/v1/recommendations", params={"user_id": user}, timeout=30
                )
            except (requests.RequestException, IndexError) as error:
                self.http.refusals[type(error).__name__] += 1
                continue
            if answer.status_code in {200, 404}:
                self.http.answered(time.monotonic() - started)
            else:
                self.http.refusals[str(answer.status_code)] += 1
                if answer.status_code != _AWAY:
                    self.wrong.append(f"HTTP {answer.status_code}: {answer.text[:300]}")
