"""What the SDK raises, as our errors: the one place where they are told apart."""

from __future__ import annotations

import ssl

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from imageport.disk.ends.errors import (
    DeniedError,
    EndError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from imageport.disk.ends.retry import TransientError, retry_after
from imageport.disk.ends.wire import Broken

SDK_ERRORS = (ClientError, BotoCoreError, ResponseParserError, ValueError, *Broken)
"""All that the SDK and our connections raise; `ValueError` is an address that is none."""
_CONNECTION = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, *Broken)

_THROTTLED = frozenset(
    {
        "RequestThrottledException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "ConcurrentLimitExceededException",
        "SnapshotCreationPerVolumeRateExceeded",
    }
)
_DENIED = frozenset(
    {
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "IncompleteSignature",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "AuthFailure",
        "UnauthorizedOperation",
        "OptInRequired",
    }
)
_FULL = frozenset(
    {"ServiceQuotaExceededException", "SnapshotLimitExceeded", "ResourceLimitExceeded"}
)
_MISSING = frozenset({"ResourceNotFoundException", "InvalidSnapshot.NotFound"})
_STALE = frozenset({"INVALID_BLOCK_TOKEN", "INVALID_PAGE_TOKEN"})


class StaleTokenError(Exception):
    """A block or page token is no longer valid: list again. Never leaves this package."""


def judged(error: Exception, name: str, offset: int) -> Exception:
    """What to raise for an SDK's error about byte `offset` of the end `name`.

    `TransientError` for what may be tried again, `StaleTokenError`, or an `EndError`. Errors of the
    connection go by their class alone: their text has the address with a block token in it.
    """
    if isinstance(error, ClientError):
        return _answered(error, name, offset)
    if isinstance(error, SSLError | ssl.SSLError) and "CERTIFICATE" in str(error):
        detail = "its certificate is not trusted"
        return UnreachableError(file=name, seconds=0, detail=detail)
    if isinstance(error, _CONNECTION):
        return TransientError(f"the connection failed ({type(error).__name__})")
    return RefusedError(file=name, offset=offset, detail=f"{type(error).__name__}: {error}")


def _answered(error: ClientError, name: str, offset: int) -> Exception:
    said, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, status = str(said.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    detail = f"{code}: {said.get('Message') or 'no reason given'}"
    if code in _THROTTLED or status == 429 or status >= 500:
        asked = meta.get("HTTPHeaders", {}).get("retry-after")
        return TransientError(detail, retry_after(asked))
    if error.response.get("Reason") in _STALE:
        return StaleTokenError()
    return _final(code, status, detail, name, offset)


def _final(code: str, status: int, detail: str, name: str, offset: int) -> EndError:
    if code in _DENIED or status in (401, 403):
        return DeniedError(file=name, detail=detail)
    if code in _FULL or status == 402:
        return NoSpaceError(file=name, detail=detail)
    if code in _MISSING or status == 404:
        return NotFoundError(file=name, detail=detail)
    return RefusedError(file=name, offset=offset, detail=detail)
