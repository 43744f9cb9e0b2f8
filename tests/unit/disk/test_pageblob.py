"""Page blobs: addresses, signatures and refusals, without a service."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from imageport.disk.ends.errors import (
    AddressError,
    ChangedError,
    DeniedError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
)
from imageport.disk.ends.pageblob.address import (
    BlobAddress,
    Grant,
    redact_logs,
    redacted,
    split_signature,
)
from imageport.disk.ends.pageblob.checksum import Checksum
from imageport.disk.ends.pageblob.failures import ArrivedDamagedError, LeaseLostError, Refusal
from imageport.disk.ends.retry import TransientError
from imageport.disk.errors import TargetExistsError
from imageport.model.credentials import AzureSas

GRANT = Grant("rw", None, None, "b")


def test_signature_is_no_part_of_the_address() -> None:
    address, sas = split_signature("https://a.blob.core.windows.net/c/d.vhd?sv=1&sig=s%2Bx&sp=r")
    assert address == "https://a.blob.core.windows.net/c/d.vhd"
    assert sas == AzureSas("sv=1&sig=s%2Bx&sp=r")
    assert "s%2Bx" not in repr(sas)
    assert split_signature(address) == (address, None)


@pytest.mark.parametrize(
    ("text", "origin", "path"),
    [
        (
            "https://a.blob.core.windows.net/c/f o/d.vhd?sig=x",
            "https://a.blob.core.windows.net",
            "/c/f%20o/d.vhd",
        ),
        ("http://127.0.0.1:10000/acc/c/d%20e", "http://127.0.0.1:10000", "/acc/c/d%20e"),
        ("http://[::1]:8/acc/c/d", "http://[::1]:8", "/acc/c/d"),
    ],
)
def test_address_parts(text: str, origin: str, path: str) -> None:
    address = BlobAddress.parse(text)
    assert (address.origin, address.path) == (origin, path)
    assert "sig" not in str(address)


@pytest.mark.parametrize(
    "text", ["ftp://a/c/d", "https://a.blob.core.windows.net/c?sig=geheim", "c/d", "https:///c/d"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        BlobAddress.parse(text)
    assert "geheim" not in str(caught.value.as_dict())


@pytest.mark.parametrize(
    ("host", "managed"),
    [
        ("md-impexp-0abc.blob.core.windows.net", True),
        ("md-0abc.z12.blob.storage.azure.net", True),
        ("mdisks.blob.core.windows.net", False),
        ("account.blob.core.windows.net", False),
    ],
)
def test_managed_disks_are_known_by_their_account(host: str, managed: bool) -> None:
    assert BlobAddress.parse(f"https://{host}/abc/abcd").managed_disk is managed


def test_name_beside_is_one_name() -> None:
    address = BlobAddress.parse("https://a.blob.core.windows.net/c/f/d.vhd")
    assert str(address.beside("e/..#.vhd")).endswith("/c/f/e%2F..%23.vhd")


def test_redaction() -> None:
    text = "GET https://a/c/d?sv=1&sig=abc%2Fdef%3D&se=2 and '/c/d?SIG=xyz' failed"
    assert "abc" not in redacted(text)
    assert "xyz" not in redacted(text)
    assert "&se=2" in redacted(text)


def test_logs_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    redact_logs()
    redact_logs()
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug('"%s %s" 201', "PUT", "/c?sig=geheim&a=1")
    assert "geheim" not in caplog.text
    assert "&a=1" in caplog.text
    assert len(logging.getLogger("urllib3.connectionpool").filters) == 1


def test_crc64_is_the_one_of_azure() -> None:
    """Check value of CRC-64/NVME: ae8b14860a799888 for the nine digits; sent little-endian."""
    assert Checksum.CRC64.of(b"123456789") == "iJh5CoYUi64="
    assert Checksum.MD5.of(memoryview(b"")) == "1B2M2Y8AsgTpgAmY7PhCfg=="
    assert Checksum.CRC64.header == "x-ms-content-crc64"
    assert Checksum.MD5.request_header == "x-ms-range-get-content-md5"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "Md5Mismatch", ArrivedDamagedError),
        (400, "Crc64Mismatch", ArrivedDamagedError),
        (400, "InvalidHeaderValue", RefusedError),
        (401, "NoAuthenticationInformation", DeniedError),
        (403, "AuthenticationFailed", DeniedError),
        (403, "AuthorizationPermissionMismatch", DeniedError),
        (404, "BlobNotFound", NotFoundError),
        (409, "BlobAlreadyExists", TargetExistsError),
        (409, "InvalidBlobType", RefusedError),
        (409, "LeaseAlreadyPresent", LeaseLostError),
        (412, "ConditionNotMet", ChangedError),
        (412, "LeaseIdMissing", LeaseLostError),
        (413, "RequestBodyTooLarge", RefusedError),
        (416, "InvalidPageRange", RefusedError),
        (429, "", TransientError),
        (500, "InternalError", TransientError),
        (500, "OperationTimedOut", TransientError),
        (500, "FeatureNotSupported", RefusedError),
        (503, "ServerBusy", TransientError),
        (507, "", NoSpaceError),
        (409, "AccountLimitExceeded", NoSpaceError),
    ],
)
def test_refusals(status: int, code: str, kind: type[Exception]) -> None:
    error = Refusal(status, {"x-ms-error-code": code}).error("https://a/c/d", 4096, GRANT)
    assert type(error) is kind
    if isinstance(error, RefusedError):
        assert error.data["offset"] == 4096


def test_wait_that_the_service_asks_for() -> None:
    error = Refusal(503, {"retry-after": "7"}).error("n", 0, GRANT)
    assert isinstance(error, TransientError)
    assert error.retry_after == 7


def test_words_of_a_refusal() -> None:
    body = (
        b'<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code><Message>Server failed.\n'
        b"RequestId:1</Message><AuthenticationErrorDetail>Signature not valid: /c/d?sig=geheim"
        b"</AuthenticationErrorDetail></Error>"
    )
    words = Refusal(403, {"x-ms-error-code": "AuthenticationFailed"}, body).words
    assert words.startswith("AuthenticationFailed: Server failed: Signature not valid")
    assert "geheim" not in words
    assert "RequestId" not in words
    assert Refusal(418, {}).words == "HTTP status 418"


def test_why_a_signature_is_denied() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    grant = Grant.of(AzureSas("?sp=r&st=2026-03-01T11:00:00Z&se=2026-03-01T13:00:00Z&sr=b&sig=x"))
    assert grant == Grant("r", now - timedelta(hours=1), now + timedelta(hours=1), "b")
    assert grant.why_denied(now, now) == 'it grants "r"'
    late, early = now + timedelta(hours=2), now - timedelta(hours=2)
    assert grant.why_denied(late, None) == "it expired at 2026-03-01 13:00:00 UTC"
    assert grant.why_denied(early, None) == "it is valid from 2026-03-01 11:00:00 UTC on"
    # The service's clock decides, and ours may be wrong.
    assert "expired" not in grant.why_denied(late, now)
    assert "120 minutes ahead of" in grant.why_denied(late, now)
    assert Grant.of(AzureSas("se=never")).expires is None
    assert Grant.of(AzureSas("se=2026-03-01")).expires == datetime(2026, 3, 1, tzinfo=UTC)
