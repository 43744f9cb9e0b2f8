"""One page blob: control through Microsoft's SDK, data straight to the socket.

Source: Azure Storage REST API ("Put Page", "Get Blob", "Get Page Ranges", "Lease Blob" and others).
"""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobClient, BlobProperties

from imageport.disk.base import MIB
from imageport.disk.ends.errors import PeerChecksumError, UnreachableError
from imageport.disk.ends.pageblob.address import BlobAddress, Grant, redact_logs, redacted
from imageport.disk.ends.pageblob.checksum import Checksum
from imageport.disk.ends.pageblob.failures import ArrivedDamagedError, Refusal
from imageport.disk.ends.retry import PATIENCE, RetryBudget, TransientError
from imageport.disk.ends.wire import CONNECT_TIMEOUT, Answer, Broken, Wire
from imageport.model.credentials import AzureSas

T = TypeVar("T")

API_VERSION = "2023-11-03"
"""What is asked of the service: new enough for checksums and paged lists of ranges."""
MOST = 4 * MIB
"""Bytes of one Put Page, and of one read with a checksum."""
WORKERS = 16
"""Requests under way at once; a page blob takes 500 a second."""
_DAMAGED_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Options:
    """How an end talks to the service.

    `ca` is a file of certificates to trust instead of the system's. `timeout` is how many seconds
    may pass without a byte; `patience` without any success. `checksum` is what each range is
    sent and read with: CRC-64 costs next to nothing.
    """

    ca: Path | None = None
    patience: float = PATIENCE
    timeout: float = 60.0
    checksum: Checksum = Checksum.CRC64
    cancel: threading.Event | None = None
    on_wait: Callable[[str, float], None] = lambda detail, seconds: None


