"""The SMB end against Samba, through a relay that counts bytes and breaks connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.base import MIB, DiskReader, DiskWriter
from imageport.disk.create import create_disk
from imageport.disk.ends.smb import SmbFile, SmbLocation, SmbTarget
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from tests.contract.ends.contract import EndCase, EndContract
from tests.contract.ends.faults import TcpFaults
from tests.contract.ends.samba import Samba

NAME = "disk.raw"


@pytest.fixture(scope="session")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """A server that requires encryption."""
    server = Samba(tmp_path_factory.mktemp("samba"), "smb encrypt = required")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def signing_samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    """A server that requires signatures and cannot encrypt."""
    options = ("smb encrypt = off", "server signing = mandatory")
    server = Samba(tmp_path_factory.mktemp("signing"), *options, protection="sign")
    yield server
    server.kill()


class SmbCase(EndCase):
    """A raw disk on the share `data`."""

    def __init__(self, samba: Samba, state: Path, *, require_encryption: bool = True) -> None:
        self.samba, self.state = samba, state
        self.require_encryption = require_encryption
        self.relay = TcpFaults("127.0.0.1", samba.port)
        self.location = SmbLocation("127.0.0.1", "data", NAME, self.relay.port)
        for path in samba.data.iterdir():
            path.unlink()

    def target(self, size: int) -> DiskWriter:
        file = SmbTarget(
            self.location,
            self.samba.account,
            state=self.state,
            overwrite=True,
            require_encryption=self.require_encryption,
            patience=self.patience,
        )
        return create_disk(file, DiskFormat.RAW, size)

    def reader(self) -> DiskReader:
        file = SmbFile(
            self.location,
            self.samba.account,
            require_encryption=self.require_encryption,
            patience=self.patience,
        )
        return open_disk(file)

    def peers_content(self, size: int) -> bytes:
        content = self.samba.content(NAME)
        assert len(content) == size
        return content

    def left_behind(self) -> list[str]:
        return self.samba.names()

    def disturb_write(self) -> None:
        self.relay.cut_after_sent = self.relay.sent + 5 * MIB

    def disturb_read(self) -> None:
        self.relay.cut_after_received = self.relay.received + 5 * MIB

    def vanish(self) -> None:
        self.relay.gone = True
        self.relay.cut()

    def come_back(self) -> None:
        self.relay.gone = False

    def sent(self) -> int:
        return self.relay.sent


class TestSmb(EndContract):
    """Encrypted, as the server requires."""

    @pytest.fixture
    def case(self, samba: Samba, tmp_path: Path) -> Iterator[EndCase]:
        case = SmbCase(samba, tmp_path / "state")
        yield case
        case.relay.close()


class TestSmbSigned(EndContract):
    """Signed only, which the user has allowed."""

    @pytest.fixture
    def case(self, signing_samba: Samba, tmp_path: Path) -> Iterator[EndCase]:
        case = SmbCase(signing_samba, tmp_path / "state", require_encryption=False)
        yield case
        case.relay.close()
