"""PutSnapshotBlock and GetSnapshotBlock, straight between the caller's buffer and the socket.

Source: Amazon EBS API reference (EBS direct APIs 2019-11-02); botocore's service model of `ebs`,
by which the body of PutSnapshotBlock is not signed; AWS Signature Version 4, as botocore makes it.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.parsers import create_parser

from imageport.disk.ends.wire import Answer, Wire
from imageport.disk.manifest import BLOCK
from imageport.model.credentials import AwsKey


class Blocks:
    """Requests for blocks, from any thread; each raises what `errors.judged` tells apart."""

    def __init__(self, sdk: Any, key: AwsKey, ca: Path, timeout: float, connect: float) -> None:
        """`sdk` is the client whose endpoint, region and model count. Raises `OSError`."""
        self._model = sdk.meta.service_model
        self._endpoint = str(sdk.meta.endpoint_url).rstrip("/")
        credentials = Credentials(key.access_key_id, key.secret_access_key, key.session_token)
        self._signer = SigV4Auth(credentials, "ebs", sdk.meta.region_name)
        self._parser = create_parser(self._model.metadata["protocol"])
        self._wire = Wire(self._endpoint, ca, timeout, connect)

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
        target = f"{_path(snapshot, block)}?blockToken={quote(token, safe='-_.~')}"
        answer = self._send("GET", target, {}, None)
        data = self._whole(answer, "GetSnapshotBlock")
        return data, answer.headers.get("x-amz-checksum", "")

    def close(self) -> None:
        """Close idle connections; safe to repeat."""
        self._wire.close()

    def _send(
        self, method: str, target: str, headers: dict[str, str], body: memoryview | None
    ) -> Answer:
        request = AWSRequest(method, self._endpoint + target, headers)
        if body is not None:
            request.context["payload_signing_enabled"] = False
        self._signer.add_auth(request)
        parts = urlsplit(request.url)
        asked = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._wire.request(method, asked, dict(request.headers.items()), body)

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
