"""Signature Version 4: who sent a request, and whether they know the secret.

The service's answer to a wrong key differs by protocol: JSON for EBS and KMS, XML for EC2 and STS.
"""

from __future__ import annotations

import hmac
import io
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY = "AKIALABLABLABLABLAB0"
SECRET_KEY = "lab-key-that-protects-nothing"  # noqa: S105  # of this lab alone, and no secret
EXPIRED_SESSION = "an-expired-session"
"""A session token that is known and no longer valid."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request, SignedHeaders=(?P<signed>[^,]+), Signature=(?P<signature>[0-9a-f]+)"
)


class Signed:
    """WSGI: passes on what is signed with the lab's key, refuses everything else."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        if found is None:
            return _refused("ebs", "MissingAuthenticationToken", start_response)
        service = found["service"]
        if found["key"] != ACCESS_KEY:
            return _refused(service, "UnrecognizedClientException", start_response)
        if environ.get("HTTP_X_AMZ_SECURITY_TOKEN") == EXPIRED_SESSION:
            return _refused(service, "ExpiredTokenException", start_response)
        if not hmac.compare_digest(found["signature"], _signature(environ, found)):
            return _refused(service, "InvalidSignatureException", start_response)
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


def _signature(environ: dict[str, Any], found: re.Match[str]) -> str:
    """The signature that the request should have."""
    names = found["signed"].split(";")
    headers = {name: _header(environ, name) for name in names}
    path = quote(environ["PATH_INFO"].encode("latin-1"))
    url = f"http://{environ['HTTP_HOST']}{path}?{environ.get('QUERY_STRING', '')}"
    body = b""
    if "x-amz-content-sha256" not in headers:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
    request = AWSRequest(environ["REQUEST_METHOD"], url, headers=headers, data=body)
    request.context["timestamp"] = headers.get("x-amz-date", "")
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), found["service"], found["region"])
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def _header(environ: dict[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    prefix = "" if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
    return str(environ.get(prefix + key, ""))


def _refused(service: str, code: str, start_response: Any) -> Iterable[bytes]:
    message = "The security token included in the request is invalid or expired."
    if service == "ec2":
        start_response("401 Unauthorized", [("Content-Type", "text/xml")])
        error = f"<Error><Code>AuthFailure</Code><Message>{message}</Message></Error>"
        return [f"<Response><Errors>{error}</Errors><RequestID>lab</RequestID></Response>".encode()]
    if service == "sts":
        start_response("403 Forbidden", [("Content-Type", "text/xml")])
        error = f"<Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>{message}</Message>"
        said = f"<Error>{error}</Error><RequestId>lab</RequestId>"
        return [f"<ErrorResponse>{said}</ErrorResponse>".encode()]
    if service == "kms":
        start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps({"__type": code, "message": message}).encode()]
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
    start_response("403 Forbidden", headers)
    return [json.dumps({"message": message}).encode()]
