"""What Cloud Storage's answers and the libraries' exceptions mean to us.

Sources: Cloud Storage JSON API, "HTTP status and error codes" and "Retry strategy".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError

from imageport.disk.ends.errors import DeniedError, NoSpaceError, NotFoundError, RefusedError
from imageport.disk.ends.retry import TransientError, retry_after

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_THROTTLED = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_FULL = frozenset({"quotaExceeded", "storageQuotaExceeded", "dailyLimitExceeded"})
_MAX_DETAIL = 300


class PreconditionError(Exception):
    """The object is not of the generation that the request demands. Never leaves this package."""


@contextmanager
def translated(name: str, offset: int = 0) -> Iterator[None]:
    """Raise ours for every foreign exception of a request about `name`, an address.

    No exception's own text is passed on: it may hold an address with an upload's secret id.
    """
    try:
        yield
    except GoogleAPICallError as error:
        if isinstance(error.response, requests.Response):
            raise_for(error.response, name, offset)
        raise TransientError(f"the service failed ({type(error).__name__})") from error
    except GoogleAuthError as error:
        if isinstance(error, TransportError) or error.retryable:
            raise TransientError("the token service could not be reached") from error
        raise DeniedError(file=name, detail="the credentials were not accepted") from error
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            detail = "the peer's certificate is not one that is trusted here"
            raise RefusedError(file=name, offset=offset, detail=detail) from error
        raise TransientError("the TLS connection broke") from error
    except requests.exceptions.Timeout as error:
        raise TransientError("no answer in time") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(f"the connection failed ({type(error).__name__})") from error


def raise_for(response: requests.Response, name: str, offset: int = 0) -> NoReturn:
    """Raise what an answer that is no success means."""
    status, reason, message = response.status_code, *_said(response)
    if status in _TRANSIENT or reason in _THROTTLED:
        raise TransientError(message, retry_after(response.headers.get("Retry-After")))
    if status == 412:
        raise PreconditionError(message)
    if status == 507 or reason in _FULL:
        raise NoSpaceError(file=name, detail=message)
    if status in (401, 403):
        raise DeniedError(file=name, detail=message)
    if status in (404, 410):
        raise NotFoundError(file=name, detail=message)
    raise RefusedError(file=name, offset=offset, detail=message)


def _said(response: requests.Response) -> tuple[str, str]:
    """(reason, message) of an error's body, the latter never empty."""
    try:
        error = response.json()["error"]
        reason = str(error["errors"][0].get("reason", "")) if error.get("errors") else ""
        message = str(error.get("message") or "").strip(" .\n")
    except (ValueError, KeyError, TypeError, AttributeError, requests.RequestException):
        reason = message = ""
    return reason, (message[:_MAX_DETAIL] or f"HTTP status {response.status_code}")
