"""PutSnapshotBlock and GetSnapshotBlock, straight between the caller's buffer and the socket.

Source: Amazon EBS API reference (EBS direct APIs 2019-11-02); botocore's service model of `ebs`,
by which the body of PutSnapshotBlock is not signed.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError
from botocore.parsers import create_parser

from imageport.disk.ends.ebs.signature import Signer
from imageport.disk.ends.wire import Answer, Wire
from imageport.disk.manifest import BLOCK
from imageport.model.credentials import AwsKey


class Blocks:
    """Requests for blocks, from any thread; each raises what `errors.judged` tells apart."""

    def __init__(self, sdk: Any, key: AwsKey, ca: Path, timeout: float, connect: float) -> None:
        """`sdk` is the client whose endpoint, region and model count. Raises `OSError`."""
        self._model = sdk.meta.service_model
        endpoint = str(sdk.meta.endpoint_url).rstrip("/")
        self._prefix = urlsplit(endpoint).path
        self._parser = create_parser(self._model.metadata["protocol"])
        self._wire = Wire(endpoint, ca, timeout, connect)
        self._signer = Signer(key, "ebs", sdk.meta.region_name, self._wire.authority)

    def put(self, snapshot: str, block: int, data: bytes | memoryview, checksum: str) -> str | None:
        """Store a block; the checksum that the service confirms, if it does."""
        headers = {
            "Content-Type": "application/octet-stream",
            "x-amz-Checksum": checksum,
            "x-amz-Checksum-Algorithm": "SHA256",
            "x-amz-Data-Length": str(len(data)),
        }
        answer = self._send("PUT", _path(snapshot, block), headers, memoryview(data))
        self._whole(answer, "PutSnapshotBlock")
        return answer.headers.get("x-amz-checksum")

    def get(self, snapshot: str, block: int, token: str) -> tuple[bytes, str]:
        """A block, and the checksum that the service says it has."""
        query = f"blockToken={quote(token, safe='-_.~')}"
        answer = self._send("GET", _path(snapshot, block), {}, None, query)
        data = self._whole(answer, "GetSnapshotBlock")
        return data, answer.headers.get("x-amz-checksum", "")

    def close(self) -> None:
        """Close idle connections; safe to repeat."""
        self._wire.close()

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: memoryview | None,
        query: str = "",
    ) -> Answer:
        path = self._prefix + path
        signed = self._signer.signed(method, path, query, headers, has_body=body is not None)
        return self._wire.request(method, f"{path}?{query}" if query else path, signed, body)

    def _whole(self, answer: Answer, operation: str) -> bytes:
        body = answer.read()
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return body
        # The SDK's own parser: errors of blocks and of control look the same to `judged`.
        response = {"status_code": answer.status, "headers": answer.headers, "body": body}
        said = self._parser.parse(response, None)
        shape = self._model.shape_for_error_code(said.get("Error", {}).get("Code", ""))
        if shape is not None:
            said.update(self._parser.parse(response, shape))
        raise ClientError(said, operation)


def _path(snapshot: str, block: int) -> str:
    return f"/snapshots/{quote(snapshot, safe='-_.~')}/blocks/{block}"


def whole(data: memoryview) -> bytes | memoryview:
    """A block as the service takes it: the end of a disk is padded with zeros."""
    return data if len(data) == BLOCK else bytes(data).ljust(BLOCK, b"\0")
