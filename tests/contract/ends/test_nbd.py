"""NBD exports of three servers that others wrote: QEMU's, the protocol's own, and nbdkit."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from imageport.disk.base import KIB, MIB, DiskReader
from imageport.disk.copy import copy
from imageport.disk.ends.nbd.address import NbdAddress
from imageport.disk.ends.nbd.ends import NbdReader, NbdWriter
from imageport.disk.errors import CopyCancelledError
from imageport.disk.treehash import tree_hash
from tests.contract.ends.contract import SIZE, EndCase, EndContract
from tests.contract.ends.faults import TcpFaults
from tests.contract.ends.peers import free_port, running

Argv = Sequence[str | Path]


def qemu(disk: Path, port: int, *options: str) -> Argv:
    where = ["-b", "127.0.0.1", "-p", str(port), "-x", "disk"]
    return ["qemu-nbd", "-f", "raw", "-t", "-e", "32", *where, *options, disk]


def nbdkit(disk: Path, port: int, *options: str) -> Argv:
    own = [option for option in options if option.startswith("-")]
    settings = [option for option in options if option not in own]
    return ["nbdkit", "-f", "-i", "127.0.0.1", "-p", str(port), *own, "file", disk, *settings]


def nbd_server(disk: Path, port: int, *options: str) -> Argv:
    """Each connection in a process of its own, as the reference server does it."""
    config = disk.with_name("config")
    generic = f"[generic]\nlistenaddr = 127.0.0.1\nport = {port}\n"
    config.write_text(f"{generic}[disk]\nexportname = {disk}\n" + "\n".join(options) + "\n")
    return ["nbd-server", "-C", config, "-p", disk.with_name("pid")]


class NbdCase(EndCase):
    """A server of one file, which is as large as the target, behind a relay."""

    def __init__(
        self, folder: Path, argv: Callable[[Path, int], Argv], daemon: str | None = None
    ) -> None:
        self.disk = folder / "export" / "disk.raw"
        self.disk.parent.mkdir()
        self._argv, self._log = argv, folder / "server.log"
        self._daemon = self.disk.with_name(daemon) if daemon else None
        self._port = free_port()
        self._server = contextlib.ExitStack()
        self.relay = TcpFaults("127.0.0.1", self._port)
        self.address = NbdAddress("127.0.0.1", self.relay.port, export="disk")

    def serve(self) -> None:
        """Start the server, or start it again."""
        self._server.close()
        self._server.enter_context(
            running(self._argv(self.disk, self._port), self._port, self._log, self._daemon)
        )
        if self._daemon:
            _await_greeting(self._port)

    def target(self, size: int) -> NbdWriter:
        with open(self.disk, "wb") as file:
            file.truncate(size)
        self.serve()
        return self.writer(size)

    def writer(self, size: int) -> NbdWriter:
        """A target that is the export as it is."""
        return NbdWriter(self.address, size, patience=self.patience)

    def reader(self) -> NbdReader:
        return NbdReader(self.address, patience=self.patience)

    def peers_content(self, size: int) -> bytes:
        return self.disk.read_bytes()[:size]

    def left_behind(self) -> list[str]:
        if not self.disk.exists():
            return []
        content = self.disk.read_bytes()
        return [
            f"a block at {at}"
            for at in range(0, len(content), 64 * KIB)
            if any(content[at : at + 64 * KIB])
        ]

    def disturb_write(self) -> None:
        self.relay.cut_after_sent = self.relay.sent + 3 * MIB + 1000

    def disturb_read(self) -> None:
        self.relay.cut_after_received = self.relay.received + 3 * MIB + 1000

    def vanish(self) -> None:
        self.relay.gone = True
        self.relay.cut()

    def come_back(self) -> None:
        self.relay.gone = False

    def sent(self) -> int:
        return self.relay.sent

    def close(self) -> None:
        self._server.close()
        self.relay.close()


def _await_greeting(port: int) -> None:
    """nbd-server listens, makes Diffie-Hellman parameters for seconds, and only then greets."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as connection,
        connection.makefile("rb") as said,
    ):
        assert len(said.read(18)) == 18


class TestQemu(EndContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[NbdCase]:
        with contextlib.closing(NbdCase(tmp_path, qemu)) as case:
            yield case


class TestNbdkit(EndContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[NbdCase]:
        with contextlib.closing(NbdCase(tmp_path, nbdkit)) as case:
            yield case


class TestNbdServer(EndContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[NbdCase]:
        with contextlib.closing(NbdCase(tmp_path, nbd_server, "pid")) as case:
            yield case

    def test_failed_copy_leaves_nothing(self, case: EndCase, source: DiskReader) -> None:
        """It never says what is zeros, so nothing can be taken back; a new copy must cope."""
        target = case.target(SIZE)
        assert not target.zeroed

        def fail(done: int, total: int) -> None:
            if done > total // 3:
                raise ValueError("enough")

        with pytest.raises(ValueError, match="enough"):
            copy(source, target, progress=fail)
        assert isinstance(case, NbdCase)
        case.disk.write_bytes(b"rubbish!" * (SIZE // 8))
        manifest = copy(source, case.writer(SIZE))
        with case.reader() as reader:
            assert tree_hash(reader).root == manifest.root

    def test_cancelled_copy_leaves_nothing(self, case: EndCase, source: DiskReader) -> None:
        """See above."""
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(CopyCancelledError):
            copy(source, case.target(SIZE), cancel=cancel)
        assert case.left_behind() == []
