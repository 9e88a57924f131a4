"""Refusals as answers: each kind of error has one status, and no body tells more than is asked."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from motiongpt3.errors import CorruptError, InputError, MotionGPTError, ResourceError
from motiongpt3.server.asked import Problem, Refusal
from motiongpt3.server.line import Full, Unavailable
from motiongpt3.server.store import Unknown

RETRY_SECONDS = 5
"""After which a server that starts again is likely to be there."""

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": text}
    for status, text in {
        400: "the request cannot be read",
        401: "no valid key",
        403: "asked by a page of another origin",
        404: "there is no such motion or job",
        413: "the body is too long",
        422: "something in it cannot be used",
        429: "too many requests are waiting; see Retry-After",
        503: "not ready, or it ended while it was worked on; see Retry-After",
        504: "took too long; ask for a job instead",
        507: "no room to keep the motion",
    }.items()
}
"""What any route may answer with, for the API's description."""


def answer(status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A refusal."""
    return JSONResponse(Refusal(error=problem).model_dump(), status, headers=dict(headers or {}))


def problem_of(error: Exception) -> tuple[int, Problem, dict[str, str]]:
    """Status, body and headers of an error."""
    match error:
        case Full():
            later = {"Retry-After": str(round(error.seconds))}
            return 429, Problem(message=str(error), hint="try again later"), later
        case Unavailable():
            later = {"Retry-After": str(RETRY_SECONDS)}
            return 503, Problem(message="not available", hint="try again"), later
        case asyncio.TimeoutError():
            return 504, Problem(message="took too long", hint="ask for less, or a job"), {}
        case Unknown():
            return 404, Problem(message=str(error), hint="it may be too old"), {}
        case InputError():
            return 422, _told(error), {}
        case ResourceError():
            return 507, Problem(message="no room to keep it", hint="try again later"), {}
        case CorruptError():
            return 507, Problem(message="what was kept is damaged", hint="make it again"), {}
        case _:
            return 500, Problem(message="an error of the server", hint="it has been logged"), {}


def install(app: FastAPI) -> None:
    """Answer every error of a route this way."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        if first["type"] == "json_invalid":
            return answer(400, Problem(message="the body is no JSON", where=where))
        return answer(422, Problem(message=first["msg"], where=where, hint="see /v1/openapi.json"))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, Problem(message=str(error.detail)), error.headers)

    async def refused(request: Request, error: Exception) -> JSONResponse:
        return answer(*problem_of(error))

    for kind in (MotionGPTError, Full, Unavailable, asyncio.TimeoutError, Unknown):
        app.add_exception_handler(kind, refused)


def _told(error: MotionGPTError) -> Problem:
    return Problem(message=error.message, where=error.where, hint=error.hint)
