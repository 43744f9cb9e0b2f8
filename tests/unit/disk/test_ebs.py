"""What the EBS end remembers, and how it tells the SDK's errors apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from imageport.disk.ends.ebs.api import EbsAccount, EbsApi
from imageport.disk.ends.ebs.errors import StaleTokenError, judged
from imageport.disk.ends.ebs.pending import Pending, PutBlocks
from imageport.disk.ends.errors import (
    DeniedError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from imageport.disk.ends.retry import TransientError
from imageport.disk.manifest import ZERO_LEAF
from imageport.model.credentials import AwsKey

URL = "https://ebs/snapshots/snap-1/blocks/1?blockToken=hidden"


def _answer(code: str, status: int, reason: str = "", after: str | None = None) -> ClientError:
    headers = {} if after is None else {"retry-after": after}
    meta = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    error = {"Code": code, "Message": "words of the service"}
    return ClientError({"Error": error, "ResponseMetadata": meta, "Reason": reason}, "Any")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_answer("RequestThrottledException", 400), TransientError),
        (_answer("ConcurrentLimitExceededException", 400), TransientError),
        (_answer("Anything", 429), TransientError),
        (_answer("InternalServerException", 500), TransientError),
        (_answer("503", 503), TransientError),
        (_answer("AccessDeniedException", 403), DeniedError),
        (_answer("RequestExpired", 400), DeniedError),
        (_answer("AuthFailure", 401), DeniedError),
        (_answer("ServiceQuotaExceededException", 402), NoSpaceError),
        (_answer("SnapshotLimitExceeded", 400), NoSpaceError),
        (_answer("ResourceNotFoundException", 404), NotFoundError),
        (_answer("InvalidSnapshot.NotFound", 400), NotFoundError),
        (_answer("ValidationException", 400, "INVALID_BLOCK"), RefusedError),
        (_answer("ValidationException", 400, "INVALID_BLOCK_TOKEN"), StaleTokenError),
        (_answer("ValidationException", 400, "INVALID_PAGE_TOKEN"), StaleTokenError),
        (EndpointConnectionError(endpoint_url=URL), TransientError),
        (ReadTimeoutError(endpoint_url=URL), TransientError),
        (ResponseParserError(URL), TransientError),
        (SSLError(endpoint_url=URL, error="EOF occurred"), TransientError),
        (SSLError(endpoint_url=URL, error="CERTIFICATE_VERIFY_FAILED"), UnreachableError),
        (ParamValidationError(report="no such parameter"), RefusedError),
    ],
    ids=str,
)
def test_errors_are_told_apart(error: Exception, kind: type[Exception]) -> None:
    found = judged(error, "ebs://here/snap-1", 512)
    assert type(found) is kind
    assert "hidden" not in str(found)


def test_retry_after_is_passed_on() -> None:
    found = judged(_answer("RequestThrottledException", 400, after="7"), "ebs", 0)
    assert isinstance(found, TransientError)
    assert found.retry_after == 7


@pytest.mark.parametrize(("region", "endpoint"), [("not a region", None), ("eu-west-1", "no url")])
def test_addresses_that_are_none(region: str, endpoint: str | None) -> None:
    with pytest.raises(RefusedError):
        EbsApi(EbsAccount(region, AwsKey("id", "key"), endpoint=endpoint), "ebs")


def _leaf(number: int) -> bytes:
    return hashlib.sha256(bytes([number])).digest()


def test_linear_checksum_is_in_the_order_of_the_blocks(tmp_path: Path) -> None:
    blocks = PutBlocks(tmp_path / "blocks", "snap-1", 4000)
    for block, leaf in ((3000, _leaf(1)), (5, ZERO_LEAF), (6, _leaf(2)), (6, _leaf(3))):
        blocks.add(block, leaf)
    assert blocks.count == 3
    assert blocks.linear_checksum() == hashlib.sha256(ZERO_LEAF + _leaf(3) + _leaf(1)).digest()
    blocks.remove()


def test_recorded_blocks_are_known_again(tmp_path: Path) -> None:
    blocks = PutBlocks(tmp_path / "blocks", "snap-1", 100)
    blocks.add(7, _leaf(1))
    blocks.add(8, ZERO_LEAF)
    blocks.sync()
    blocks.add(9, _leaf(1))
    blocks.close()
    with open(tmp_path / "blocks", "ab") as file:
        file.write(b"half a record")
    again = PutBlocks(tmp_path / "blocks", "snap-1", 100)
    assert [block for block in range(100) if block in again] == [7, 8]
    assert again.holds(7, _leaf(1))
    assert not again.holds(7, _leaf(2))
    assert again.holds(8, ZERO_LEAF)
    assert not again.holds(9, ZERO_LEAF)
    again.close()
    other = PutBlocks(tmp_path / "blocks", "snap-2", 100)
    assert other.count == 0
    other.remove()
    assert list(tmp_path.iterdir()) == []


def test_state_that_is_damaged_is_none(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert Pending.load(path) is None
    Pending({"ClientToken": "x"}, "snap-1", encrypted=True).save(path)
    assert Pending.load(path) == Pending({"ClientToken": "x"}, "snap-1", encrypted=True)
    for content in (b"", b"[1]", b'{"more": 1}', b"\xff"):
        path.write_bytes(content)
        assert Pending.load(path) is None
