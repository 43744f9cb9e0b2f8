"""A file of a web server, in which an image of any format may lie."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from imageport.disk.base import KIB, Extent, ExtentKind
from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    EndError,
    NotFoundError,
    RefusedError,
    UnsuitableError,
)
from imageport.disk.ends.http.address import HttpAddress
from imageport.disk.ends.http.transport import HttpTransport
from imageport.disk.ends.retry import PATIENCE, RetryBudget, TransientError, retry_after
from imageport.disk.remote import RemoteFile
from imageport.model.credentials import BearerToken

_TIMEOUT = 60.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another attempt may cure."""
_STALE_LINK = (DeniedError, NotFoundError)
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")
_SAMPLE = 64 * KIB
_HEADER = re.compile(r"[\x20-\x7e\t]*")


class _Version(NamedTuple):
    """What tells one state of the file from another (RFC 9110, 8.8)."""

    etag: str | None
    modified: str | None

    def conditions(self) -> dict[str, str]:
        """The headers by which the server refuses once the file is another (13.1)."""
        if self.etag and not self.etag.startswith("W/"):
            return {"If-Match": self.etag}
        return {"If-Unmodified-Since": self.modified} if self.modified else {}


class _Options(NamedTuple):
    """What the files beside this one are opened with, too."""

    authorization: BearerToken | None
    ca: Path | None
    patience: float
    cancel: threading.Event | None
    on_wait: Callable[[str, float], None]


