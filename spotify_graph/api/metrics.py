"""What the service counts and times, for Prometheus. No id and no name is a label."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The metrics of one service.

    Args:
        in_flight: says how many requests wait for Neo4j.
    """

    def __init__(self, in_flight: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._answered = Counter(
            "spotify_graph_requests", "Requests, by what was asked for.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "spotify_graph_request_seconds",
            "How long an answer took.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        waiting = Gauge("spotify_graph_requests_in_flight", "Requests that wait for Neo4j.", registry=self._registry)
        waiting.set_function(in_flight)
        self._model = Info("spotify_graph_model", "The model that answered last.", registry=self._registry)
        self._version: str | None = None

    def served_by(self, version: str | None) -> None:
        """Notes the version of the model that an answer is of."""
        if version is not None and version != self._version:
            self._model.info({"version": version})
            self._version = version

    def count(self, route: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        self._answered.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, more: str = "") -> Response:
        """The metrics in Prometheus' text format.

        Args:
            more: further metrics, in this format.
        """
        return Response(generate_latest(self._registry) + more.encode(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class Measured:
    """An application whose answers are counted and timed.

    Args:
        app: the application.
        metrics: where they are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            # A path that is no route is anybody's to invent, and would make a metric each.
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.count(route, status, time.perf_counter() - started)
