"""Signing requests for blocks, in a tenth of the time that botocore takes.

Source: AWS Signature Version 4 ("Create a signed AWS API request", AWS IAM User Guide).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

from imageport.model.credentials import AwsKey

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_EMPTY = hashlib.sha256().hexdigest()


class Signer:
    """Signs for one service of a region, and one host; from any thread."""

    def __init__(self, key: AwsKey, service: str, region: str, host: str) -> None:
        """`host` is what the Host header says."""
        self._key, self._service, self._region, self._host = key, service, region, host
        self._derived = ("", b"")
        """A day, and the key that signs on it."""

    def signed(
        self, method: str, path: str, query: str, headers: dict[str, str], *, has_body: bool
    ) -> dict[str, str]:
        """`headers` with all that makes the request a signed one; a body itself is not signed.

        `path` and `query` are as they are sent; `query` has its parameters in order.
        """
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        sent = {**headers, "X-Amz-Date": now}
        if self._key.session_token:
            sent["X-Amz-Security-Token"] = self._key.session_token
        if has_body:
            sent["X-Amz-Content-SHA256"] = _UNSIGNED
        fields = {name.lower(): value for name, value in sent.items()} | {"host": self._host}
        order = sorted(fields)
        names = ";".join(order)
        lines = "".join([f"{name}:{' '.join(fields[name].split())}\n" for name in order])
        content = _UNSIGNED if has_body else _EMPTY
        canonical = f"{method}\n{quote(path, '/~')}\n{query}\n{lines}\n{names}\n{content}"
        scope = f"{now[:8]}/{self._region}/{self._service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = _hmac(self._of(now[:8]), f"{_ALGORITHM}\n{now}\n{scope}\n{digest}").hex()
        sent["Authorization"] = (
            f"{_ALGORITHM} Credential={self._key.access_key_id}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        return sent

    def _of(self, day: str) -> bytes:
        known, key = self._derived
        if known != day:
            key = f"AWS4{self._key.secret_access_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = _hmac(key, part)
            self._derived = (day, key)
        return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
