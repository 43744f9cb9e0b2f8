"""Azurite, Microsoft's emulator of Azure Storage, and what the real service refuses beyond it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import (
    BlobClient,
    BlobLeaseClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    generate_blob_sas,
)
from azure.storage.extensions.checksums import crc64

from imageport.model.credentials import AzureSas
from tests.contract.ends.faults import HttpFaults

ACCOUNT = "devstoreaccount1"
# Azurite's own, printed in its manual: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "images"
VERSION = "2023-11-03"
_PROGRAM = Path(__file__).parents[3] / "lab/azure/node_modules/.bin/azurite-blob"
_PAGE_LIMIT = 4 << 20
_STATUS = {"InvalidPageRange": 416, "RequestBodyTooLarge": 413}
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class Azurite:
    """The emulator with one container, and its view by Microsoft's own client with the key."""

    def __init__(self, port: int) -> None:
        self.port = port
        service = BlobServiceClient(
            f"http://127.0.0.1:{port}/{ACCOUNT}", credential=KEY, api_version=VERSION
        )
        self.container: ContainerClient = service.get_container_client(CONTAINER)

    def blob(self, name: str) -> BlobClient:
        return self.container.get_blob_client(name)

    def names(self) -> list[str]:
        return [blob.name for blob in self.container.list_blobs(include=["snapshots"])]

    def empty(self) -> None:
        for blob in list(self.container.list_blobs()):
            client = self.blob(blob.name)
            # A copy whose peer vanished leaves its lease behind, to end by itself.
            with contextlib.suppress(ResourceExistsError):
                BlobLeaseClient(client).break_lease(0)
            client.delete_blob(delete_snapshots="include")


def signature(
    name: str,
    permissions: str = "rcwd",
    *,
    starts: float = -1.0,
    hours: float = 1.0,
    snapshot: str | None = None,
) -> AzureSas:
    """A signature for one blob, or its snapshot, from `starts` to `hours` hours from now."""
    now = datetime.now(UTC)
    return AzureSas(
        generate_blob_sas(
            ACCOUNT,
            CONTAINER,
            name,
            account_key=KEY,
            snapshot=snapshot,
            permission=BlobSasPermissions.from_string(permissions),
            start=now + timedelta(hours=starts),
            expiry=now + timedelta(hours=hours),
        )
    )


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """Run the emulator on a free port until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(_PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent"]
    command += ["--disableTelemetry", "--skipApiVersionCheck", "--loose", "--location", str(folder)]
    with open(folder / "azurite.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "azurite.log")
        peer = Azurite(port)
        peer.container.create_container()
        yield peer
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError(f"Azurite does not start: {log.read_text()}")


class StrictBlobs(HttpFaults):
    """Refuses what the Blob service refuses and Azurite takes; adds the CRC-64 it does not know.

    By "Put Page" and "Get Blob" of the REST API: pages of whole sectors, at most 4 MiB, within the
    blob; checksums; ranges of at most 4 MiB where a checksum is asked for.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.scheme = "http"
        self.refused: list[str] = []
        self._asked = threading.local()
        """What the request of this thread, which `intervene` has seen, asked for."""
        self._sizes: dict[str, int] = {}
        self._sizes_lock = threading.Lock()

    def serve_tls(self, certificate: Path, key: Path) -> None:
        """Speak TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "https"

    def address_of(self, name: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{ACCOUNT}/{CONTAINER}/{name}"

    def pages_written(self) -> int:
        """Bytes of pages that went to the peer."""
        with self.lock:
            return sum(each.sent for each in self.requests if "comp=page&" in each.path + "&")

    def intervene(
        self, method: str, path: str, headers: Message, body: bytes
    ) -> tuple[int, dict[str, str], bytes] | None:
        self._asked.crc64 = headers.get("x-ms-range-get-content-crc64") == "true"
        comp = parse_qs(urlsplit(path).query).get("comp", [""])[0]
        if method == "PUT" and (length := headers.get("x-ms-blob-content-length")):
            with self._sizes_lock:
                self._sizes[urlsplit(path).path] = int(length)
        refusal = None
        if method == "PUT" and comp == "page":
            refusal = self._judge_page(urlsplit(path).path, headers, body)
        elif method == "GET" and not comp:
            refusal = _judge_read(headers)
        if refusal is None:
            return None
        status, code = refusal
        self.refused.append(code)
        text = f"<Error><Code>{code}</Code><Message>Strict: {code}.\nRequestId:0</Message></Error>"
        return status, {"x-ms-error-code": code, "Content-Type": "application/xml"}, text.encode()

    def _judge_page(self, path: str, headers: Message, body: bytes) -> tuple[int, str] | None:
        start, end = _range(headers)
        with self._sizes_lock:
            size = self._sizes.get(path)
        faults = {"InvalidPageRange": start % 512 or (end + 1) % 512 or (size and end >= size)}
        if headers["x-ms-page-write"] == "update":
            faults |= {
                "RequestBodyTooLarge": len(body) > _PAGE_LIMIT,
                "InvalidHeaderValue": len(body) != end + 1 - start,
                "Md5Mismatch": headers.get("Content-MD5", _md5(body)) != _md5(body),
                "Crc64Mismatch": headers.get("x-ms-content-crc64", _crc64(body)) != _crc64(body),
            }
        code = next((code for code, found in faults.items() if found), None)
        return (_STATUS.get(code, 400), code) if code else None

    def amend(
        self, method: str, path: str, status: int, headers: dict[str, str], data: bytes
    ) -> tuple[dict[str, str], bytes]:
        if method == "GET" and status in (200, 206) and self._asked.crc64:
            headers["x-ms-content-crc64"] = _crc64(data)
        return headers, data


def _judge_read(headers: Message) -> tuple[int, str] | None:
    asked = [kind for kind in ("md5", "crc64") if headers.get(f"x-ms-range-get-content-{kind}")]
    start, end = _range(headers)
    if len(asked) > 1 or (asked and end + 1 - start > _PAGE_LIMIT):
        return 400, "InvalidHeaderValue"
    return None


def _range(headers: Message) -> tuple[int, int]:
    match = _RANGE.match(headers.get("x-ms-range") or headers.get("Range") or "bytes=0-511")
    assert match
    return int(match[1]), int(match[2])


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _crc64(data: bytes) -> str:
    return base64.b64encode(crc64.compute(data, 0).to_bytes(8, "little")).decode()
