"""Files of a real nginx, plain and by TLS, and image formats in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.base import MIB, DiskReader
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    EndError,
    NotFoundError,
    RefusedError,
    UnsuitableError,
)
from imageport.disk.ends.http.file import HttpFile
from imageport.disk.errors import BackingMissingError, CopyCancelledError, NotADiskError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.model.credentials import BearerToken
from imageport.model.target import DiskFormat
from lab.certificates import LabAuthority
from tests.contract.ends.contract import SIZE, ReadCase, ReadContract, make_disk
from tests.contract.ends.faults import HttpFaults, TcpFaults, TunnelProxy
from tests.contract.ends.nginx import TOKEN, Nginx
from tests.unit.disk.builders import differencing_vhd, fixed_vhd

pytestmark = pytest.mark.usefixtures("no_proxies")
PATIENCE = 4.0


def at(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}/{path}"


def expected(nginx: Nginx, name: str = "disk.raw") -> bytes:
    return (nginx.files / name).read_bytes()


def opened(url: str, token: str | None = None, ca: Path | None = None) -> HttpFile:
    authorization = BearerToken(token) if token else None
    return HttpFile(url, authorization=authorization, ca=ca, patience=PATIENCE)


def content(file: HttpFile) -> bytes:
    with contextlib.closing(file):
        buffer = bytearray(file.size)
        file.read_into(0, memoryview(buffer))
        return bytes(buffer)


class PlainCase(ReadCase):
    """nginx behind a proxy that knows HTTP."""

    def __init__(self, nginx: Nginx) -> None:
        self._nginx = nginx
        self.proxy = HttpFaults("127.0.0.1", nginx.plain)

    def put(self, source: DiskReader, disk: Path) -> None:
        shutil.copyfile(disk, self._nginx.files / "put.raw")

    def reader(self) -> DiskReader:
        return open_disk(opened(f"{self.proxy.address}/put.raw"))

    def disturb_read(self) -> None:
        self.proxy.add(cut_response=True, skip=2)

    def vanish(self) -> None:
        self.proxy.gone = True

    def come_back(self) -> None:
        self.proxy.gone = False

    def close(self) -> None:
        self.proxy.close()


class TlsCase(PlainCase):
    """nginx by TLS behind a relay that sees nothing."""

    def __init__(self, nginx: Nginx) -> None:
        self._nginx = nginx
        self.relay = TcpFaults("127.0.0.1", nginx.tls)

    def reader(self) -> DiskReader:
        url = f"https://localhost:{self.relay.port}/put.raw"
        return open_disk(opened(url, ca=self._nginx.authority.path))

    def disturb_read(self) -> None:
        self.relay.cut_after_received = self.relay.received + 3 * MIB

    def vanish(self) -> None:
        self.relay.gone = True
        self.relay.cut()

    def come_back(self) -> None:
        self.relay.gone = False

    def close(self) -> None:
        self.relay.close()


class TestPlain(ReadContract):
    @pytest.fixture
    def case(self, nginx: Nginx) -> Iterator[PlainCase]:
        with contextlib.closing(PlainCase(nginx)) as case:
            yield case


class TestTls(ReadContract):
    @pytest.fixture
    def case(self, nginx: Nginx) -> Iterator[TlsCase]:
        with contextlib.closing(TlsCase(nginx)) as case:
            yield case


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("disk.vhdx", ["-O", "vhdx"]),
            ("disk.qcow2", ["-c", "-O", "qcow2"]),
            ("disk.vmdk", ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
            ("disk.vhd", ["-O", "vpc", "-o", "subformat=dynamic,force_size=on"]),
        ],
    )
    def test_image_behind_a_web_server(
        self, nginx: Nginx, faults: HttpFaults, name: str, options: list[str]
    ) -> None:
        raw, image = nginx.files / "disk.raw", nginx.files / name
        subprocess.run(["qemu-img", "convert", "-f", "raw", *options, raw, image], check=True)
        with open_disk(raw) as plain, open_disk(opened(f"{faults.address}/{name}")) as reader:
            assert reader.format is not DiskFormat.RAW
            assert tree_hash(reader).root == tree_hash(plain).root
        # No more than the file, each metadata block and one compressed grain a few times.
        assert faults.received() < image.stat().st_size * 1.5 + 16 * MIB

    def test_chain_of_three(self, nginx: Nginx) -> None:
        (nginx.files / "chain").mkdir()
        raw = nginx.files / "chain" / "a base.raw"
        make_disk(raw)
        create = ["qemu-img", "create", "-q", "-f", "qcow2"]
        for child, parent, form in (("b.qcow2", raw.name, "raw"), ("c.qcow2", "b.qcow2", "qcow2")):
            path = raw.with_name(child)
            subprocess.run([*create, "-b", parent, "-F", form, path], check=True)
            write = f"write -P 0x{child.encode()[0]:x} {ord(child[0]) % 7}M 700k"
            subprocess.run(["qemu-io", "-c", write, path], check=True, stdout=subprocess.DEVNULL)
        with open_disk(raw.with_name("c.qcow2")) as here:
            root = tree_hash(here).root
        with open_disk(opened(at(nginx.plain, "chain/c.qcow2"))) as reader:
            assert tree_hash(reader).root == root

    def test_vhd_and_its_parent(self, nginx: Nginx) -> None:
        base, child = uuid.uuid4(), uuid.uuid4()
        content = bytes(range(256)) * 16384
        fixed_vhd(nginx.files / "parent.vhd", content, base)
        sectors, parent = {7: b"x" * 512, 4100: b"y" * 512}, (base, "C:\\vm\\parent.vhd")
        differencing_vhd(nginx.files / "child.vhd", len(content), sectors, child, parent)
        with (
            open_disk(nginx.files / "child.vhd") as here,
            open_disk(opened(at(nginx.plain, "child.vhd"))) as reader,
        ):
            assert tree_hash(reader).root == tree_hash(here).root

    def test_parent_that_is_not_there(self, nginx: Nginx) -> None:
        child = nginx.files / "orphan.qcow2"
        create = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw"]
        subprocess.run([*create, "-b", "nobody.raw", child, "1M"], check=True)
        with pytest.raises(BackingMissingError):
            open_disk(opened(at(nginx.plain, "orphan.qcow2")))

    def test_empty_file(self, nginx: Nginx) -> None:
        (nginx.files / "empty.raw").touch()
        with pytest.raises(NotADiskError, match="empty"):
            open_disk(opened(at(nginx.plain, "empty.raw")))


class TestRefusals:
    def test_server_without_ranges(self, nginx: Nginx) -> None:
        with pytest.raises(UnsuitableError, match="ranges") as caught:
            opened(at(nginx.plain, "whole/disk.raw"))
        assert isinstance(caught.value, RefusedError)
        assert caught.value.advice

    def test_compressed_answers(self, nginx: Nginx) -> None:
        with pytest.raises(UnsuitableError, match="compresses"):
            opened(at(nginx.plain, "packed/disk.raw"))

    def test_missing_file(self, nginx: Nginx) -> None:
        with pytest.raises(NotFoundError):
            opened(at(nginx.plain, "nothing.raw"))

    def test_other_status(self, nginx: Nginx) -> None:
        with pytest.raises(RefusedError, match="418"):
            opened(at(nginx.plain, "teapot/"))

    @pytest.mark.parametrize("url", ["ftp://host/disk", "http://", "disk.raw", "http://h:x/"])
    def test_no_web_address(self, url: str) -> None:
        with pytest.raises(UnsuitableError):
            opened(url)

    def test_password_in_the_address_is_not_repeated(self) -> None:
        with pytest.raises(UnsuitableError) as caught:
            opened("http://user:hush@host/disk")
        assert "hush" not in str(caught.value.as_dict())

    @pytest.mark.parametrize(
        ("said", "error"),
        [
            ("bytes 512-1535/{size}", UnsuitableError),
            ("bytes 0-0/*", UnsuitableError),
            ("", UnsuitableError),
            ("bytes 1048576-2097151/77", UnsuitableError),
            ("bytes 1048576-2097151/99999999", ChangedError),
        ],
    )
    def test_wrong_content_range(
        self, nginx: Nginx, faults: HttpFaults, said: str, error: type[EndError]
    ) -> None:
        with contextlib.closing(opened(f"{faults.address}/disk.raw")) as file:
            headers = {"Content-Range": said.format(size=file.size)}
            faults.add(status=206, headers=headers, body=bytes(MIB))
            with pytest.raises(error):
                file.fetch(MIB, memoryview(bytearray(MIB)))

    def test_short_answers_are_continued(self, nginx: Nginx, faults: HttpFaults) -> None:
        data = expected(nginx)
        with contextlib.closing(opened(f"{faults.address}/disk.raw")) as file:
            headers = {"Content-Range": f"bytes 1000-4999/{file.size}"}
            faults.add(status=206, headers=headers, body=data[1000:5000])
            buffer = bytearray(MIB)
            file.fetch(1000, memoryview(buffer))
        assert buffer == data[1000 : 1000 + MIB]


class TestAccess:
    def test_token(self, nginx: Nginx) -> None:
        url = at(nginx.plain, "locked/disk.raw")
        assert content(opened(url, TOKEN)) == expected(nginx)
        for token in (None, "Bearer wrong"):
            # At once: what is tried again ends as `UnreachableError`.
            with pytest.raises(DeniedError):
                opened(url, token)

    def test_token_that_expires_while_reading(self, nginx: Nginx, faults: HttpFaults) -> None:
        with contextlib.closing(opened(f"{faults.address}/disk.raw", TOKEN)) as file:
            faults.add(status=401)
            with pytest.raises(DeniedError) as caught:
                file.fetch(0, memoryview(bytearray(MIB)))
        assert TOKEN not in str(caught.value.as_dict())

    def test_value_that_is_no_header_is_not_shown(self, nginx: Nginx) -> None:
        with pytest.raises(DeniedError) as caught:
            opened(at(nginx.plain, "disk.raw"), "Bearer hush\r\nX: y")
        assert "hush" not in str(caught.value.as_dict())

    def test_signature_in_the_query_is_not_shown(self, nginx: Nginx) -> None:
        url = at(nginx.plain, "disk.raw?sig=hush&se=1")
        assert content(opened(url)) == expected(nginx)
        assert any("disk.raw?sig=hush&se=1 206" in line for line in nginx.log())
        with contextlib.closing(opened(url)) as file:
            assert "hush" not in file.name + file.fingerprint
            assert file.suffix == ".raw"
        with pytest.raises(DeniedError) as caught:
            opened(at(nginx.plain, "no/disk.raw?sig=hush"))
        assert "hush" not in str(caught.value.as_dict())


class TestRedirects:
    def test_on_the_same_server_with_the_token(self, nginx: Nginx) -> None:
        assert content(opened(at(nginx.plain, "here/disk.raw"), TOKEN)) == expected(nginx)

    def test_to_another_server_without_the_token(self, nginx: Nginx) -> None:
        seen = len(nginx.log())
        assert content(opened(at(nginx.plain, "there/disk.raw"), TOKEN)) == expected(nginx)
        asked = [line for line in nginx.log()[seen:] if line.startswith(str(nginx.other))]
        assert asked
        assert all(line.endswith("<->") for line in asked)
        first = [line for line in nginx.log()[seen:] if line.startswith(str(nginx.plain))]
        # The second request goes where the first one was led.
        assert len(first) == 1
        assert TOKEN in first[0]

    def test_without_end(self, nginx: Nginx) -> None:
        with pytest.raises(UnsuitableError, match="do not end"):
            opened(at(nginx.plain, "round/disk.raw"))

    def test_from_tls_to_plain(self, nginx: Nginx) -> None:
        with pytest.raises(UnsuitableError, match="plain text"):
            opened(f"https://127.0.0.1:{nginx.tls}/down/disk.raw", ca=nginx.authority.path)

    def test_link_that_expires_is_fetched_again(self, nginx: Nginx, faults: HttpFaults) -> None:
        with contextlib.closing(HttpFaults("127.0.0.1", nginx.plain)) as front:
            leads = {"Location": f"{faults.address}/disk.raw"}
            front.add(status=302, headers=leads, times=99)
            with contextlib.closing(opened(f"{front.address}/x.raw")) as file:
                faults.add(status=403)
                buffer = bytearray(MIB)
                file.fetch(0, memoryview(buffer))
            assert front.faults[0].happened == 2
        assert buffer == expected(nginx)[:MIB]


class TestChanges:
    @pytest.mark.parametrize("location", ["", "dated/"])
    def test_file_that_is_replaced(self, nginx: Nginx, location: str) -> None:
        path = nginx.files / "changing.raw"
        make_disk(path, 4 * MIB)
        os.utime(path, (1e9, 1e9))
        with contextlib.closing(opened(at(nginx.plain, f"{location}changing.raw"))) as file:
            before = file.fingerprint
            make_disk(path, 4 * MIB, seed=9)
            with pytest.raises(ChangedError):
                file.fetch(0, memoryview(bytearray(MIB)))
        with contextlib.closing(opened(at(nginx.plain, f"{location}changing.raw"))) as file:
            assert file.fingerprint != before

    def test_server_that_ignores_conditions(self, nginx: Nginx, faults: HttpFaults) -> None:
        with contextlib.closing(opened(f"{faults.address}/disk.raw")) as file:
            headers = {"Content-Range": f"bytes 0-1048575/{file.size}", "ETag": '"another"'}
            faults.add(status=206, headers=headers, body=bytes(MIB))
            with pytest.raises(ChangedError, match="another"):
                file.fetch(0, memoryview(bytearray(MIB)))

    def test_file_that_becomes_shorter(self, nginx: Nginx) -> None:
        path = nginx.files / "shorter.raw"
        make_disk(path, 8 * MIB)
        with contextlib.closing(opened(at(nginx.plain, "bare/shorter.raw"))) as file:
            os.truncate(path, 4 * MIB)
            for offset in (0, 6 * MIB):
                with pytest.raises(ChangedError):
                    file.fetch(offset, memoryview(bytearray(MIB)))

    def test_fingerprint_without_a_version(self, nginx: Nginx) -> None:
        path = nginx.files / "bare.raw"
        make_disk(path, 4 * MIB)
        before = opened(at(nginx.plain, "bare/bare.raw"))
        again = opened(at(nginx.plain, "bare/bare.raw"))
        make_disk(path, 4 * MIB, seed=9)
        after = opened(at(nginx.plain, "bare/bare.raw"))
        assert before.fingerprint == again.fingerprint != after.fingerprint
        for file in (before, again, after):
            file.close()


class TestPatience:
    def test_throttling_is_obeyed(self, nginx: Nginx, faults: HttpFaults) -> None:
        with contextlib.closing(opened(f"{faults.address}/disk.raw")) as file:
            for status in (429, 503):
                faults.add(status=status, headers={"Retry-After": "1"})
                started = time.monotonic()
                file.fetch(0, memoryview(bytearray(MIB)))
                assert time.monotonic() - started >= 1

    def test_errors_that_pass(self, nginx: Nginx, faults: HttpFaults) -> None:
        buffer = bytearray(MIB)
        with contextlib.closing(opened(f"{faults.address}/disk.raw")) as file:
            for status in (500, 502, 503, 504, 408):
                fault = faults.add(status=status)
                file.fetch(MIB, memoryview(buffer))
                assert fault.happened
        assert buffer == expected(nginx)[MIB : 2 * MIB]

    def test_slow_peer(self, nginx: Nginx) -> None:
        # 2 MiB a second: a request takes longer than what is waited for a single byte.
        with contextlib.closing(opened(at(nginx.plain, "slow/disk.raw"))) as file:
            buffer = bytearray(6 * MIB)
            file.fetch(0, memoryview(buffer))
        assert buffer == expected(nginx)[: 6 * MIB]

    def test_connection_that_the_server_closed_meanwhile(self, nginx: Nginx) -> None:
        with contextlib.closing(TcpFaults("127.0.0.1", nginx.plain)) as relay:
            waits: list[str] = []
            url = at(relay.port, "disk.raw")
            file = HttpFile(url, patience=PATIENCE, on_wait=lambda why, _: waits.append(why))
            with contextlib.closing(file):
                relay.cut()
                file.fetch(0, memoryview(bytearray(MIB)))
            assert waits == []
            assert relay.connections == 2

    def test_cancelled_and_gone_on_with(
        self, nginx: Nginx, faults: HttpFaults, tmp_path: Path
    ) -> None:
        cancel = threading.Event()

        def stop(done: int, total: int) -> None:
            if done > total // 2:
                cancel.set()

        journal, target = tmp_path / "journal", tmp_path / "copy.raw"
        url = f"{faults.address}/disk.raw"
        with open_disk(opened(url)) as reader, pytest.raises(CopyCancelledError):
            writer = create_disk(target, DiskFormat.RAW, SIZE, resume=True)
            copy(reader, writer, cancel=cancel, progress=stop, journal=journal)
        faults.clear()
        with open_disk(opened(url)) as reader:
            copy(reader, create_disk(target, DiskFormat.RAW, SIZE, resume=True), journal=journal)
        assert target.read_bytes() == expected(nginx)
        assert faults.received() < SIZE * 0.6


class TestTrust:
    def test_another_authority(
        self, nginx: Nginx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # What the environment trusts does not count beside a file that was given.
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(nginx.authority.path))
        other = LabAuthority(tmp_path / "other")
        url = f"https://localhost:{nginx.tls}/disk.raw"
        with pytest.raises(UnsuitableError, match="not trusted"):
            opened(url, ca=other.path)
        assert content(opened(url)) == expected(nginx)

    def test_another_name(self, nginx: Nginx) -> None:
        with pytest.raises(UnsuitableError, match="not trusted"):
            opened(f"https://127.0.0.2:{nginx.tls}/disk.raw", ca=nginx.authority.path)

    def test_authority_that_is_no_file(self, nginx: Nginx, tmp_path: Path) -> None:
        with pytest.raises(UnsuitableError):
            opened(f"https://localhost:{nginx.tls}/disk.raw", ca=tmp_path / "none")


class TestProxies:
    def test_plain(self, nginx: Nginx, faults: HttpFaults, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", faults.address)
        assert content(opened("http://images.invalid/disk.raw")) == expected(nginx)
        assert all(r.path == "http://images.invalid/disk.raw" for r in faults.requests)

    def test_tunnel_for_tls(self, nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
        with contextlib.closing(TunnelProxy("127.0.0.1", nginx.tls)) as proxy:
            monkeypatch.setenv("https_proxy", f"http://me:hush@127.0.0.1:{proxy.port}")
            url = "https://localhost:7/disk.raw"
            assert content(opened(url, TOKEN, nginx.authority.path)) == expected(nginx)
        assert proxy.heads
        for head in proxy.heads:
            assert head.startswith("CONNECT localhost:7 ")
            assert "Proxy-Authorization: Basic bWU6aHVzaA==" in head
            assert TOKEN not in head

    def test_exceptions(self, nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
        assert content(opened(at(nginx.plain, "disk.raw"))) == expected(nginx)

    def test_proxy_that_wants_credentials(
        self, faults: HttpFaults, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", faults.address)
        faults.add(status=407)
        with pytest.raises(DeniedError, match="407"):
            opened("http://images.invalid/disk.raw")
        faults.add(status=407)
        monkeypatch.setenv("https_proxy", faults.address)
        with pytest.raises(DeniedError, match="proxy"):
            opened("https://images.invalid/disk.raw")
