"""What the page blob end does when Azurite or the way to it misbehaves."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import socketserver
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from azure.storage.blob import BlobLeaseClient

from imageport.disk.base import MIB, DiskReader
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    EndError,
    NoSpaceError,
    NotFoundError,
    PeerChecksumError,
    RefusedError,
    UnreachableError,
)
from imageport.disk.ends.pageblob.checksum import Checksum
from imageport.disk.ends.pageblob.file import MARK, PageBlobFile
from imageport.disk.ends.pageblob.service import Options
from imageport.disk.ends.pageblob.target import PageBlobTarget
from imageport.disk.errors import DiskError, NotADiskError, TargetExistsError, UnsupportedError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.credentials import AzureSas
from imageport.model.target import DiskFormat
from lab.certificates import LabAuthority
from tests.contract.ends.azurite import Azurite, StrictBlobs, signature
from tests.contract.ends.contract import SIZE, make_disk

pytestmark = pytest.mark.xdist_group("azurite")
NAME = "disk.vhd"
PATIENT = Options(patience=20)


@pytest.fixture
def source(tmp_path: Path) -> DiskReader:
    make_disk(tmp_path / "source.raw")
    return open_disk(tmp_path / "source.raw")


def is_page(method: str, path: str) -> bool:
    return method == "PUT" and "comp=page&" in path + "&"


def is_read(method: str, path: str) -> bool:
    return method == "GET" and "comp=" not in path


def place(blobs: StrictBlobs, folder: Path, **options: Any) -> PageBlobTarget:
    said = {"state": folder / "state.json", "options": PATIENT, **options}
    sas = said.pop("sas", signature(NAME))
    return PageBlobTarget(blobs.address_of(NAME), sas, **said)


def send(source: DiskReader, blobs: StrictBlobs, folder: Path, **options: Any) -> bytes:
    """Copy, and return the root."""
    target = create_disk(place(blobs, folder, **options), DiskFormat.VHD_FIXED, source.size)
    return copy(source, target).root


def read(blobs: StrictBlobs, options: Options = PATIENT, sas: AzureSas | None = None) -> bytes:
    """The root of what the blob holds."""
    sas = sas or signature(NAME, "r")
    with open_disk(PageBlobFile(blobs.address_of(NAME), sas, options=options)) as reader:
        return tree_hash(reader).root


@pytest.mark.parametrize("status", [500, 503, 429])
def test_busy_service_is_asked_again_when_it_says(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, status: int
) -> None:
    busy = {"Retry-After": "1", "x-ms-error-code": "ServerBusy"}
    blobs.add(when=is_page, status=status, headers=busy, skip=2)
    waits: list[tuple[str, float]] = []
    options = Options(patience=20, on_wait=lambda detail, seconds: waits.append((detail, seconds)))
    root = send(source, blobs, tmp_path, options=options)
    assert [detail for detail, _ in waits] == ["ServerBusy"]
    assert waits[0][1] >= 1
    assert read(blobs) == root


def test_busy_service_does_not_stop_control(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path
) -> None:
    def is_control(method: str, path: str) -> bool:
        return not is_page(method, path) and not is_read(method, path)

    faults = [blobs.add(when=is_control, status=503, skip=skip) for skip in range(0, 12, 2)]
    root = send(source, blobs, tmp_path)
    assert sum(fault.happened > fault.skip for fault in faults) >= 4
    assert read(blobs) == root


def test_slow_peer(blobs: StrictBlobs, source: DiskReader, tmp_path: Path) -> None:
    blobs.add(when=is_page, delay=3, skip=2)
    root = send(source, blobs, tmp_path, options=Options(patience=20, timeout=1))
    blobs.add(when=is_read, delay=3, skip=1)
    assert read(blobs, Options(patience=20, timeout=1)) == root


@pytest.mark.parametrize("checksum", [Checksum.CRC64, Checksum.MD5])
def test_damage_on_the_way_up_is_sent_again(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, checksum: Checksum
) -> None:
    fault = blobs.add(when=is_page, flip_request=True, times=2, skip=1)
    root = send(source, blobs, tmp_path, options=Options(patience=20, checksum=checksum))
    assert fault.happened >= 3
    assert len(blobs.refused) == 2
    assert set(blobs.refused) <= {"Md5Mismatch", "Crc64Mismatch"}
    assert read(blobs) == root


@pytest.mark.parametrize("checksum", [Checksum.CRC64, Checksum.MD5])
def test_damage_on_the_way_down_is_read_again(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, checksum: Checksum
) -> None:
    root = send(source, blobs, tmp_path)
    fault = blobs.add(when=is_read, flip_response=True, times=2, skip=2)
    assert read(blobs, Options(patience=20, checksum=checksum)) == root
    assert fault.happened >= 4


def test_damage_without_checksums_would_not_be_seen(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path
) -> None:
    root = send(source, blobs, tmp_path)
    blobs.add(when=is_read, flip_response=True, skip=3)
    assert read(blobs, Options(patience=20, checksum=Checksum.NONE)) != root


def test_service_that_stored_other_bytes(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path
) -> None:
    """It says what it stored; here it stored nothing and says something else."""
    wrong = {"x-ms-content-crc64": "AAAAAAAAAAA="}
    fault = blobs.add(when=is_page, status=201, headers=wrong, times=2, skip=1)
    assert send(source, blobs, tmp_path) == read(blobs)
    assert fault.happened == 3


def test_writing_without_checksums(blobs: StrictBlobs, source: DiskReader, tmp_path: Path) -> None:
    options = Options(patience=20, checksum=Checksum.NONE)
    assert send(source, blobs, tmp_path, options=options) == read(blobs)


def test_damage_again_and_again_ends_the_copy(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    blobs.add(when=is_page, flip_request=True, times=10**6)
    with pytest.raises(PeerChecksumError) as caught:
        send(source, blobs, tmp_path)
    assert "Crc64Mismatch" in caught.value.data["detail"]
    assert azure.names() == []


def test_service_without_crc64_is_read_with_md5(
    azure: Azurite, blobs: StrictBlobs, source: DiskReader, tmp_path: Path
) -> None:
    root = send(source, blobs, tmp_path)
    # Azurite itself, without the layer in front, knows MD5 only.
    address = f"http://127.0.0.1:{azure.port}{blobs.address_of(NAME).split(str(blobs.port))[1]}"
    file = PageBlobFile(address, signature(NAME, "r"), options=PATIENT)
    with open_disk(file) as reader:
        assert tree_hash(reader).root == root
    assert file._blob.checksum is Checksum.MD5


def test_short_answer(blobs: StrictBlobs, source: DiskReader, tmp_path: Path) -> None:
    root = send(source, blobs, tmp_path)
    short = {"x-ms-content-crc64": "AAAAAAAAAAA="}
    blobs.add(when=is_read, status=206, headers=short, body=b"x" * 100, skip=2, times=2)
    assert read(blobs) == root


def test_expired_signature_is_denied_at_once(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path
) -> None:
    started = time.monotonic()
    with pytest.raises(DeniedError) as caught:
        send(source, blobs, tmp_path, sas=signature(NAME, starts=-2, hours=-1))
    assert time.monotonic() - started < 5
    assert "expired at" in caught.value.data["detail"]
    with pytest.raises(DeniedError, match="it is valid from"):
        read(blobs, sas=signature(NAME, "r", starts=1, hours=2))


def test_signature_that_expires_in_the_middle(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path
) -> None:
    denial = {
        "x-ms-error-code": "AuthenticationFailed",
        "Date": format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True),
    }
    blobs.add(when=is_page, status=403, headers=denial, skip=3, times=10**6)
    with pytest.raises(DeniedError) as caught:
        send(source, blobs, tmp_path)
    detail = caught.value.data["detail"]
    assert "expired at" in detail
    assert "clock is 120 minutes behind" in detail


def test_signature_that_only_reads(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    with pytest.raises(DeniedError) as caught:
        send(source, blobs, tmp_path, sas=signature(NAME, "r"))
    assert "AuthorizationPermissionMismatch" in caught.value.data["detail"]
    assert 'grants "r"' in caught.value.data["detail"]
    assert azure.names() == []


def test_full_account(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    blobs.add(when=is_page, status=507, headers={"x-ms-error-code": "InsufficientStorage"}, skip=2)
    with pytest.raises(NoSpaceError):
        send(source, blobs, tmp_path)
    assert azure.names() == []


def test_blob_that_is_not_there(blobs: StrictBlobs) -> None:
    with pytest.raises(NotFoundError):
        read(blobs)


def test_blob_of_another_kind(blobs: StrictBlobs, azure: Azurite) -> None:
    azure.blob(NAME).upload_blob(b"no pages")
    with pytest.raises(UnsupportedError, match="BlockBlob"):
        read(blobs)


def test_blob_that_exists_is_kept(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    azure.blob(NAME).create_page_blob(1 << 20)
    with pytest.raises(TargetExistsError):
        send(source, blobs, tmp_path)
    assert azure.blob(NAME).get_blob_properties().size == 1 << 20
    assert send(source, blobs, tmp_path, overwrite=True) == read(blobs)


def test_answer_to_the_creation_is_lost(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path
) -> None:
    """The second attempt finds the blob of the first, and knows it as its own."""
    fault = blobs.add(
        when=lambda method, path: method == "PUT" and "comp=" not in path, cut_response=True
    )
    assert send(source, blobs, tmp_path) == read(blobs)
    assert fault.happened


def test_blob_that_changes_while_it_is_read(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    send(source, blobs, tmp_path)
    file = PageBlobFile(blobs.address_of(NAME), signature(NAME, "r"), options=PATIENT)
    with open_disk(file) as reader:
        azure.blob(NAME).upload_page(bytes(512), 0, 512)
        with pytest.raises(ChangedError):
            tree_hash(reader)


def test_snapshot_is_read_while_the_blob_changes(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    root = send(source, blobs, tmp_path)
    stamp = str(azure.blob(NAME).create_snapshot()["snapshot"])
    azure.blob(NAME).upload_page(bytes(512), 0, 512)
    sas = signature(NAME, "r", snapshot=stamp)
    file = PageBlobFile(blobs.address_of(NAME), sas, options=PATIENT, snapshot=stamp)
    with open_disk(file) as reader:
        assert tree_hash(reader).root == root


def test_unfinished_blob_is_leased_and_marked(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    target = create_disk(place(blobs, tmp_path), DiskFormat.VHD_FIXED, SIZE)
    properties = azure.blob(NAME).get_blob_properties()
    assert MARK in properties.metadata
    assert properties.lease.status == "locked"
    with pytest.raises(NotADiskError, match="not been finished"):
        read(blobs)
    with pytest.raises(RefusedError, match="another program"):
        create_disk(place(blobs, tmp_path, state=tmp_path / "other"), DiskFormat.VHD_FIXED, SIZE)
    copy(source, target)
    properties = azure.blob(NAME).get_blob_properties()
    assert MARK not in properties.metadata
    assert properties.lease.status == "unlocked"


def test_lease_that_another_program_took(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, azure: Azurite
) -> None:
    target = create_disk(place(blobs, tmp_path), DiskFormat.VHD_FIXED, SIZE)
    BlobLeaseClient(azure.blob(NAME)).break_lease(0)
    other = azure.blob(NAME).acquire_lease(60)
    with pytest.raises(RefusedError, match="another program"):
        copy(source, target)
    other.release()


def test_pages_are_whole_sectors(blobs: StrictBlobs, tmp_path: Path) -> None:
    target = place(blobs, tmp_path)
    target.open()
    target.truncate(MIB)
    with pytest.raises(UnsupportedError, match="whole sectors"):
        target.write(100, bytes(512))
    with pytest.raises(RefusedError, match="InvalidPageRange"):
        target.write(MIB, bytes(512))
    data = random.Random(1).randbytes(9 * MIB)
    target.truncate(9 * MIB)
    target.write(0, data)
    again = bytearray(9 * MIB)
    assert target.read(0, memoryview(again))
    assert again == data
    assert not target.read(9 * MIB, memoryview(again)[:1])
    target.discard()
    assert blobs.refused == ["InvalidPageRange"]


def test_signature_is_in_no_log_and_no_trace(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sas = signature(NAME)
    secret = sas.sas.partition("sig=")[2].partition("&")[0]
    send(source, blobs, tmp_path, sas=sas)
    target = place(blobs, tmp_path, sas=sas, overwrite=True, options=Options(patience=1))
    blobs.gone = True
    with pytest.raises(UnreachableError) as caught:
        create_disk(target, DiskFormat.VHD_FIXED, SIZE)
    with pytest.raises(EndError) as read_error:
        read(blobs, Options(patience=1), sas=sas)
    said = caplog.text + repr(target) + repr(sas)
    for error in (caught.value, read_error.value):
        said += "".join(traceback.format_exception(error))
    assert "sig=REDACTED" in said
    assert secret not in said


def test_cancelling_ends_a_wait(blobs: StrictBlobs, source: DiskReader, tmp_path: Path) -> None:
    cancel = threading.Event()
    blobs.add(when=is_page, status=503, headers={"Retry-After": "30"}, times=10**6)
    options = Options(patience=300, cancel=cancel, on_wait=lambda detail, seconds: cancel.set())
    started = time.monotonic()
    with pytest.raises(DiskError) as caught:
        send(source, blobs, tmp_path, options=options)
    assert caught.value.code == "disk.cancelled"
    assert time.monotonic() - started < 10


def test_certificate_must_be_signed_by_whom_the_caller_trusts(
    blobs: StrictBlobs,
    source: DiskReader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the environment says: that is often set for another program's sake."""
    trusted, other = LabAuthority(tmp_path / "trusted"), LabAuthority(tmp_path / "other")
    blobs.serve_tls(*trusted.sign("server"))
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(other.path))
    options = Options(patience=20, ca=trusted.path)
    assert send(source, blobs, tmp_path, options=options) == read(blobs, options)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(trusted.path))
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        read(blobs, Options(patience=60, ca=other.path))
    assert time.monotonic() - started < 10