class HttpFile(RemoteFile):
    """A file read by ranges over HTTP or HTTPS; a server without ranges is refused.

    Redirections are followed, and remembered until where they lead refuses. Proxies are taken from
    the environment, authorities never when `ca` is given. Where the server says neither ETag nor
    Last-Modified, a change that keeps the size goes unnoticed during a copy, and the fingerprint
    is taken from the first and last 64 KiB.
    """

    workers = 8

    def __init__(  # noqa: PLR0913  # options, by keyword only
        self,
        url: str,
        *,
        authorization: BearerToken | None = None,
        ca: Path | None = None,
        patience: float = PATIENCE,
        cancel: threading.Event | None = None,
        on_wait: Callable[[str, float], None] = lambda detail, seconds: None,
    ) -> None:
        """Ask the server for the file's size; `patience` in seconds. Raises `EndError`.

        `authorization` is sent to `url`'s server only, `ca` is a PEM file.
        """
        super().__init__()
        self._address = HttpAddress.parse(url)
        self._options = _Options(authorization, ca, patience, cancel, on_wait)
        self._headers = self._own_headers(authorization)
        self.name = self.identity = self._address.name
        self._transport = HttpTransport(ca, min(_TIMEOUT, patience / 2))
        self._budget = RetryBudget(self.name, patience=patience, cancel=cancel, on_wait=on_wait)
        self._place = self._address
        self._version = _Version(None, None)
        self.size = -1
        try:
            self.size = self._budget.run(self._probe)
            self.fingerprint = self._take_fingerprint()
        except BaseException:
            self.close()
            raise

    def fetch(self, offset: int, view: memoryview) -> None:
        """See `RemoteFile.fetch`. Raises `EndError`."""
        done = 0

        def attempt() -> None:
            nonlocal done
            # What arrived before a connection broke need not be sent again.
            while done < len(view):
                done += self._fetch_some(offset + done, view[done:])

        self._budget.run(attempt)

    def stored(self, offset: int, length: int) -> Iterator[Extent]:
        """See `ImageFile.stored`; a web server does not tell of holes."""
        yield Extent(offset, length, ExtentKind.DATA)

    def beside(self, name: str) -> HttpFile | None:
        """See `RemoteFile.beside`; the query of the address is sent along."""
        options = self._options
        try:
            return HttpFile(self._address.beside(name).url, **options._asdict())
        except NotFoundError:
            return None

    def close(self) -> None:
        """See `ImageFile.close`."""
        self._transport.close()

    def _probe(self) -> int:
        """The file's size; its version is kept."""
        with self._answer(0, 1) as response:
            if response.status != http.client.PARTIAL_CONTENT:
                return 0
            self._version = _Version(
                response.getheader("ETag"), response.getheader("Last-Modified")
            )
            _, size = self._range(response, 0)
            response.read(1)
            return size

    def _fetch_some(self, offset: int, view: memoryview) -> int:
        with self._answer(offset, len(view)) as response:
            self._require_same(response)
            end, size = self._range(response, offset)
            if size != self.size:
                raise self._changed(f"it has {size} bytes now and had {self.size}")
            length, got = min(end - offset, len(view)), 0
            while got < length:
                more = response.readinto(view[got:length])
                if not more:
                    break
                got += more
            if not got:
                raise TransientError("the answer ended before its first byte")
            return got

    @contextlib.contextmanager
    def _answer(self, start: int, length: int) -> Iterator[http.client.HTTPResponse]:
        """The sound answer to a request for a range, wherever it leads."""
        asked = {
            "Range": f"bytes={start}-{start + length - 1}",
            "Accept-Encoding": "identity",
            "User-Agent": "imageport",
            **self._version.conditions(),
        }
        place = self._place
        remembered = place is not self._address
        for _ in range(_MOST_REDIRECTS + 1):
            own = self._headers if place.is_same_origin(self._address) else {}
            with self._transport.get(place, asked | own) as response:
                if response.status not in _REDIRECTS:
                    self._check(response, start, remembered)
                    self._place = place
                    yield response
                    return
                response.read(_SAMPLE)
                place = place.redirected(response.getheader("Location") or "")
                remembered = False
        raise self._unsuitable("its redirections do not end")

    def _check(self, response: http.client.HTTPResponse, offset: int, remembered: bool) -> None:
        """Raise what an answer that is no range of the file means."""
        status = response.status
        if status == http.client.PARTIAL_CONTENT:
            if response.getheader("Content-Encoding", "identity").lower() != "identity":
                raise self._unsuitable("its server compresses what it sends")
            return
        probing = self.size < 0
        if probing and _is_empty(response):
            return
        if status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and not probing:
            raise self._changed("it became shorter")
        if status == http.client.OK:
            self._require_same(response)
            raise self._unsuitable("its server does not send parts of files (ranges)")
        if status in _PASSING:
            wait = retry_after(response.getheader("Retry-After"))
            raise TransientError(f"the server says {status} {response.reason}", wait)
        error = self._refusal(response, offset)
        if remembered and isinstance(error, _STALE_LINK):
            self._place = self._address
            raise TransientError(f"where it was redirected to says {status} {response.reason}")
        raise error

    def _refusal(self, response: http.client.HTTPResponse, offset: int) -> EndError:
        detail = f"the server says {response.status} {response.reason}"
        match response.status:
            case 401 | 403 | 407:
                return DeniedError(file=self.name, detail=detail)
            case 404 | 410:
                return NotFoundError(file=self.name, detail=detail)
            case 412:
                return self._changed(detail)
        return RefusedError(file=self.name, offset=offset, detail=detail)

    def _range(self, response: http.client.HTTPResponse, start: int) -> tuple[int, int]:
        """(the byte after the range that is sent, size of the file); it begins at `start`."""
        said = response.getheader("Content-Range", "")
        found = _RANGE.fullmatch(said)
        if found is None:
            raise self._unsuitable(f"its server does not say what it sends ({said!r:.60})")
        first, last, size = map(int, found.groups())
        if first != start or not first <= last < size:
            raise self._unsuitable(f"asked for byte {start}, its server sends {said}")
        return last + 1, size

    def _require_same(self, response: http.client.HTTPResponse) -> None:
        for header, known in zip(("ETag", "Last-Modified"), self._version, strict=True):
            said = response.getheader(header)
            if None not in (known, said) and known != said:
                raise self._changed(f"its {header} is {said} and was {known}")

    def _take_fingerprint(self) -> str:
        version = self._version.etag or self._version.modified
        if version is None and self.size:
            sample = bytearray(min(_SAMPLE, self.size))
            digest = hashlib.sha256()
            for at in (0, self.size - len(sample)):
                self.fetch(at, memoryview(sample))
                digest.update(sample)
            version = digest.hexdigest()
        return f"{self.name}:{self.size}:{version}"

    def _own_headers(self, authorization: BearerToken | None) -> dict[str, str]:
        if authorization is None:
            return {}
        value = authorization.authorization
        if not _HEADER.fullmatch(value):
            # Said here: the library's own error would show the value.
            raise DeniedError(file=self._address.name, detail="the value to send is no header")
        return {"Authorization": value}

    def _changed(self, detail: str) -> ChangedError:
        return ChangedError(file=self.name, detail=detail)

    def _unsuitable(self, detail: str) -> UnsuitableError:
        return UnsuitableError(file=self.name, detail=detail)


def _is_empty(response: http.client.HTTPResponse) -> bool:
    """Whether the answer says that the file has no bytes: none can be asked for then."""
    if response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return response.getheader("Content-Range") == "bytes */0"
    return response.status == http.client.OK and response.getheader("Content-Length") == "0"
