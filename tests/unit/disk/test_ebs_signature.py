"""Signatures of requests for blocks, beside those that botocore makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from imageport.disk.ends.ebs import signature
from imageport.disk.ends.ebs.signature import Signer
from imageport.model.credentials import AwsKey

NOON = datetime(2026, 11, 25, 12, 0, 1, tzinfo=UTC)


def at(moment: datetime, patch: pytest.MonkeyPatch) -> None:
    """Let both look at the same clock."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return moment

    patch.setattr(signature, "datetime", Clock)
    patch.setattr(botocore.auth, "get_current_datetime", lambda: moment)


@pytest.mark.parametrize("token", [None, "a//session+token=="])
@pytest.mark.parametrize("host", ["ebs.eu-west-1.amazonaws.com", "127.0.0.1:8443", "[::1]:8443"])
@pytest.mark.parametrize(
    "path", ["/snapshots/snap-0/blocks/7", "/prefix/snapshots/s%2F%20/blocks/0"]
)
def test_they_are_botocores(
    monkeypatch: pytest.MonkeyPatch, token: str | None, host: str, path: str
) -> None:
    signer = Signer(AwsKey("AKID", "secret/+", token), "ebs", "eu-west-1", host)
    theirs = SigV4Auth(Credentials("AKID", "secret/+", token), "ebs", "eu-west-1")
    put = {
        "Content-Type": "application/octet-stream",
        "x-amz-Checksum": "abc+/=",
        "x-amz-Data-Length": "524288",
    }
    # The second day has another key.
    for moment in (NOON, NOON + timedelta(hours=1), NOON + timedelta(days=1)):
        at(moment, monkeypatch)
        for method, query, headers in (("PUT", "", put), ("GET", "blockToken=a%2Bb~c", {})):
            url = f"https://{host}{path}?{query}" if query else f"https://{host}{path}"
            request = AWSRequest(method, url, headers)
            if method == "PUT":
                request.context["payload_signing_enabled"] = False
            theirs.add_auth(request)
            ours = signer.signed(method, path, query, headers, has_body=method == "PUT")
            assert ours == dict(request.headers.items())
