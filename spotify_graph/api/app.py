"""The application: which addresses there are, and what answers there."""

from collections.abc import Callable
from hashlib import blake2b
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.utils import get_openapi
from neo4j import Driver
from pydantic import BaseModel, SecretStr
from pydantic_core import to_json
from starlette.responses import HTMLResponse, Response

from spotify_graph import drawing, serving
from spotify_graph.api import page, problems, token
from spotify_graph.api.metrics import Measured, Metrics
from spotify_graph.api.pool import QueryPool
from spotify_graph.api.requests import (
    AskedPicture,
    AskedRecommendations,
    AskedSimilarTracks,
    AskedSimilarUsers,
    AskedTracks,
)
from spotify_graph.serving import PopularTracks, Recommendations, SimilarTracks, SimilarUsers

_ABOUT = (
    "Recommendations from the graph in Neo4j, each with its reason, as data and in words. Every answer is of one"
    " version of the model, whole, and names it. An ETag says whether it is still the same: If-None-Match gives 304."
)
_DOCUMENTED = {
    304: "The answer is still the one that If-None-Match names.",
    400: "The request does not fit.",
    401: "The service has a token, and the request does not show it.",
    404: "The graph has no such user, track, artist or genre.",
    503: "Neo4j or the model is not there, or too much is asked at once: Retry-After says when to ask again.",
}

Answer = Recommendations | SimilarTracks | SimilarUsers | PopularTracks


class Health(BaseModel):
    """That the service runs."""

    status: str = "ok"


class Readiness(BaseModel):
    """That the service can answer, and from which version of the model."""

    status: str = "ready"
    model: str


def build(
    driver: Driver,
    database: str,
    *,
    connections: int,
    limit: int,
    seconds: float = 10,
    shown: SecretStr | None = None,
    planned: Callable[[], bool] = lambda: True,
    figures: Callable[[], str] = lambda: "",
) -> FastAPI:
    """Makes the application.

    Args:
        driver: a connection to the server, of as many as `connections`.
        database: the database that holds the graph.
        connections: how many requests ask Neo4j at once.
        limit: how many requests may wait for Neo4j; one more is refused.
        seconds: how long a request waits for Neo4j.
        shown: the token that requests must show, or None for none.
        planned: says whether requests are answered without delay.
        figures: gives more metrics, in Prometheus' text format; it is called for each page, and may take long.
    """
    pool = QueryPool(driver, database, connections=connections, limit=limit, seconds=seconds)
    metrics = Metrics(lambda: pool.in_flight)
    app = FastAPI(
        title="spotify_graph",
        description=_ABOUT,
        version=version("spotify-graph"),
        docs_url=None,  # its page loads scripts from another server
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.answer_all(app)
    app.add_middleware(Measured, metrics=metrics)

    async def answer(request: Request, question: Callable[[Driver, str], Answer]) -> Response:
        found = await pool.ask(question)
        metrics.served_by(found.model)
        return _tagged(request, to_json(found))

    closed = APIRouter(dependencies=[Depends(token.required(shown))] if shown else [])

    @closed.get("/v1/recommendations", response_model=Recommendations, responses=_responses(304, 400, 401, 404, 503))
    async def recommendations(request: Request, asked: Annotated[AskedRecommendations, Query()]) -> Response:
        """Tracks for a user, the best first, each with its reason."""
        return await answer(request, lambda driver, database: serving.recommend(driver, database, **asked.model_dump()))

    @closed.get("/v1/similar-tracks", response_model=SimilarTracks, responses=_responses(304, 400, 401, 404, 503))
    async def similar_tracks(request: Request, asked: Annotated[AskedSimilarTracks, Query()]) -> Response:
        """Tracks that the same people listen to as to a track."""
        return await answer(request, lambda driver, database: serving.similar(driver, database, **asked.model_dump()))

    @closed.get("/v1/similar-users", response_model=SimilarUsers, responses=_responses(304, 400, 401, 404, 503))
    async def similar_users(request: Request, asked: Annotated[AskedSimilarUsers, Query()]) -> Response:
        """Users whose taste is like a user's."""
        return await answer(
            request, lambda driver, database: serving.similar_users(driver, database, **asked.model_dump())
        )

    @closed.get("/v1/popular-tracks", response_model=PopularTracks, responses=_responses(304, 400, 401, 404, 503))
    async def popular_tracks(request: Request, asked: Annotated[AskedTracks, Query()]) -> Response:
        """Tracks that most people listen to, of late."""
        return await answer(request, lambda driver, database: serving.popular(driver, database, **asked.model_dump()))

    @closed.get("/draw", response_class=HTMLResponse, responses=_responses(400, 401, 404, 503))
    async def draw(asked: Annotated[AskedPicture, Query()]) -> HTMLResponse:
        """The neighbourhood of a user, an artist, a track or a genre, as a page that draws it."""

        def drawn(driver: Driver, database: str) -> str:
            key = asked.id or drawing.best_known(driver, database, asked.kind)
            return drawing.draw(driver, database, asked.kind, key, asked.k).page()

        return HTMLResponse(await pool.ask(drawn), headers=page.DRAWN_HEADERS)

    @closed.get("/metrics", response_class=Response, responses=_responses(401))
    async def measured() -> Response:
        """Counts and times of requests, in Prometheus' text format."""
        return metrics.text(await run_in_threadpool(figures))

    app.include_router(closed)

    @app.get("/health")
    async def health() -> Health:
        """Whether the service runs, whatever Neo4j does."""
        return Health()

    @app.get("/ready", responses=_responses(503))
    async def ready() -> Readiness:
        """Whether the service can answer without delay: Neo4j does, and a model is active."""
        model = await pool.ask(serving.require_model)
        if not planned():
            raise serving.NotReadyError("Neo4j is planning the queries: ask again in some seconds")
        return Readiness(model=model)

    @app.get("/", include_in_schema=False)
    async def described() -> HTMLResponse:
        return HTMLResponse(page.render(app.openapi()), headers=page.HEADERS)

    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _tagged(request: Request, body: bytes) -> Response:
    """An answer, unless the asker has it already."""
    tag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
    head = {"ETag": tag, "Cache-Control": "private, no-cache"}
    had = {it.strip().removeprefix("W/") for it in request.headers.get("If-None-Match", "").split(",")}
    if had & {tag, "*"}:
        return Response(status_code=304, headers=head)
    return Response(body, headers=head, media_type="application/json")


def _responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"description": _DOCUMENTED[status], **({"model": problems.Problem} if status >= 400 else {})}  # noqa: PLR2004
        for status in statuses
    }


def _described(app: FastAPI) -> dict[str, Any]:
    """The service's description, with its own way to say that a request does not fit in place of the framework's."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path in document["paths"].values():
            responses = path["get"]["responses"]
            responses.pop("422", None)
            responses["200"]["description"] = "The answer."
            for response in responses.values():
                content = response.get("content", {})
                if content.get("application/json", {}).get("schema", {}).get("$ref", "").endswith("/Problem"):
                    response["content"] = {problems.MEDIA_TYPE: content["application/json"]}
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema
