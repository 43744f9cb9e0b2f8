"""The lab's AWS refuses what the service is documented to refuse, asked by Amazon's own SDK."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lab.aws.process import LabProcess
from lab.aws.signature import ACCESS_KEY, EXPIRED_SESSION, SECRET_KEY

BLOCK = 512 * 1024
DATA = bytes(range(256)) * 2048


def _encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Aws:
    """The two clients, and what snapshots are made of."""

    def __init__(self, lab: LabProcess) -> None:
        self.lab = lab
        self.ebs, self.ec2 = self.client("ebs"), self.client("ec2")

    def client(self, service: str, **key: str) -> Any:
        given = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY} | key
        config = Config(retries={"total_max_attempts": 1})
        return boto3.client(
            service, endpoint_url=self.lab.url, region_name="eu-west-1", config=config, **given
        )

    def start(self, **options: object) -> str:
        return str(self.ebs.start_snapshot(**{"VolumeSize": 1, **options})["SnapshotId"])

    def put(self, snapshot: str, block: int = 0, data: bytes = DATA, **said: object) -> None:
        request = {
            "SnapshotId": snapshot,
            "BlockIndex": block,
            "BlockData": data,
            "DataLength": len(data),
            "Checksum": _encoded(_sha(data)),
            "ChecksumAlgorithm": "SHA256",
        }
        self.ebs.put_snapshot_block(**request | said)

    def complete(self, snapshot: str, count: int, **said: object) -> None:
        self.ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=count, **said)

    def made(self, *blocks: int, **options: object) -> str:
        """A completed snapshot."""
        snapshot = self.start(**options)
        for block in blocks:
            self.put(snapshot, block)
        self.complete(snapshot, len(blocks))
        return snapshot


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    with LabProcess(tmp_path_factory.mktemp("aws")) as process:
        yield process


@pytest.fixture
def aws(lab: LabProcess) -> Aws:
    return Aws(lab)


def _refused(code: str, ask: Callable[[], object], reason: str | None = None) -> None:
    with pytest.raises(ClientError) as caught:
        ask()
    answer = caught.value.response
    assert answer["Error"]["Code"] == code
    assert reason is None or answer["Reason"] == reason


def test_blocks_that_are_none(aws: Aws) -> None:
    snapshot = aws.start()
    for ask in (
        lambda: aws.put(snapshot, 0, DATA[:-1]),
        lambda: aws.put(snapshot, 0, DATA + b"x"),
        lambda: aws.put(snapshot, 0, DataLength=BLOCK - 1),
        lambda: aws.put(snapshot, 0, Checksum=_encoded(_sha(b"else"))),
        lambda: aws.put(snapshot, (1 << 30) // BLOCK),
    ):
        _refused("ValidationException", ask, "INVALID_BLOCK")
    _refused("ResourceNotFoundException", lambda: aws.put("snap-0"), "SNAPSHOT_NOT_FOUND")


def test_only_an_open_snapshot_takes_blocks_and_only_a_completed_one_gives_them(aws: Aws) -> None:
    snapshot = aws.start()
    aws.put(snapshot)
    _refused("ValidationException", lambda: aws.ebs.list_snapshot_blocks(SnapshotId=snapshot))
    aws.complete(snapshot, 1)
    _refused("ValidationException", lambda: aws.put(snapshot, 1))
    _refused("ValidationException", lambda: aws.complete(snapshot, 1))


def test_completion_needs_the_right_count_and_checksum(aws: Aws) -> None:
    snapshot = aws.start()
    aws.put(snapshot, 7)
    aws.put(snapshot, 3, b"\1" * BLOCK)
    aws.put(snapshot, 3, b"\2" * BLOCK)
    said = {"ChecksumAlgorithm": "SHA256", "ChecksumAggregationMethod": "LINEAR"}
    right = _encoded(_sha(_sha(b"\2" * BLOCK) + _sha(DATA)))
    wrong = _encoded(_sha(_sha(DATA) + _sha(b"\2" * BLOCK)))
    _refused("ValidationException", lambda: aws.complete(snapshot, 3, Checksum=right, **said))
    _refused("ValidationException", lambda: aws.complete(snapshot, 2, Checksum=wrong, **said))
    aws.complete(snapshot, 2, Checksum=right, **said)


def test_requests_to_start_that_contradict_themselves(aws: Aws) -> None:
    parent = aws.made(1)
    for options in (
        {"ParentSnapshotId": parent, "Encrypted": True},
        {"KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1"},
        {"Timeout": 5000},
        {"VolumeSize": 70000},
        {"ParentSnapshotId": aws.start()},
    ):
        _refused("ValidationException", partial(aws.start, **options))


def test_client_token(aws: Aws) -> None:
    first = aws.start(ClientToken="once")
    assert aws.start(ClientToken="once") == first
    _refused("ConflictException", lambda: aws.start(ClientToken="once", VolumeSize=2))


def test_tokens_of_blocks(aws: Aws) -> None:
    snapshot = aws.made(0, 1)
    blocks = aws.ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    assert [block["BlockIndex"] for block in blocks] == [0, 1]
    forged = _encoded(b"no token")
    for token in (forged, blocks[1]["BlockToken"]):
        _refused(
            "ValidationException",
            partial(
                aws.ebs.get_snapshot_block, SnapshotId=snapshot, BlockIndex=0, BlockToken=token
            ),
            "INVALID_BLOCK_TOKEN",
        )
    answer = aws.ebs.get_snapshot_block(SnapshotId=snapshot, **blocks[0])
    assert answer["BlockData"].read() == DATA
    assert (answer["DataLength"], answer["Checksum"]) == (BLOCK, _encoded(_sha(DATA)))


def test_child_has_what_its_parent_has(aws: Aws) -> None:
    parent = aws.made(0, 5)
    child = aws.start(ParentSnapshotId=parent)
    aws.put(child, 5, b"\3" * BLOCK)
    aws.put(child, 9, b"\4" * BLOCK)
    aws.complete(child, 2)
    listed = aws.ebs.list_snapshot_blocks(SnapshotId=child)
    assert [block["BlockIndex"] for block in listed["Blocks"]] == [0, 5, 9]
    changed = aws.ebs.list_changed_blocks(FirstSnapshotId=parent, SecondSnapshotId=child)
    assert [block["BlockIndex"] for block in changed["ChangedBlocks"]] == [5, 9]
    aws.ec2.delete_snapshot(SnapshotId=parent)
    assert aws.lab.volume(child, 6 * BLOCK) == DATA + bytes(4 * BLOCK) + b"\3" * BLOCK


def test_absent_blocks_of_an_encrypted_snapshot_are_noise(aws: Aws) -> None:
    content = aws.lab.volume(aws.made(0, Encrypted=True), 2 * BLOCK)
    assert content[:BLOCK] == DATA
    assert len(set(content[BLOCK:])) == 256


def test_keys(aws: Aws) -> None:
    for key, code in (
        ({"aws_access_key_id": "AKIAELSE"}, "UnrecognizedClientException"),
        ({"aws_secret_access_key": "else"}, "InvalidSignatureException"),
        ({"aws_session_token": EXPIRED_SESSION}, "ExpiredTokenException"),
    ):
        _refused(code, partial(aws.client("ebs", **key).start_snapshot, VolumeSize=1))
        _refused("AuthFailure", aws.client("ec2", **key).describe_snapshots)


def test_throttling_and_quota(aws: Aws) -> None:
    aws.lab.set(throttle=1)
    _refused("RequestThrottledException", aws.start)
    aws.lab.set(quota_gib=0)
    _refused("ServiceQuotaExceededException", aws.start)
    aws.lab.set(quota_gib=1 << 20)
    aws.start()
