"""Credentials, certificates and formats."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import AddressError, DeniedError, RefusedError, UnreachableError
from imageport.disk.ends.gcs import GcsFile, GcsMethod, GcsPlace
from imageport.disk.errors import BackingMissingError, UnsupportedError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.disk.unpack import ArchiveReader
from imageport.model.credentials import GcpServiceAccount
from imageport.model.target import DiskFormat
from lab.certificates import LabAuthority
from tests.contract.disk import qemu
from tests.contract.ends.contract import SIZE, make_disk
from tests.contract.ends.gcs.case import ARCHIVE, GcsCase
from tests.contract.ends.gcs.peer import BUCKET, StrictGcs

FIRST = "token-1"
FORMATS = [form for form in DiskFormat if form not in (DiskFormat.RAW, DiskFormat.TAR_GZ)]


class TokenService:
    """Hands out numbered tokens for signed assertions, as Google's token service does."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.status = 200
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.asked.append(parse_qs(body))
                said = {"access_token": service.token, "expires_in": 3600, "token_type": "Bearer"}
                if service.status != 200:
                    said = {"error": "invalid_grant"}
                self.send_response(service.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def token(self) -> str:
        return f"token-{len(self.asked)}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def tokens() -> Iterator[TokenService]:
    service = TokenService()
    yield service
    service.close()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "source.raw"
    make_disk(path)
    return path


@pytest.fixture
def case(peer: StrictGcs, tmp_path: Path) -> GcsCase:
    return GcsCase(peer, tmp_path, GcsMethod.COMPOSITE)


def account(tokens: TokenService) -> GcpServiceAccount:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    said = {
        "type": "service_account",
        "client_email": "someone@project.iam.gserviceaccount.com",
        "token_uri": f"http://127.0.0.1:{tokens.server.server_address[1]}/token",
        "private_key": pem.decode(),
    }
    return GcpServiceAccount(json.dumps(said))


def test_service_account(case: GcsCase, tokens: TokenService, disk: Path) -> None:
    case.credential, case.peer.token = account(tokens), FIRST
    with open_disk(disk) as source:
        copy(source, case.target_for(source))
    assert case.peers_content(SIZE) == disk.read_bytes()
    assert len(tokens.asked[0]["assertion"][0].split(".")) == 3
    assert len(tokens.asked) == 1, "one token serves all threads"


def test_nothing_is_asked_of_the_bucket_itself(case: GcsCase, disk: Path) -> None:
    """Google's client would, for its telemetry, which takes another right."""
    with open_disk(disk) as source:
        copy(source, case.target_for(source))
    case.file(ARCHIVE).close()
    time.sleep(0.5)
    paths = {each.path.split("?")[0] for each in case.peer.requests}
    assert f"/storage/v1/b/{BUCKET}" not in paths


def test_token_is_renewed_in_the_middle(case: GcsCase, tokens: TokenService, disk: Path) -> None:
    case.credential, case.peer.token = account(tokens), FIRST

    def expire(done: int, total: int) -> None:
        if done > total // 2:
            # Whatever is handed out from now on is right.
            case.peer.accepts = lambda token: token != FIRST

    with open_disk(disk) as source:
        copy(source, case.target_for(source), progress=expire)
    assert case.peers_content(SIZE) == disk.read_bytes()
    assert len(tokens.asked) > 1


def test_account_that_is_refused(case: GcsCase, tokens: TokenService, disk: Path) -> None:
    case.credential, tokens.status = account(tokens), 400
    with open_disk(disk) as source, pytest.raises(DeniedError) as caught:
        copy(source, case.target_for(source))
    assert "PRIVATE" not in str(caught.value.as_dict())


def test_token_service_that_is_away(case: GcsCase, tokens: TokenService, disk: Path) -> None:
    case.credential, case.patience = account(tokens), 1.0
    tokens.close()
    with open_disk(disk) as source, pytest.raises(UnreachableError, match="token service"):
        copy(source, case.target_for(source))


def test_key_that_is_none(case: GcsCase, disk: Path) -> None:
    case.credential = GcpServiceAccount('{"private_key": "confidential"}')
    with open_disk(disk) as source, pytest.raises(DeniedError) as caught:
        case.target_for(source)
    assert "confidential" not in str(caught.value.as_dict())
    assert "confidential" not in repr(case.place("x"))


def test_own_authority_wins_over_the_environment(
    case: GcsCase, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, other = LabAuthority(tmp_path / "own"), LabAuthority(tmp_path / "other")
    case.peer.over_tls(authority.server_context())
    case.peer.emulator.put("tls.raw", disk.read_bytes())
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(other.path))
    address = f"https://127.0.0.1:{case.peer.port}"
    place = GcsPlace(BUCKET, "tls.raw", endpoint=address, ca=authority.path)
    with open_disk(GcsFile(place, patience=2)) as reader, open_disk(disk) as source:
        assert tree_hash(reader).root == tree_hash(source).root


def test_unknown_authority_is_refused_at_once(
    case: GcsCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.peer.over_tls(LabAuthority(tmp_path / "own").server_context())
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    place = GcsPlace(BUCKET, "tls.raw", endpoint=f"https://127.0.0.1:{case.peer.port}")
    with pytest.raises(RefusedError, match="trusted"):
        GcsFile(place, patience=30)


@pytest.mark.parametrize("format", FORMATS)
def test_any_format_is_read(case: GcsCase, disk: Path, tmp_path: Path, format: DiskFormat) -> None:
    image = tmp_path / "image"
    with open_disk(disk) as source:
        manifest = copy(source, create_disk(image, format, source.size))
    name = f"images/disk.{format.value.split('-')[0]}"
    case.peer.emulator.put(name, image.read_bytes())
    with open_disk(case.file(name)) as reader:
        assert tree_hash(reader).root == manifest.padded(reader.size).root


def test_backing_file_of_the_same_folder(case: GcsCase, disk: Path, tmp_path: Path) -> None:
    child = tmp_path / "child.qcow2"
    backing = ["-b", disk.name, "-F", "raw"]
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", *backing, child.name], check=True, cwd=tmp_path
    )
    qemu.run("qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 1M", child)
    case.peer.emulator.put("chain/child.qcow2", child.read_bytes())
    with pytest.raises(BackingMissingError):
        open_disk(case.file("chain/child.qcow2"))
    case.peer.emulator.put(f"chain/{disk.name}", disk.read_bytes())
    with open_disk(child) as local, open_disk(case.file("chain/child.qcow2")) as reader:
        assert tree_hash(reader).root == tree_hash(local).root


def test_stream_optimized_vmdk_is_written(case: GcsCase, disk: Path) -> None:
    with open_disk(disk) as source:
        manifest = copy(source, create_disk(case.gcs_target(source), DiskFormat.VMDK, SIZE))
    with open_disk(case.peer.emulator.path(ARCHIVE), format=DiskFormat.VMDK) as reader:
        assert tree_hash(reader).root == manifest.root


def test_archive_is_read_again(case: GcsCase, disk: Path, tmp_path: Path) -> None:
    with open_disk(disk) as source:
        manifest = copy(source, case.target_for(source))
    with ArchiveReader(case.file(ARCHIVE), tmp_path) as reader:
        assert tree_hash(reader).root == manifest.padded(reader.size).root


def test_formats_that_are_no_stream(case: GcsCase, disk: Path) -> None:
    with open_disk(disk) as source, pytest.raises(UnsupportedError, match="stream"):
        create_disk(case.gcs_target(source), DiskFormat.RAW, SIZE)
    assert case.left_behind() == []


@pytest.mark.parametrize("address", ["gs://bucket", "gs://bucket/", "gs:///x", "s3://b/x", "b/x"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(AddressError):
        GcsPlace.parse(address)


def test_address() -> None:
    place = GcsPlace.parse("gs://bucket/a/b c.vhdx")
    assert (place.bucket, place.object, place.name) == (
        "bucket",
        "a/b c.vhdx",
        "gs://bucket/a/b c.vhdx",
    )
    assert place.beside("parent.vhdx").object == "a/parent.vhdx"
    assert GcsPlace.parse("gs://bucket/x").beside("y").object == "y"