class _Tunnel(socketserver.StreamRequestHandler):
    """CONNECT to wherever it is asked to, with the credentials `user:pass word`."""

    asked: ClassVar[list[str]] = []

    def handle(self) -> None:
        lines = []
        while line := self.rfile.readline().strip():
            lines.append(line.decode())
        self.asked.append(lines[0])
        if "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=" not in lines:
            self.wfile.write(b"HTTP/1.1 407 No\r\n\r\n")
            return
        host, _, port = lines[0].split()[1].rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def test_proxy_of_the_environment(
    blobs: StrictBlobs, source: DiskReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = LabAuthority(tmp_path / "ca")
    blobs.serve_tls(*authority.sign("server"))
    options = Options(patience=5, ca=authority.path)
    monkeypatch.setattr(_Tunnel, "asked", [])
    for name in ("NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tunnel) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{proxy.server_address[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass%20word@{place}")
        assert send(source, blobs, tmp_path, options=options) == read(blobs, options)
        data = len(_Tunnel.asked)
        assert data > 4
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        read(blobs, options)
        assert len(_Tunnel.asked) == data
        proxy.shutdown()
    assert {line.rpartition(" ")[0] for line in _Tunnel.asked} == {
        f"CONNECT 127.0.0.1:{blobs.port}"
    }
