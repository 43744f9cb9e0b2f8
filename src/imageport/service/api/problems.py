"""Errors as RFC 9457 problem documents: our code, sentence, remedy and data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from imageport.model.errors import ImageportError
from imageport.model.service import CredentialType, PlatformName
from imageport.service.errors import Invalid, Malformed, NotFound, ServiceError, TooMany
from imageport.wire.documents import Problem

MEDIA_TYPE = "application/problem+json"
_KINDS = frozenset({*PlatformName, *CredentialType})
_LOG = logging.getLogger(__name__)


def problem_response(error: ImageportError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error."""
    status = _status(error)
    added = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        added["WWW-Authenticate"] = 'Bearer realm="imageport"'
    if isinstance(error, TooMany):
        added["Retry-After"] = str(error.data["seconds"])
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        added["Retry-After"] = "2"
    return JSONResponse(problem(error).as_json(), status, added, MEDIA_TYPE)


def problem(error: ImageportError) -> Problem:
    """What a client is told."""
    status = _status(error)
    return Problem(
        type=f"urn:imageport:error:{error.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.message,
        code=error.code,
        remedy=error.advice,
        data=error.data,
    )


def _status(error: ImageportError) -> int:
    return error.status if isinstance(error, ServiceError) else 500


Responses = dict[int | str, dict[str, Any]]
"""For a route's description."""


def responses(*statuses: int) -> Responses:
    """The problems that a route may answer with."""
    always = (400, 401, 403, 413, 422, 429, 500, 503)
    return {status: _described(status) for status in sorted({*always, *statuses})}


def located(status: int, description: str) -> Responses:
    """A good answer that says where to find what it is about."""
    location = {"description": "Path to read it at.", "schema": {"type": "string"}}
    return {status: {"description": description, "headers": {"Location": location}}}


def _described(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    said: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        said["headers"] = {"Retry-After": seconds}
    return said


def install(app: FastAPI) -> None:
    """Map every error."""
    app.add_exception_handler(ImageportError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ImageportError)  # noqa: S101  # as it was registered
    if not isinstance(error, ServiceError) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("%s %s: %s", request.method, request.url.path, error.message)
    return problem_response(error)


def _invalid(request: Request, error: Exception) -> Response:
    """What was typed is left out: it may be the secret."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # as above
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return problem_response(Malformed(detail="the body is no JSON"))
    errors = [
        {"field": ".".join(map(_printable, _place(each["loc"]))), "problem": each["msg"]}
        for each in found
    ]
    first = f"{errors[0]['field']}: {errors[0]['problem']}"
    return problem_response(Invalid(detail=first, errors=errors))


def _place(loc: tuple[object, ...]) -> tuple[object, ...]:
    """Without the name of the kind of body that was chosen, which is no field."""
    return loc[:1] + loc[2:] if loc[1:2] and loc[1] in _KINDS else loc


def _printable(part: object) -> str:
    return "".join(each if each.isprintable() else "?" for each in str(part)[:64])


def _http(request: Request, error: Exception) -> Response:
    """Raised by the framework: no such path, no such method, a body that is no form."""
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(NotFound(what="path", id=request.url.path[:200]))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem_response(MethodNotAllowed(method=request.method), error.headers)
    return problem_response(Malformed(detail=str(error.detail)))


def _unexpected(request: Request, error: Exception) -> Response:
    # The text of an error that nobody expected may hold anything: it goes to the log alone.
    _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem_response(ImageportError(detail=type(error).__name__))


class MethodNotAllowed(ServiceError):
    """The path is there, the method is not."""

    status = 405
    code = "request.method"
    sentence = "{method} is not for this path."
    remedy = "Use a method that the header Allow names; /ips/openapi.json describes them all."
