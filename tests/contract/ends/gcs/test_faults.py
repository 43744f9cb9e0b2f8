"""Cloud Storage that fails, refuses, lies or loses its answers."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest

from imageport.disk.base import MIB
from imageport.disk.copy import copy
from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    NoSpaceError,
    NotFoundError,
    PeerChecksumError,
    RefusedError,
)
from imageport.disk.ends.gcs import GcsMethod
from imageport.disk.ends.gcs import composite as composite_module
from imageport.disk.errors import TargetExistsError, UnwritableError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.credentials import GcpToken
from tests.contract.ends.contract import SIZE, make_disk
from tests.contract.ends.gcs.case import (
    ARCHIVE,
    IMAGE,
    GcsCase,
    is_compose,
    is_download,
    is_upload,
)
from tests.contract.ends.gcs.peer import StrictGcs

RIGHT, WRONG, NEXT = "right-one", "wrong-one", "another-one"
"""Tokens."""


def error(reason: str, message: str = "no") -> bytes:
    said = {"code": 403, "message": message, "errors": [{"reason": reason}]}
    return json.dumps({"error": said}).encode()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "source.raw"
    make_disk(path)
    return path


@pytest.fixture(params=list(GcsMethod))
def case(request: pytest.FixtureRequest, peer: StrictGcs, tmp_path: Path) -> GcsCase:
    return GcsCase(peer, tmp_path, request.param)


@pytest.fixture
def composite(peer: StrictGcs, tmp_path: Path) -> GcsCase:
    return GcsCase(peer, tmp_path, GcsMethod.COMPOSITE)


@pytest.fixture
def resumable(peer: StrictGcs, tmp_path: Path) -> GcsCase:
    return GcsCase(peer, tmp_path, GcsMethod.RESUMABLE)


def upload(case: GcsCase, disk: Path) -> None:
    """Copy, and see that the peer holds the disk and nothing else."""
    with open_disk(disk) as source:
        copy(source, case.target_for(source))
    check(case, disk)


def check(case: GcsCase, disk: Path) -> None:
    digest = hashlib.sha256(case.peers_content(SIZE)).digest()
    assert digest == hashlib.sha256(disk.read_bytes()).digest()
    assert case.left_behind() == [ARCHIVE]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_failures(status: int, case: GcsCase, disk: Path) -> None:
    fault = case.peer.add(when=is_upload, times=2, skip=1, status=status)
    upload(case, disk)
    assert fault.happened == 3


def test_retry_after_is_obeyed(case: GcsCase, disk: Path) -> None:
    case.peer.add(when=is_upload, status=503, headers={"Retry-After": "2"})
    started = time.monotonic()
    upload(case, disk)
    assert time.monotonic() - started > 2


def test_throttling_by_rate_is_passing(case: GcsCase, disk: Path) -> None:
    case.peer.add(when=is_upload, times=2, status=403, body=error("rateLimitExceeded"))
    upload(case, disk)


def test_no_quota_is_final(case: GcsCase, disk: Path) -> None:
    case.peer.add(when=is_upload, skip=1, times=99, status=403, body=error("quotaExceeded", "full"))
    with open_disk(disk) as source, pytest.raises(NoSpaceError, match="full"):
        copy(source, case.target_for(source))
    assert case.left_behind() == []


def test_refusal_is_final(case: GcsCase, disk: Path) -> None:
    case.peer.add(when=is_upload, skip=1, times=99, status=400, body=error("invalid", "bad"))
    with open_disk(disk) as source, pytest.raises(RefusedError, match="bad"):
        copy(source, case.target_for(source))
    assert case.left_behind() == []


def test_slow_peer(case: GcsCase, disk: Path) -> None:
    case.peer.add(when=is_upload, times=3, delay=1.0)
    upload(case, disk)


def test_wrong_token_is_denied_at_once(case: GcsCase, disk: Path) -> None:
    case.peer.token, case.credential = RIGHT, GcpToken(WRONG)
    started = time.monotonic()
    with open_disk(disk) as source, pytest.raises(DeniedError) as caught:
        copy(source, case.target_for(source))
    assert time.monotonic() - started < case.patience
    assert WRONG not in str(caught.value.as_dict())
    assert WRONG not in repr(case.credential)


def test_token_that_expires_in_the_middle(case: GcsCase, disk: Path) -> None:
    case.peer.token, case.credential = RIGHT, GcpToken(RIGHT)

    def expire(done: int, total: int) -> None:
        if done > total // 2:
            case.peer.token = NEXT

    with open_disk(disk) as source, pytest.raises(DeniedError):
        copy(source, case.target_for(source), progress=expire)
    # What could not be deleted without rights is found again with them.
    assert case.state.exists()
    case.credential = GcpToken(NEXT)
    upload(case, disk)


def test_reading_is_denied_at_once(case: GcsCase, disk: Path) -> None:
    case.peer.token = RIGHT
    with pytest.raises(DeniedError):
        case.file()


def test_damage_on_the_way_up_is_sent_again(composite: GcsCase, disk: Path) -> None:
    fault = composite.peer.add(when=is_upload, skip=1, times=2, flip_request=True)
    upload(composite, disk)
    assert fault.happened == 3


def test_damage_that_the_peer_does_not_notice(composite: GcsCase, disk: Path) -> None:
    """A component was stored otherwise than it was sent: its answer says so."""

    lies: list[str] = []

    def lie(name: str) -> bool:
        if not name.endswith("/00000001") or len(lies) == 2:
            return False
        lies.append(name)
        return True

    composite.peer.corrupts = lie
    upload(composite, disk)
    assert len(lies) == 2


def test_damage_that_never_ends(composite: GcsCase, disk: Path) -> None:
    composite.peer.corrupts = lambda name: name.endswith("/00000001")
    with open_disk(disk) as source, pytest.raises(PeerChecksumError) as caught:
        copy(source, composite.target_for(source))
    assert caught.value.data["offset"] == composite.part
    assert composite.left_behind() == []


def test_damage_in_a_session_is_found(resumable: GcsCase, disk: Path) -> None:
    resumable.peer.add(when=is_upload, skip=1, flip_request=True)
    with open_disk(disk) as source, pytest.raises(PeerChecksumError):
        copy(source, resumable.target_for(source))
    assert resumable.left_behind() == []


def test_damage_on_the_way_down_is_found(case: GcsCase, disk: Path) -> None:
    case.peer.emulator.put(IMAGE, disk.read_bytes())
    with case.reader() as reader:
        # Several: on a busy computer one may come for a request that was given up and sent again.
        case.peer.add(when=is_download, skip=1, times=3, flip_response=True)
        with pytest.raises(PeerChecksumError):
            tree_hash(reader)


def test_short_answers_are_completed(case: GcsCase, disk: Path) -> None:
    case.peer.emulator.put(IMAGE, disk.read_bytes())
    with open_disk(disk) as source, case.reader() as reader:
        case.peer.clear()
        case.peer.add(when=is_download, times=5, cut_response=True)
        assert tree_hash(reader).root == tree_hash(source).root
    # Of an answer that was cut, only the second half is asked for again.
    assert case.peer.received() <= SIZE + 5 * MIB // 2 + MIB


@pytest.mark.parametrize("what", [is_upload, is_compose])
def test_lost_answers(what: object, composite: GcsCase, disk: Path) -> None:
    """The peer has done it, and nobody heard: it is not done twice, nor taken for another's."""
    fault = composite.peer.add(when=what, times=2, cut_response=True)
    upload(composite, disk)
    assert fault.happened


def test_lost_answer_of_the_last_part(resumable: GcsCase, disk: Path) -> None:
    fault = resumable.peer.add(when=is_last_part, cut_response=True)
    upload(resumable, disk)
    assert fault.happened


def is_last_part(method: str, path: str) -> bool:
    return method == "PUT" and path.startswith("/upload/")


def test_existing_object_is_kept(case: GcsCase, disk: Path) -> None:
    case.peer.emulator.put(ARCHIVE, b"mine")
    with open_disk(disk) as source, pytest.raises(TargetExistsError):
        case.target_for(source)
    assert case.peer.emulator.path(ARCHIVE).read_bytes() == b"mine"
    assert case.left_behind() == [ARCHIVE]


def test_object_that_appears_meanwhile_is_kept(case: GcsCase, disk: Path) -> None:
    with open_disk(disk) as source:
        target = case.target_for(source)
        case.peer.emulator.put(ARCHIVE, b"mine")
        with pytest.raises(TargetExistsError):
            copy(source, target)
    assert case.peer.emulator.path(ARCHIVE).read_bytes() == b"mine"
    assert case.left_behind() == [ARCHIVE]


def test_overwriting_replaces_at_the_end(case: GcsCase, disk: Path) -> None:
    case.peer.emulator.put(ARCHIVE, b"old")
    with open_disk(disk) as source:
        target = case.gcs_target(source, overwrite=True)
        target.open()
        target.write(0, b"new" * MIB)
        assert case.peer.emulator.path(ARCHIVE).read_bytes() == b"old"
        target.complete()
    assert case.peer.emulator.path(ARCHIVE).read_bytes() == b"new" * MIB
    assert case.left_behind() == [ARCHIVE]


def test_overwriting_does_not_replace_what_came_meanwhile(case: GcsCase, disk: Path) -> None:
    case.peer.emulator.put(ARCHIVE, b"old")
    with open_disk(disk) as source:
        target = case.gcs_target(source, overwrite=True)
    target.open()
    target.write(0, b"new" * MIB)
    case.peer.emulator.put(ARCHIVE, b"newer")
    with pytest.raises(TargetExistsError):
        target.complete()
    target.discard()
    assert case.peer.emulator.path(ARCHIVE).read_bytes() == b"newer"
    assert case.left_behind() == [ARCHIVE]


def test_empty_and_odd_lengths(case: GcsCase, disk: Path) -> None:
    with open_disk(disk) as source:
        for length in (0, 1, case.part - 1, case.part, case.part + 1, 3 * case.part):
            target = case.gcs_target(source, overwrite=True)
            target.open()
            data = bytes(range(256)) * (length // 256 + 1)
            for at in range(0, length, 300_000):
                target.write(at, data[at : min(at + 300_000, length)])
            target.complete()
            assert case.peer.emulator.path(ARCHIVE).read_bytes() == data[:length]
            assert case.left_behind() == [ARCHIVE]


def test_only_a_stream_is_taken(case: GcsCase, disk: Path) -> None:
    with open_disk(disk) as source:
        target = case.gcs_target(source)
    target.open()
    target.write(0, b"abc")
    with pytest.raises(UnwritableError):
        target.write(4, b"d")
    target.discard()
    target.discard()
    assert case.left_behind() == []


def test_components_are_composed_in_a_tree(
    composite: GcsCase, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def composed() -> int:
        return sum(is_compose(each.method, each.path) for each in composite.peer.requests)

    composite.part = MIB // 4
    upload(composite, disk)
    count = sum(is_upload(each.method, each.path) for each in composite.peer.requests)
    assert 32 < count <= 64
    assert composed() == 3, "two groups, then the two"
    composite.peer.emulator.wipe()
    composite.peer.clear()
    monkeypatch.setattr(composite_module, "MAX_SOURCES", 3)
    upload(composite, disk)
    expected = 1
    while count > 3:
        count = -(-count // 3)
        expected += count
    assert composed() == expected


def test_replaced_while_it_is_read(case: GcsCase, disk: Path) -> None:
    case.peer.emulator.put(IMAGE, disk.read_bytes())
    with case.reader() as reader:
        case.peer.emulator.put(IMAGE, disk.read_bytes())
        with pytest.raises(ChangedError):
            tree_hash(reader)


def test_missing_object(case: GcsCase) -> None:
    with pytest.raises(NotFoundError):
        case.file("none.raw")


def test_missing_bucket(case: GcsCase, disk: Path) -> None:
    case.peer.emulator.ask("DELETE", "/storage/v1/b/images")
    try:
        with open_disk(disk) as source, pytest.raises(NotFoundError):
            copy(source, case.target_for(source))
        assert not case.state.exists()
    finally:
        case.peer.emulator.make_bucket()


def test_state_of_another_object_is_not_lost(case: GcsCase, disk: Path) -> None:
    said = {"object": "gs://other/thing", "endpoint": "x", "kind": "composite", "word": "w"}
    case.state.write_text(json.dumps(said))
    with open_disk(disk) as source, pytest.raises(UnwritableError, match="gs://other/thing"):
        case.target_for(source)
    assert json.loads(case.state.read_text()) == said


def test_state_of_another_source_is_cleared(case: GcsCase, disk: Path, tmp_path: Path) -> None:
    with open_disk(disk) as source:
        target = case.gcs_target(source)
        target.open()
        target.write(0, b"x" * (3 * MIB))
        target.close()
    assert len(case.left_behind()) > 1
    other = tmp_path / "other.raw"
    make_disk(other, seed=6)
    upload(case, other)


def test_killed_after_the_object_was_made(case: GcsCase, disk: Path) -> None:
    """The object is there and its maker did not hear of it: nothing is sent again."""
    with open_disk(disk) as source:
        target = case.target_for(source)
        saved = case.state.read_bytes()
        copy(source, target)
    case.state.write_bytes(saved)
    case.peer.clear()
    upload(case, disk)
    assert case.peer.sent() < MIB // 8


def test_errors_hold_no_address_of_a_session(resumable: GcsCase, disk: Path) -> None:
    with open_disk(disk) as source:
        target = resumable.gcs_target(source)
        target.open()
        resumable.vanish()
        target.write(0, b"x" * (2 * MIB))
        with pytest.raises(Exception, match="could not be reached") as caught:
            target.complete()
        chain: BaseException | None = caught.value
        assert "upload_id" not in str(caught.value)
        assert "upload_id" not in str(caught.value.as_dict())  # type: ignore[attr-defined]
        resumable.come_back()
        target.discard()
        assert chain is not None
    assert resumable.left_behind() == []
