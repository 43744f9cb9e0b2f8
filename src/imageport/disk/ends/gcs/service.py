"""What we ask of Cloud Storage: Google's SDK for control, plain requests for data.

Source: Cloud Storage JSON API v1 ("Objects", "Uploading objects", "Request preconditions"). Every
request may be repeated: what creates or deletes names the generation that it expects.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from google.cloud import storage

from imageport.disk.base import MIB
from imageport.disk.ends.errors import RefusedError
from imageport.disk.ends.gcs import checksum
from imageport.disk.ends.gcs.failures import raise_for, translated
from imageport.disk.ends.gcs.place import GcsPlace
from imageport.disk.ends.gcs.session import TIMEOUT, Sessions
from imageport.disk.ends.retry import RetryBudget, TransientError

T = TypeVar("T")

MAX_SOURCES = 32
"""Objects of one compose request."""
CHUNK_UNIT = 256 * 1024
"""Bytes of which the parts of a resumable upload, but for the last, are multiples."""
_READ = MIB // 4


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the service describes it; sizes in bytes."""

    name: str
    generation: int
    size: int
    crc32c: int | None
    md5: bytes | None
    """None for an object that was composed."""
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, said: dict[str, Any]) -> StoredObject:
        """From the JSON resource."""
        md5 = said.get("md5Hash")
        return cls(
            name=said["name"],
            generation=int(said["generation"]),
            size=int(said["size"]),
            crc32c=checksum.decoded(said.get("crc32c")),
            md5=base64.b64decode(md5) if md5 else None,
            metadata=dict(said.get("metadata") or {}),
        )


class Body:
    """Pieces sent one after the other, as often as needed, without being joined."""

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        self._pieces = pieces
        self._size = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return iter(self._pieces)