class PageBlob:
    """Requests about one blob, repeated while another attempt may help; from any thread."""

    def __init__(
        self, address: BlobAddress, sas: AzureSas, options: Options, snapshot: str | None = None
    ) -> None:
        """`snapshot` is the time stamp that names a snapshot of the blob. Asks nothing yet."""
        redact_logs()
        self.address, self.options = address, options
        self.name = f"{address}?snapshot={snapshot}" if snapshot else str(address)
        self.checksum = options.checksum
        self.grant = Grant.of(sas)
        query = sas.sas.lstrip("?")
        self._query = f"{query}&snapshot={quote(snapshot)}" if snapshot else query
        self._budget = RetryBudget(
            self.name, patience=options.patience, cancel=options.cancel, on_wait=options.on_wait
        )
        self.sdk = BlobClient.from_blob_url(
            f"{address}?{query}",
            snapshot=snapshot,
            api_version=API_VERSION,
            retry_total=0,
            connection_timeout=CONNECT_TIMEOUT,
            read_timeout=options.timeout,
            connection_verify=_trusted(options.ca),
        )
        self._wire = Wire(address.origin, options.ca, options.timeout)

    def close(self) -> None:
        """Close every connection; safe to repeat."""
        self.sdk.close()
        self._wire.close()

    def control(self, call: Callable[[], T], *, patience: float | None = None) -> T:
        """The result of a call of the SDK; `patience` is in seconds, the end's own without."""
        budget = self._budget
        if patience is not None and patience < self.options.patience:
            budget = RetryBudget(self.name, patience=patience)
        return budget.run(lambda: self._mapped(call))

    def properties(self) -> BlobProperties:
        """See "Get Blob Properties"."""
        return self.control(self.sdk.get_blob_properties)

    def ranges(self, offset: int, length: int, **conditions: Any) -> Iterator[tuple[int, int]]:
        """(start, end) of the pages in a range that hold data, in order, a list at a time."""
        token: str | None = None
        while True:
            page = functools.partial(self._range_page, offset, length, token, conditions)
            token, found = self.control(page)
            yield from found
            if not token:
                return

    def put(self, offset: int, data: memoryview, lease: str | None) -> None:
        """Write whole pages, `MOST` bytes at most. Raises `LeaseLostError`, too."""
        headers = {
            "x-ms-page-write": "update",
            "x-ms-range": f"bytes={offset}-{offset + len(data) - 1}",
        }
        if lease:
            headers["x-ms-lease-id"] = lease
        check, said = self.checksum, ""
        if check is not Checksum.NONE:
            said = headers[check.header] = check.of(data)

        def attempt() -> None:
            answer = self._send("PUT", "&comp=page", headers, data)
            body = self._read(answer)
            if answer.status != HTTPStatus.CREATED:
                raise self._refusal(answer, body, offset)
            if said and answer.headers.get(check.header, said) != said:
                raise ArrivedDamagedError("the service stored other bytes than were sent")

        self._undamaged(offset, attempt)

    def get(self, offset: int, view: memoryview, etag: str | None = None) -> None:
        """Fill `view`, `MOST` bytes at most. With `etag`, raises `ChangedError` for another."""
        self._undamaged(offset, lambda: self._get(offset, view, etag))

    def _get(self, offset: int, view: memoryview, etag: str | None) -> None:
        check = self.checksum
        headers = {"x-ms-range": f"bytes={offset}-{offset + len(view) - 1}"}
        if check is not Checksum.NONE:
            headers[check.request_header] = "true"
        if etag:
            headers["If-Match"] = etag
        answer = self._send("GET", "", headers)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise self._refusal(answer, self._read(answer), offset)
        self._fill(view, answer)
        if check is Checksum.NONE:
            return
        said = answer.headers.get(check.header)
        if said is None:
            self._fall_back(check, offset)
        elif said != check.of(view):
            raise ArrivedDamagedError("other bytes arrived than the service sent")

    def _fill(self, view: memoryview, answer: Answer) -> None:
        try:
            done = answer.read_into(view)
        except Broken as error:
            raise _broken(error, self.name) from None
        if done < len(view):
            raise TransientError(f"only {done} of {len(view)} bytes came")

    def _read(self, answer: Answer) -> bytes:
        try:
            return answer.read()
        except Broken as error:
            raise _broken(error, self.name) from None

    def _fall_back(self, asked: Checksum, offset: int) -> None:
        """Ask for MD5 from now on: an older service does not know of CRC-64."""
        if asked is Checksum.MD5:
            detail = "the service sends none; it can only be read without checksums"
            raise PeerChecksumError(file=self.name, offset=offset, detail=detail)
        self.checksum = Checksum.MD5
        raise ArrivedDamagedError("the service sent no checksum")

    def _undamaged(self, offset: int, attempt: Callable[[], None]) -> None:
        """Run `attempt`, again when what arrives is damaged, but not for ever."""
        for _ in range(_DAMAGED_LIMIT):
            try:
                self._budget.run(attempt)
            except ArrivedDamagedError as error:
                detail = str(error)
            else:
                return
        raise PeerChecksumError(file=self.name, offset=offset, detail=detail)

    def _send(
        self, method: str, query: str, headers: dict[str, str], body: memoryview | None = None
    ) -> Answer:
        target = f"{self.address.path}?{self._query}{query}"
        try:
            return self._wire.request(
                method, target, {**headers, "x-ms-version": API_VERSION}, body
            )
        except Broken as error:
            raise _broken(error, self.name) from None

    def _range_page(
        self, offset: int, length: int, token: str | None, conditions: dict[str, Any]
    ) -> tuple[str | None, list[tuple[int, int]]]:
        pages: Any = self.sdk.list_page_ranges(
            offset=offset, length=length, results_per_page=10000, **conditions
        ).by_page(token)
        found = [(each.start, each.end + 1) for each in next(pages)]
        return pages.continuation_token, found

    def _mapped(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except DecodeError:
            raise TransientError("the answer was damaged") from None
        except HttpResponseError as error:
            if error.response is None or not error.status_code:
                raise TransientError(redacted(type(error).__name__)) from None
            headers = {
                key.lower(): value for key, value in cast(Any, error.response).headers.items()
            }
            body = b"" if error.status_code == HTTPStatus.NOT_MODIFIED else _body(error.response)
            refusal = Refusal(error.status_code, headers, body)
            raise refusal.error(self.name, 0, self.grant) from None
        except (ServiceRequestError, ServiceResponseError) as error:
            raise _broken(error, self.name) from None
        except AzureError as error:
            raise TransientError(redacted(str(error))) from None

    def _refusal(self, answer: Answer, body: bytes, offset: int) -> Exception:
        refusal = Refusal(answer.status, answer.headers, body)
        return refusal.error(self.name, offset, self.grant)


def _body(response: Any) -> bytes:
    try:
        return bytes(response.body())
    except (AzureError, AttributeError, ValueError):
        return b""


def _broken(error: Exception, name: str) -> Exception:
    """What befell a connection, in its own words where these hold no address."""
    detail = redacted(str(error))[:200]
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        # Waiting does not make a certificate trusted.
        return UnreachableError(file=name, seconds=0, detail=detail)
    cause = getattr(error, "inner_exception", None) or error
    return TransientError(f"{type(cause).__name__}: {detail}")


def _trusted(ca: Path | None) -> str | bool:
    """The file or folder of trusted certificates, said outright.

    requests would otherwise let REQUESTS_CA_BUNDLE decide, whatever it was told.
    """
    paths = ssl.get_default_verify_paths()
    return str(ca) if ca else paths.cafile or paths.capath or True
