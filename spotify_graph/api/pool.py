"""Where requests wait for Neo4j: so many at once, so many in all, and none for longer than an application would."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from neo4j import Driver

from spotify_graph.errors import UserError

Answer = TypeVar("Answer")


class BusyError(UserError):
    """As many requests as are let in wait for Neo4j already."""


class SlowError(UserError):
    """Neo4j did not answer in time."""


class QueryPool:
    """Answers questions from the graph, in as many threads as there are connections.

    Attributes:
        in_flight: how many questions were asked and are not answered yet; those that nobody waits for any more count
            until their threads are done with them.

    Args:
        driver: a connection to the server, of as many as `connections`.
        database: the database that holds the graph.
        connections: how many questions are asked of Neo4j at once.
        limit: how many questions may be in flight.
        seconds: how long a question may wait for its answer.
    """

    def __init__(self, driver: Driver, database: str, *, connections: int, limit: int, seconds: float) -> None:
        self._driver, self._database = driver, database
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="neo4j")
        self._limit, self._seconds = limit, seconds
        self.in_flight = 0

    async def ask(self, question: Callable[[Driver, str], Answer]) -> Answer:
        """Asks a question of the graph.

        Args:
            question: what is called with the driver and the database, in another thread.

        Raises:
            BusyError: too many questions are in flight.
            SlowError: it takes too long; one that has not begun by then never does.
        """
        if self.in_flight >= self._limit:
            raise BusyError(f"{self._limit} requests are being answered: ask again in a second, and more slowly")
        self.in_flight += 1
        loop = asyncio.get_running_loop()
        asked = self._threads.submit(question, self._driver, self._database)
        asked.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(asked), self._seconds)
        except TimeoutError:
            raise SlowError(f"Neo4j does not answer within {self._seconds:g} s: look at its log and its load") from None

    def _done(self) -> None:
        self.in_flight -= 1
