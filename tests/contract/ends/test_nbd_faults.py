"""NBD servers that refuse, fail, forget, go away or know little; TLS; a copy that is killed."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imageport.disk.base import GIB, KIB, MIB, ExtentKind
from imageport.disk.copy import copy
from imageport.disk.ends.errors import (
    ChangedError,
    DeniedError,
    EndError,
    NoSpaceError,
    NotFoundError,
    PeerChecksumError,
    RefusedError,
    UnreachableError,
    UnsuitableError,
)
from imageport.disk.ends.nbd.address import NbdAddress, NbdTls
from imageport.disk.ends.nbd.ends import NbdReader, NbdWriter
from imageport.disk.errors import NotADiskError, TargetTooSmallError
from imageport.disk.manifest import BLOCK
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from lab.certificates import LabAuthority
from tests.contract.ends.contract import SIZE, EndContract, make_disk
from tests.contract.ends.faults import TcpFaults
from tests.contract.ends.test_nbd import Argv, NbdCase, nbdkit, qemu

PATIENCE = 4.0
Serve = Callable[..., NbdCase]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.raw"
    make_disk(path)
    return path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves a file of `size` bytes, or what is in `holds`, by a server with `options`."""
    with contextlib.ExitStack() as stack:

        def start(
            server: Callable[..., Argv] = nbdkit,
            *options: str,
            size: int = SIZE,
            holds: Path | None = None,
        ) -> NbdCase:
            case = NbdCase(tmp_path, functools.partial(_served, server, options))
            stack.enter_context(contextlib.closing(case))
            with open(case.disk, "wb") as file:
                file.truncate(size)
            if holds is not None:
                case.disk.write_bytes(holds.read_bytes())
            case.serve()
            return case

        yield start


def _served(server: Callable[..., Argv], options: tuple[str, ...], disk: Path, port: int) -> Argv:
    return server(disk, port, *options)


def copied(case: NbdCase, source: Path) -> None:
    """Copy through the end; what the server's file holds then must be the source."""
    with open_disk(source) as reader:
        copy(reader, case.writer(reader.size))
    assert case.disk.read_bytes() == source.read_bytes()


def read(case: NbdCase, source: Path) -> None:
    """Read through the end what the server has from `source`."""
    with open_disk(source) as here, case.reader() as reader:
        assert tree_hash(reader).root == tree_hash(here).root


class TestErrorsOfTheServer:
    @pytest.mark.parametrize(
        ("number", "error"),
        [
            ("ENOSPC", NoSpaceError),
            ("EPERM", DeniedError),
            ("EINVAL", RefusedError),
            ("EIO", UnreachableError),
            ("ENOMEM", UnreachableError),
        ],
    )
    def test_every_write_fails(
        self, serve: Serve, source: Path, number: str, error: type[EndError]
    ) -> None:
        case = serve(nbdkit, "--filter=error", f"error-pwrite={number}", "error-pwrite-rate=100%")
        # What is tried again ends as `UnreachableError`.
        with pytest.raises(error), open_disk(source) as reader:
            copy(reader, case.writer(SIZE))
        assert case.left_behind() == []

    def test_some_requests_fail(self, serve: Serve, source: Path) -> None:
        case = serve(nbdkit, "--filter=error", "error=EIO", "error-rate=15%")
        with open_disk(source) as reader:
            copy(reader, NbdWriter(case.address, SIZE, patience=60))
        assert case.disk.read_bytes() == source.read_bytes()
        with NbdReader(case.address, patience=60) as reader, open_disk(source) as here:
            assert tree_hash(reader).root == tree_hash(here).root

    def test_read_only(self, serve: Serve) -> None:
        case = serve(qemu, "-r")
        with pytest.raises(DeniedError, match="read-only"):
            case.writer(SIZE)

    def test_too_small(self, serve: Serve) -> None:
        case = serve()
        with pytest.raises(TargetTooSmallError):
            case.writer(SIZE + 512)

    def test_no_disk(self, serve: Serve) -> None:
        case = serve(size=1000)
        with pytest.raises(NotADiskError):
            case.reader()

    def test_no_such_export(self, serve: Serve) -> None:
        case = serve(qemu)
        case.address = NbdAddress("127.0.0.1", case.relay.port, export="other")
        with pytest.raises(NotFoundError):
            case.reader()

    def test_no_nbd_server(self) -> None:
        relay = TcpFaults("127.0.0.1", 1)
        with contextlib.closing(relay), pytest.raises(UnreachableError):
            NbdReader(NbdAddress("127.0.0.1", relay.port), patience=1)

    def test_oldstyle(self, serve: Serve) -> None:
        case = serve(nbdkit, "-o")
        with pytest.raises(UnsuitableError):
            case.reader()


class TestWhatServersKnow:
    @pytest.mark.parametrize(
        "options",
        [
            ["--no-sr"],
            ["--filter=noextents"],
            ["--filter=nozero"],
            ["--filter=nozero", "zeromode=notrim"],
            ["--filter=noparallel"],
            ["--filter=multi-conn", "multi-conn-mode=disable"],
            ["--filter=rate", "rate=80M"],
            ["--filter=delay", "wdelay=20ms", "rdelay=20ms"],
            ["--filter=blocksize-policy", "blocksize-maximum=256K", "blocksize-preferred=64K"],
        ],
        ids=" ".join,
    )
    def test_copies_there_and_back(self, serve: Serve, source: Path, options: list[str]) -> None:
        case = serve(nbdkit, *options)
        case.disk.write_bytes(b"rubbish!" * (SIZE // 8))
        copied(case, source)
        read(case, source)

    def test_extents_are_unknown(self, serve: Serve, source: Path) -> None:
        case = serve(nbdkit, "--filter=noextents", holds=source)
        with case.reader() as reader:
            assert [extent.kind for extent in reader.extents()] == [ExtentKind.DATA]
        writer = case.writer(SIZE)
        assert not writer.zeroed
        writer.suspend()

    def test_fresh_export_is_zeroed_and_another_is_not(self, serve: Serve, source: Path) -> None:
        for server in (nbdkit, qemu):
            case = serve(server)
            writer = case.writer(SIZE)
            assert writer.zeroed
            writer.write(MIB, memoryview(b"x" * 512))
            writer.finish()
            writer = case.writer(SIZE)
            assert not writer.zeroed
            writer.suspend()
            case.close()
            case.disk.unlink()
            case.disk.parent.rmdir()

    @pytest.mark.parametrize("minimum", [512, 4096, 65536])
    def test_block_size_is_kept(self, serve: Serve, source: Path, minimum: int) -> None:
        sizes = [f"blocksize-minimum={minimum}", "blocksize-preferred=64K", "blocksize-maximum=32M"]
        options = ["--filter=blocksize-policy", *sizes, "blocksize-error-policy=error"]
        case = serve(nbdkit, *options, holds=source)
        content = bytearray(source.read_bytes())
        with case.reader() as reader:
            for at, length in ((0, 1), (511, 2), (minimum - 1, minimum + 2), (SIZE - 3, 3)):
                buffer = bytearray(length)
                assert reader.read_into(at, buffer) == length
                assert buffer == content[at : at + length]
        writer = case.writer(SIZE)
        for at, length in ((5, 7), (minimum - 1, minimum + 2), (3 * MIB + 1, 70000)):
            writer.write(at, memoryview(b"w" * length))
            content[at : at + length] = b"w" * length
        for at, length in ((9 * MIB - 3, 6), (6 * MIB + 512, MIB), (100, 100)):
            writer.zero(at, length)
            content[at : at + length] = bytes(length)
        writer.finish()
        assert case.disk.read_bytes() == content

    def test_size_that_is_no_whole_number_of_blocks(self, serve: Serve) -> None:
        policy = ["--filter=blocksize-policy", "blocksize-minimum=4096", "blocksize-preferred=4096"]
        case = serve(nbdkit, *policy, "blocksize-maximum=32M", size=MIB + 512)
        with pytest.raises(UnsuitableError, match="whole number"):
            case.reader()

    def test_one_connection_where_several_are_not_allowed(self, serve: Serve, source: Path) -> None:
        case = serve(nbdkit, "--filter=multi-conn", "multi-conn-mode=disable", holds=source)
        with case.reader() as reader:
            tree_hash(reader, workers=6)
        assert case.relay.connections == 1

    def test_several_connections(self, serve: Serve, source: Path) -> None:
        case = serve(nbdkit, holds=source)
        with case.reader() as reader:
            tree_hash(reader, workers=6)
        assert 1 < case.relay.connections <= 4

    def test_server_with_room_for_two(self, serve: Serve, source: Path) -> None:
        case = serve(qemu, "-e", "2", holds=source)
        with case.reader() as reader, open_disk(source) as here:
            assert tree_hash(reader, workers=6).root == tree_hash(here).root

    def test_unix_socket_and_an_odd_name(self, tmp_path: Path, source: Path) -> None:
        path = tmp_path / "a socket"
        argv: list[str | Path] = [
            "qemu-nbd",
            "-r",
            "-f",
            "raw",
            "-t",
            "-x",
            "dísk one",
            "-k",
            path,
            source,
        ]
        server = subprocess.Popen(argv)
        try:
            address = NbdAddress(socket=path, export="dísk one")
            assert NbdAddress.parse(str(address)) == address
            with NbdReader(address, patience=20) as reader, open_disk(source) as here:
                assert tree_hash(reader).root == tree_hash(here).root
        finally:
            server.kill()
            server.wait()

    def test_huge_export(self, serve: Serve) -> None:
        case = serve(qemu, size=9 * GIB)
        with open(case.disk, "r+b") as file:
            file.seek(7 * GIB)
            file.write(b"x" * 512)
        with case.reader() as reader:
            kinds = [(e.offset, e.kind) for e in reader.extents()]
            assert kinds[0] == (0, ExtentKind.UNALLOCATED)
            assert len(kinds) == 3
        writer = case.writer(9 * GIB)
        assert not writer.zeroed
        writer.zero(0, 9 * GIB)
        writer.finish()
        with case.reader() as reader:
            assert all(e.kind is not ExtentKind.DATA for e in reader.extents())
        assert case.disk.stat().st_blocks * 512 < MIB


class TestServersThatComeBack:
    def test_restarted_with_the_same_file(self, serve: Serve, source: Path) -> None:
        case = serve(qemu)
        restarted: list[int] = []

        def restart(done: int, total: int) -> None:
            if done > total // 2 and not restarted:
                restarted.append(done)
                case.serve()

        with open_disk(source) as reader:
            copy(reader, NbdWriter(case.address, SIZE, patience=30), progress=restart)
        assert restarted
        assert case.disk.read_bytes() == source.read_bytes()

    def test_restarted_and_everything_forgotten(self, serve: Serve, source: Path) -> None:
        # nbdkit's memory: what was acknowledged before the restart is gone.
        def memory(disk: Path, port: int) -> Argv:
            return ["nbdkit", "-f", "-i", "127.0.0.1", "-p", str(port), "memory", str(SIZE)]

        case = serve(memory)
        writer = NbdWriter(case.address, SIZE, patience=30)
        writer.write(0, memoryview(b"a" * MIB))
        writer.sync()
        writer.write(MIB, memoryview(b"b" * MIB))
        case.serve()
        writer.write(2 * MIB, memoryview(b"c" * MIB))
        with pytest.raises(PeerChecksumError) as caught:
            writer.sync()
        assert caught.value.data["offset"] == MIB
        with pytest.raises(PeerChecksumError):
            writer.finish()
        writer.abort()

    def test_zeros_are_written_again(self, serve: Serve) -> None:
        case = serve(qemu)
        case.disk.write_bytes(b"r" * SIZE)
        writer = NbdWriter(case.address, SIZE, patience=30)
        writer.zero(0, MIB)
        # As a server would that lost what it had accepted.
        with open(case.disk, "r+b") as file:
            file.write(b"r" * MIB)
        case.relay.cut()
        writer.finish()
        assert case.disk.read_bytes() == bytes(MIB) + b"r" * (SIZE - MIB)

    def test_restarted_with_another_disk(self, serve: Serve, source: Path) -> None:
        case = serve(nbdkit, holds=source)
        with NbdReader(case.address, patience=30) as reader:
            os.truncate(case.disk, SIZE // 2)
            case.serve()
            with pytest.raises(ChangedError):
                tree_hash(reader)

    def test_silence(self, serve: Serve, source: Path) -> None:
        case = serve(nbdkit, holds=source)
        with (
            case.reader() as reader,
            case.relay.stalled(),
            pytest.raises(UnreachableError, match="no answer"),
        ):
            reader.read_into(0, bytearray(MIB))


def tls_server(disk: Path, port: int, folder: str) -> Argv:
    creds = f"tls-creds-x509,id=tls,endpoint=server,verify-peer=on,dir={folder}"
    return qemu(disk, port, "--object", creds, "--tls-creds", "tls")


class TlsCase(NbdCase):
    """A server that insists on TLS and on a client's certificate."""

    def __init__(self, folder: Path) -> None:
        authority = LabAuthority(folder / "tls")
        authority.sign("server")
        certificate, key = authority.sign("client", client=True)
        super().__init__(folder, lambda disk, port: tls_server(disk, port, str(authority.folder)))
        self.tls = NbdTls(authority.path, certificate, key)
        self.address = NbdAddress("127.0.0.1", self.relay.port, export="disk", secure=True)

    def writer(self, size: int) -> NbdWriter:
        return NbdWriter(self.address, size, self.tls, patience=self.patience)

    def reader(self) -> NbdReader:
        return NbdReader(self.address, self.tls, patience=self.patience)


class TestTls(EndContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[TlsCase]:
        with contextlib.closing(TlsCase(tmp_path)) as case:
            yield case

    def test_who_is_not_trusted(self, case: TlsCase, tmp_path: Path) -> None:
        case.target(SIZE).suspend()
        other = LabAuthority(tmp_path / "other")
        certificate, key = other.sign("client", client=True)
        with pytest.raises(UnsuitableError, match="not trusted"):
            NbdReader(case.address, NbdTls(other.path), patience=PATIENCE)
        with pytest.raises(DeniedError):
            NbdReader(case.address, NbdTls(case.tls.ca), patience=PATIENCE)
        with pytest.raises(DeniedError):
            NbdReader(case.address, NbdTls(case.tls.ca, certificate, key), patience=PATIENCE)
        plain = NbdAddress("127.0.0.1", case.relay.port, export="disk")
        with pytest.raises(UnsuitableError, match="TLS"):
            NbdReader(plain, patience=PATIENCE)

    def test_server_without_tls(self, serve: Serve, tmp_path: Path) -> None:
        case = serve(qemu)
        address = NbdAddress("127.0.0.1", case.relay.port, export="disk", secure=True)
        with pytest.raises(UnsuitableError):
            NbdReader(address, NbdTls(), patience=PATIENCE)

    def test_another_name(self, case: TlsCase) -> None:
        case.target(SIZE).suspend()
        tls = NbdTls(case.tls.ca, case.tls.certificate, case.tls.key, hostname="elsewhere")
        with pytest.raises(UnsuitableError, match="not trusted"):
            NbdReader(case.address, tls, patience=PATIENCE)


def make_writer(port: int, size: int) -> NbdWriter:
    """For `copy_child`."""
    return NbdWriter(NbdAddress("127.0.0.1", port, export="disk"), size, patience=30)


@pytest.mark.parametrize(
    "size", [448 * MIB, pytest.param(4 * GIB, marks=pytest.mark.slow)], ids=["448 MiB", "4 GiB"]
)
def test_killed_copy_is_resumed(serve: Serve, tmp_path: Path, size: int) -> None:
    source, journal = tmp_path / "source.raw", tmp_path / "journal"
    with open(source, "wb") as file:
        for _ in range(size // (64 * MIB)):
            file.write(os.urandom(64 * MIB))
    case = serve(qemu, size=size)
    job = {
        "source": str(source),
        "make": f"{__name__}:make_writer",
        "args": {"port": case.relay.port, "size": size},
        "journal": str(journal),
    }
    argv = [sys.executable, "-m", "tests.contract.ends.copy_child"]
    child = subprocess.Popen([*argv, json.dumps(job | {"pause": 0.015})])
    record = 8 + 32
    while not (journal.exists() and journal.stat().st_size > 100 * record):
        assert child.poll() is None
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    finished = (journal.stat().st_size - 1 * KIB) // record * BLOCK
    before = case.relay.sent
    assert before < size
    argv.append(json.dumps(job))
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert case.relay.sent - before < size - finished + MIB
    with open_disk(source) as reader:
        assert done.stdout.strip() == tree_hash(reader).root.hex()
    with case.reader() as reader:
        assert tree_hash(reader).root.hex() == done.stdout.strip()
    assert not journal.exists()
