"""EBS snapshots, against an emulator: moto with the lab's strict layer."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from imageport.disk.base import GIB, BlockWriter, DiskReader, ExtentKind
from imageport.disk.copy import copy
from imageport.disk.ends.ebs.api import EbsAccount
from imageport.disk.ends.ebs.reader import EbsReader
from imageport.disk.ends.ebs.writer import EbsWriter
from imageport.disk.ends.errors import (
    DeniedError,
    NoSpaceError,
    NotFoundError,
    PeerChecksumError,
    RefusedError,
    UnreachableError,
)
from imageport.disk.errors import UnsupportedError
from imageport.disk.manifest import BLOCK
from imageport.disk.treehash import tree_hash
from imageport.model.credentials import AwsKey
from lab.aws.process import LabProcess
from lab.aws.signature import ACCESS_KEY, EXPIRED_SESSION, SECRET_KEY
from lab.certificates import LabAuthority
from tests.contract.ends.contract import SIZE, EndContract
from tests.contract.ends.ebs.case import KEY, REGION, EbsCase, content, is_complete, is_get, is_put


class TestEbs(EndContract):
    """What every end must do."""


def test_what_the_snapshot_is(case: EbsCase, source: DiskReader) -> None:
    target = case.writer(SIZE, tags={"job": "42"}, description="a master", timeout=60, wait=10.0)
    assert isinstance(target, BlockWriter)
    assert target.zeroed
    assert target.size == GIB
    copy(source, target)
    found = case.ec2.describe_snapshots(SnapshotIds=[target.snapshot])["Snapshots"][0]
    assert (found["State"], found["VolumeSize"], found["Encrypted"]) == ("completed", 1, False)
    assert (found["Tags"], found["Description"]) == ([{"Key": "job", "Value": "42"}], "a master")
    with EbsReader(case.account, target.snapshot) as reader:
        assert reader.size == GIB
        assert reader.read_into(0, buffer := bytearray(SIZE)) == SIZE
        assert buffer == content(source)
        data = [e for e in reader.extents() if e.kind is ExtentKind.DATA]
        assert all(e.offset % BLOCK == e.length % BLOCK == 0 for e in data)


def test_sizes_and_options_that_cannot_be(case: EbsCase) -> None:
    for size in (0, 65 << 40):
        with pytest.raises(UnsupportedError):
            case.target(size)
    with pytest.raises(UnsupportedError):
        case.writer(SIZE, parent="snap-1", encrypted=True)
    assert case.left_behind() == []


def test_writes_of_its_own(case: EbsCase) -> None:
    """Without `copy`, it hashes by itself; the end of a disk is padded."""
    target = case.target(SIZE)
    target.write(BLOCK, memoryview(b"x" * (BLOCK + 512)))
    with pytest.raises(UnsupportedError):
        target.write(512, memoryview(b"y" * BLOCK))
    target.zero(BLOCK, BLOCK)
    target.finish()
    assert case.peers_content(3 * BLOCK) == bytes(2 * BLOCK) + (b"x" * 512).ljust(BLOCK, b"\0")


class TestTroubles:
    def test_throttled(self, case: EbsCase, source: DiskReader) -> None:
        target = case.target(SIZE)
        case.lab.set(throttle=5)
        copy(source, target)
        assert case.peers_content(SIZE) == content(source)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_retry_after_is_obeyed(self, status: int, case: EbsCase, source: DiskReader) -> None:
        target = case.target(SIZE)
        fault = case.proxy.add(when=is_complete, status=status, headers={"Retry-After": "2"})
        started = time.monotonic()
        copy(source, target)
        assert fault.happened == 1
        assert time.monotonic() - started > 2
        assert case.peers_content(SIZE) == content(source)

    def test_slow_answer_is_asked_for_again(self, case: EbsCase, source: DiskReader) -> None:
        target = case.target(SIZE)
        case.proxy.add(when=is_put, skip=4, delay=case.patience / 2 + 1)
        copy(source, target)
        assert case.peers_content(SIZE) == content(source)

    @pytest.mark.parametrize(
        "key",
        [
            AwsKey("AKIAUNKNOWN", SECRET_KEY),
            AwsKey(ACCESS_KEY, "not the secret"),
            AwsKey(ACCESS_KEY, SECRET_KEY, EXPIRED_SESSION),
        ],
        ids=["unknown", "wrong", "expired"],
    )
    def test_denied_at_once(self, key: AwsKey, case: EbsCase) -> None:
        for make in (
            lambda: EbsWriter(case.by(key), SIZE, state=case.state),
            lambda: EbsReader(case.by(key), "snap-1"),
        ):
            with pytest.raises(DeniedError) as caught:
                make()
            assert key.secret_access_key not in str(caught.value.as_dict())
        assert len(case.proxy.requests) == 2
        assert case.left_behind() == []

    def test_denied_in_the_middle(self, case: EbsCase, source: DiskReader) -> None:
        target = case.target(SIZE)
        denied = {"x-amzn-ErrorType": "ExpiredTokenException"}
        case.proxy.add(when=is_put, skip=6, status=403, headers=denied, body=b"{}")
        with pytest.raises(DeniedError):
            copy(source, target)
        assert case.left_behind() == []

    def test_quota(self, case: EbsCase) -> None:
        case.lab.set(quota_gib=2)
        with pytest.raises(NoSpaceError):
            case.target(3 * GIB)
        assert case.left_behind() == []

    def test_snapshot_that_is_not_there(self, case: EbsCase) -> None:
        with pytest.raises(NotFoundError):
            EbsReader(case.account, "snap-0123456789abcdef0")

    def test_damage_on_the_way_up_is_repaired(self, case: EbsCase, source: DiskReader) -> None:
        target = case.target(SIZE)
        fault = case.proxy.add(when=is_put, skip=2, times=2, flip_request=True)
        copy(source, target)
        assert fault.happened == 4
        assert case.peers_content(SIZE) == content(source)

    def test_damage_on_the_way_up_that_does_not_end(
        self, case: EbsCase, source: DiskReader
    ) -> None:
        target = case.target(SIZE)
        case.proxy.add(when=is_put, times=10**6, flip_request=True)
        with pytest.raises(PeerChecksumError):
            copy(source, target)
        assert case.left_behind() == []

    def test_damage_on_the_way_down(self, case: EbsCase, source: DiskReader) -> None:
        copy(source, case.target(SIZE))
        with case.reader() as reader:
            case.proxy.add(when=is_get, skip=2, times=2, flip_response=True)
            assert content(reader) == content(source)
            case.proxy.add(when=is_get, times=10**6, flip_response=True)
            with pytest.raises(PeerChecksumError):
                content(reader)

    def test_tokens_that_expire(self, case: EbsCase, source: DiskReader) -> None:
        copy(source, case.target(SIZE))
        case.lab.set(page_life=0.0, page=7)
        with case.reader() as reader:
            reader.read_into(0, bytearray(512))
            case.lab.set(generation=1)
            assert content(reader) == content(source)
            refused = [r for r in case.proxy.requests if r.status == 400 and is_get("GET", r.path)]
            assert len(refused) == 1
            assert tree_hash(reader).root == tree_hash(source).root

    def test_ca_bundles_of_the_environment(
        self, case: EbsCase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_CA_BUNDLE", "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
        case.target(SIZE).abort()


class TestSealing:
    def test_waits_until_completed(self, case: EbsCase, source: DiskReader) -> None:
        case.lab.set(seal=1.5)
        target = case.target(SIZE)
        copy(source, target)
        assert case.lab.snapshots()[target.snapshot]["status"] == "completed"

    def test_need_not_wait(self, case: EbsCase, source: DiskReader) -> None:
        case.lab.set(seal=30)
        target = case.writer(SIZE, wait=0)
        copy(source, target)
        assert case.lab.snapshots()[target.snapshot]["status"] == "pending"

    def test_does_not_wait_for_ever(self, case: EbsCase, source: DiskReader) -> None:
        case.lab.set(seal=30)
        with pytest.raises(UnreachableError):
            copy(source, case.writer(SIZE, wait=1.5))

    def test_snapshot_that_fails(self, case: EbsCase, source: DiskReader) -> None:
        case.lab.set(seal_fails=True)
        with pytest.raises(RefusedError):
            copy(source, case.target(SIZE))
        assert case.left_behind() == []

    def test_lost_answer(self, case: EbsCase, source: DiskReader) -> None:
        target = case.target(SIZE)
        case.proxy.add(when=is_complete, cut_response=True)
        copy(source, target)
        assert case.peers_content(SIZE) == content(source)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["encrypted", "by default", "write_zeros"])
def test_every_block_is_written_where_absent_ones_are_noise(
    kind: str, case: EbsCase, source: DiskReader
) -> None:
    case.lab.set(encrypt_by_default=kind == "by default")
    target = case.writer(SIZE, encrypted=kind == "encrypted", write_zeros=kind == "write_zeros")
    case.lab.set(encrypt_by_default=False)
    assert not target.zeroed
    copy(source, target)
    assert len(case.lab.snapshots()[target.snapshot]["blocks"]) == GIB // BLOCK
    assert case.peers_content(GIB) == content(source).ljust(GIB, b"\0")


def test_patience_is_the_accounts(case: EbsCase) -> None:
    hasty = replace(case.account, patience=0.5)
    case.vanish()
    started = time.monotonic()
    with pytest.raises(UnreachableError):
        EbsReader(hasty, "snap-1")
    assert time.monotonic() - started < case.patience


def test_tls(source: DiskReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The given certificates count, whatever the environment says; others are refused at once."""
    authority = LabAuthority(tmp_path / "ca")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    with LabProcess(tmp_path / "aws", authority.sign("server")) as lab:
        account = EbsAccount(REGION, KEY, endpoint=lab.url, ec2_endpoint=lab.url, ca=authority.path)
        target = EbsWriter(account, SIZE, state=tmp_path / "state.json")
        manifest = copy(source, target)
        with EbsReader(account, target.snapshot, size=SIZE) as reader:
            assert tree_hash(reader).root == manifest.root
        monkeypatch.delenv("AWS_CA_BUNDLE")
        with pytest.raises(UnreachableError) as caught:
            EbsReader(replace(account, ca=None), target.snapshot)
        assert caught.value.data["seconds"] == 0
