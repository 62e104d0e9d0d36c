"""What can be wrong with a request, or with what answers it, as answers: problem details as RFC 9457 has them."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from neo4j.exceptions import AuthError, DriverError, Neo4jError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from spotify_graph.api.pool import BusyError, SlowError
from spotify_graph.errors import NotFoundError, UsageError
from spotify_graph.serving import NotReadyError

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why there is no answer, and what mends that."""

    type: str = Field("about:blank", description="The status says all that a program needs to know.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status.")
    detail: str = Field(description="What is wrong, in one line.")
    fix: str = Field(description="What to do about it, in one line.")


def answer(status: HTTPStatus, detail: str, fix: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as an answer.

    Args:
        status: the status.
        detail: what is wrong, in one line.
        fix: what to do about it, in one line.
        headers: what the answer's head says besides.
    """
    problem = Problem(title=status.phrase, status=status, detail=detail, fix=fix)
    head = {"Cache-Control": "no-store", **(headers or {})}
    return Response(to_json(problem), status, headers=head, media_type=MEDIA_TYPE)


def answer_all(app: FastAPI) -> None:
    """Has an application answer whatever goes wrong in it with a problem."""
    for error, handle in {
        RequestValidationError: _invalid,
        UsageError: _usage,
        NotFoundError: _not_found,
        NotReadyError: _not_ready,
        BusyError: _busy,
        SlowError: _slow,
        DriverError: _no_neo4j,
        Neo4jError: _no_neo4j,
        OSError: _no_neo4j,
        HTTPException: _refused,
        Exception: _broken,
    }.items():
        app.add_exception_handler(error, handle)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 it is registered for these
    known = [it["name"] for it in _parameters(request)]
    found = []
    for it in error.errors():
        name = str(it["loc"][-1])
        match it["type"]:
            case "extra_forbidden":
                found.append(f"there is no parameter {name!r}; there are {', '.join(known)}")
            case "missing":
                found.append(f"{name} is missing")
            case _:
                found.append(f"{name} is {it['input']!r}: {it['msg'][:1].lower()}{it['msg'][1:]}")
    fix = "the page at / describes the parameters; their values are percent-encoded"
    return answer(HTTPStatus.BAD_REQUEST, "; ".join(found), fix)


def _parameters(request: Request) -> list[Mapping[str, str]]:
    operation = request.app.openapi()["paths"].get(request.scope["route"].path, {}).get("get", {})
    parameters: list[Mapping[str, str]] = operation.get("parameters", [])
    return [it for it in parameters if it["in"] == "query"]


async def _usage(_: Request, error: Exception) -> Response:
    return answer(HTTPStatus.BAD_REQUEST, *_split(error, "; "))


async def _not_found(_: Request, error: Exception) -> Response:
    # Before the hint there is an id, which may hold anything.
    detail, asks, close = str(error).rpartition("; did you mean ")
    fix = f"did you mean {close}" if asks else "check the spelling: ids are taken as they are, case included"
    return answer(HTTPStatus.NOT_FOUND, detail or close, fix)


async def _not_ready(_: Request, error: Exception) -> Response:
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, *_split(error, ": "), {"Retry-After": "60"})


async def _busy(_: Request, error: Exception) -> Response:
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, *_split(error, ": "), {"Retry-After": "1"})


async def _slow(_: Request, error: Exception) -> Response:
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, *_split(error, ": "), {"Retry-After": "5"})


async def _no_neo4j(_: Request, error: Exception) -> Response:
    if isinstance(error, AuthError):
        what, fix = "Neo4j refuses the service's password", "set NEO4J_PASSWORD and start the service again"
    else:
        what, fix = "Neo4j can't be asked", "start it, or wait until it is up: the service needs no restart"
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, what, fix, {"Retry-After": "5"})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 it is registered for these
    status = HTTPStatus(error.status_code)
    match status:
        case HTTPStatus.NOT_FOUND:
            what, fix = f"there is nothing at {request.url.path}", "the page at / lists what there is"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            what, fix = f"{request.method} is not answered here: the service only reads", "use GET"
        case HTTPStatus.UNAUTHORIZED:
            what, fix = "the token is missing or wrong", "send the header `Authorization: Bearer TOKEN`"
        case _:
            what, fix = error.detail, "the page at / describes the requests"
    return answer(status, what, fix, error.headers)


async def _broken(_: Request, _error: Exception) -> Response:
    # Starlette raises it again behind this answer, and the log has it whole.
    what, fix = "the service has a fault", "its log has the details: report them"
    return answer(HTTPStatus.INTERNAL_SERVER_ERROR, what, fix)


def _split(error: Exception, between: str) -> tuple[str, str]:
    """What a message says is wrong, and what it says to do."""
    detail, _, fix = str(error).partition(between)
    return detail, fix
