"""What the Blob service says when it refuses, as our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
)
from imageport.disk.ends.pageblob.address import Grant, redacted
from imageport.disk.ends.retry import TransientError, retry_after
from imageport.disk.errors import DiskError, TargetExistsError

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_NEVER = "FeatureNotSupported"
"""What Azurite says, with status 500, of headers that it does not know."""
_FULL_STATUS = 507
_MESSAGE = re.compile(rb"<Message>\s*([^<\r\n]*)")
_DETAIL = re.compile(rb"<AuthenticationErrorDetail>\s*([^<\r\n]*)")
_NOT_SENT = frozenset({"Md5Mismatch", "Crc64Mismatch"})
_EXISTS = frozenset({"BlobAlreadyExists", "ResourceAlreadyExists", "UnauthorizedBlobOverwrite"})
_LONGEST = 300


class LeaseLostError(Exception):
    """The blob is written to without the lease that it has, or with one that has ended."""


class ArrivedDamagedError(Exception):
    """The service received or sent other bytes than the checksum says."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def code(self) -> str:
        """The error code ("Blob service error codes", REST API), empty when there is none."""
        return self.headers.get("x-ms-error-code", "")

    @property
    def words(self) -> str:
        """Code and message in one line, without signatures."""
        found = [self.code or f"HTTP status {self.status}"]
        for pattern in (_MESSAGE, _DETAIL):
            if match := pattern.search(self.body):
                found.append(match[1].decode("utf-8", "replace").strip().rstrip("."))
        return redacted(": ".join(found))[:_LONGEST]

    def error(self, name: str, offset: int, grant: Grant) -> Exception:
        """The exception for it; `offset` is in bytes of the blob `name`."""
        if self.code in _NOT_SENT:
            return ArrivedDamagedError(self.words)
        if self.status in _TRANSIENT and self.code != _NEVER:
            return TransientError(self.words, retry_after(self.headers.get("retry-after")))
        if self.code.startswith("Lease"):
            return LeaseLostError(self.words)
        return self._final(name, offset, grant)

    def _final(self, name: str, offset: int, grant: Grant) -> DiskError:
        error: DiskError = RefusedError(file=name, offset=offset, detail=self.words)
        if self.status == _FULL_STATUS or "Quota" in self.code or "LimitExceeded" in self.code:
            error = NoSpaceError(file=name, detail=self.words)
        elif self.status in (401, 403):
            error = DeniedError(file=name, detail=self._denial(grant))
        elif self.status == 404:
            error = NotFoundError(file=name, detail=self.words)
        elif self.status == 412:
            error = ChangedError(file=name, detail=self.words)
        elif self.code in _EXISTS:
            error = TargetExistsError(file=name)
        return error

    def _denial(self, grant: Grant) -> str:
        try:
            there = parsedate_to_datetime(self.headers.get("date", ""))
        except ValueError:
            there = None
        hint = grant.why_denied(datetime.now(UTC), there)
        return f"{self.words} (of the signature: {hint})" if hint else self.words