class GcsService:
    """The objects of one bucket. Methods raise `EndError`; from any thread."""

    def __init__(self, place: GcsPlace, budget: RetryBudget) -> None:
        self.place = place
        self.budget = budget
        self.sessions = Sessions(place)
        self._client = storage.Client(
            project="imageport",  # names nothing: only buckets are made in a project
            credentials=self.sessions.credentials,
            client_options={"api_endpoint": place.endpoint},
            _http=self.sessions,
        )
        # Its telemetry would ask for the bucket, by a thread of its own, with its own retries and
        # with a right (storage.buckets.get) that nothing else here needs.
        self._client._bucket_metadata_cache = None
        self._bucket = self._client.bucket(place.bucket)
        self._upload = f"{place.endpoint}/upload/storage/v1/b/{quote(place.bucket)}/o"

    def close(self) -> None:
        """Close every connection; safe to repeat."""
        self.sessions.close()

    def find(self, name: str) -> StoredObject | None:
        """The object's live generation."""

        def ask() -> StoredObject | None:
            blob = self._bucket.get_blob(name, timeout=TIMEOUT, retry=None)
            return StoredObject.of(blob._properties) if blob is not None else None

        return self._run(ask)

    def list(self, prefix: str) -> list[StoredObject]:
        """The objects whose names begin with `prefix`, in the order of their names."""

        def ask() -> list[StoredObject]:
            blobs = self._client.list_blobs(
                self._bucket, prefix=prefix, timeout=TIMEOUT, retry=None
            )
            return [StoredObject.of(blob._properties) for blob in blobs]

        return self._run(ask)

    def compose(
        self,
        sources: Sequence[StoredObject],
        name: str,
        *,
        generation: int,
        metadata: dict[str, str] | None = None,
        storage_class: str | None = None,
    ) -> StoredObject:
        """Make `name` of at most 32 sources. Raises `PreconditionError`.

        `generation` is the one that is replaced, 0 for none.
        """

        def ask() -> StoredObject:
            blob = self._bucket.blob(name)
            blob.content_type = _content_type(self.place.object)
            if storage_class is not None:
                blob.storage_class = storage_class
            if metadata is not None:
                blob.metadata = metadata
            blob.compose(
                [self._bucket.blob(each.name, generation=each.generation) for each in sources],
                if_generation_match=generation,
                timeout=TIMEOUT,
                retry=None,
            )
            return StoredObject.of(blob._properties)

        return self._run(ask)

    def delete(self, name: str, generation: int) -> None:
        """Delete one generation of an object; one that is gone is none to delete."""

        def ask() -> None:
            response = self.sessions.request(
                "DELETE",
                f"{self._object_url(name)}?generation={generation}",
            )
            if response.status_code not in (200, 204, 404):
                raise_for(response, self.place.name)

        self._run(ask)

    def create(
        self, name: str, pieces: Sequence[bytes], crc: int, *, storage_class: str
    ) -> StoredObject:
        """Upload a new object in one request. Raises `PreconditionError` when there is one.

        The service compares the CRC and stores nothing when it differs (`crc32c` of the metadata
        in a multipart upload). A damaged upload is a `TransientError` within the budget.
        """
        metadata = {"name": name, "crc32c": checksum.encoded(crc), "storageClass": storage_class}
        boundary = secrets.token_hex(24)
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(metadata)}\r\n--{boundary}\r\n"
            f"Content-Type: application/octet-stream\r\n\r\n"
        )
        body = Body([head.encode(), *pieces, f"\r\n--{boundary}--\r\n".encode()])
        headers = {"Content-Type": f"multipart/related; boundary={boundary}"}
        url = f"{self._upload}?uploadType=multipart&ifGenerationMatch=0"

        def ask() -> StoredObject:
            response = self.sessions.request("POST", url, data=body, headers=headers)
            if response.status_code == 400 and "crc32c" in response.text.lower():
                raise TransientError("the data was damaged on its way to the service")
            return self._stored(response)

        return self._run(ask)

    def read(self, stored: StoredObject, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset` of that generation; its CRC. Raises `NotFoundError`.

        What had come before a connection was cut is kept; the rest is asked for.
        """
        url = f"{self._media_url(stored.name)}?alt=media&generation={stored.generation}"
        done = crc = 0

        def ask() -> None:
            nonlocal done, crc
            first, last = offset + done, offset + len(view) - 1
            headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "gzip"}
            with self.sessions.request("GET", url, headers=headers, stream=True) as response:
                if response.status_code not in (200, 206):
                    raise_for(response, self.place.name, first)
                self._require_range(response, first, last, stored.size)
                while done < len(view):
                    # Undecoded: what is stored compressed is read as it is stored.
                    data = response.raw.read(min(_READ, len(view) - done), decode_content=False)
                    if not data:
                        raise TransientError("the answer was too short")
                    view[done : done + len(data)] = data
                    crc = checksum.extend(crc, data)
                    done += len(data)

        self._run(ask, offset)
        return crc

    def begin(self, name: str, generation: int, metadata: dict[str, str]) -> str:
        """Begin a resumable upload that replaces `generation` (0: nothing); its secret address."""
        url = f"{self._upload}?uploadType=resumable&ifGenerationMatch={generation}"
        resource = {"name": name, "contentType": _content_type(name), "metadata": metadata}

        def ask() -> str:
            response = self.sessions.request("POST", url, json=resource)
            if response.status_code not in (200, 201) or "Location" not in response.headers:
                raise_for(response, self.place.name)
            return response.headers["Location"]

        return self._run(ask)

    def put(
        self, session: str, pieces: Sequence[bytes | memoryview], span: str, crc: int | None = None
    ) -> int | StoredObject:
        """Send a part of a resumable upload, once; how much the service has, or the object.

        `span` is the Content-Range, such as `bytes 0-99/*`, or `bytes */*` to ask only. Raises
        `TransientError`, `PreconditionError`, `NotFoundError` for a session that is gone.
        """
        headers = {"Content-Range": span}
        if crc is not None:
            headers["X-Goog-Hash"] = f"crc32c={checksum.encoded(crc)}"
        with translated(self.place.name):
            # An empty `Body` would be sent in chunks, without its length.
            body = Body(pieces) if pieces else b""
            response = self.sessions.request("PUT", session, data=body, headers=headers)
            if response.status_code == 308:
                return _confirmed(response)
            return self._stored(response)

    def cancel(self, session: str) -> None:
        """Forget a resumable upload; 499 is the answer of success."""

        def ask() -> None:
            response = self.sessions.request("DELETE", session, headers={"Content-Length": "0"})
            if response.status_code not in (200, 204, 404, 410, 499):
                raise_for(response, self.place.name)

        self._run(ask)

    def _run(self, ask: Callable[[], T], offset: int = 0) -> T:
        def attempt() -> T:
            with translated(self.place.name, offset):
                return ask()

        return self.budget.run(attempt)

    def _object_url(self, name: str) -> str:
        return f"{self.place.endpoint}/storage/v1/b/{quote(self.place.bucket)}/o/{quote(name, '')}"

    def _media_url(self, name: str) -> str:
        path = f"/download/storage/v1/b/{quote(self.place.bucket)}/o/{quote(name, '')}"
        return self.place.endpoint + path

    def _stored(self, response: requests.Response) -> StoredObject:
        if response.status_code not in (200, 201):
            raise_for(response, self.place.name)
        try:
            return StoredObject.of(response.json())
        except (ValueError, KeyError, TypeError) as error:
            raise TransientError("the answer was not understood") from error

    def _require_range(self, response: requests.Response, first: int, last: int, size: int) -> None:
        whole = (first, last) == (0, size - 1)
        said = response.headers.get("Content-Range", "")
        if response.status_code == 206 and said.split("/")[0] == f"bytes {first}-{last}":
            return
        if response.status_code == 200 and whole:
            return
        detail = f"another range than bytes {first} to {last} was answered"
        raise RefusedError(file=self.place.name, offset=first, detail=detail)


def _content_type(name: str) -> str:
    return "application/gzip" if name.endswith(".gz") else "application/octet-stream"


def _confirmed(response: requests.Response) -> int:
    """How many bytes the service has for good: a 308's Range, which is missing for none."""
    _, _, last = response.headers.get("Range", "").rpartition("-")
    return int(last) + 1 if last.isdigit() else 0
