"""The SMB end against Samba, through a relay that counts bytes and breaks connections."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imageport.disk.base import MIB, DiskReader, DiskWriter
from imageport.disk.create import create_disk
from imageport.disk.ends.smb import SmbFile, SmbLocation, SmbTarget
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from tests.contract.ends.contract import EndCase
from tests.contract.ends.faults import TcpFaults
from tests.contract.ends.samba import Samba

NAME = "disk.raw"


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


def at(samba: Samba, path: str, share: str = "data") -> SmbLocation:
    return SmbLocation("127.0.0.1", share, path, samba.port)


def target_at(
    samba: Samba, state: Path, path: str, share: str = "data", **options: Any
) -> SmbTarget:
    options = {"patience": 4.0, **options}
    return SmbTarget(at(samba, path, share), samba.account, state=state, **options)


@contextmanager
def held_open_for_writing(samba: Samba, name: str, folder: Path) -> Iterator[None]:
    """smbclient has the file open: it waits for what it is to put there."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=samba.client, args=("data", f'put "{pipe}" "{name}"'))
    thread.start()
    with open(pipe, "wb") as waiting:
        deadline = time.monotonic() + 20
        while not (samba.data / name).exists() or (samba.data / name).stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        try:
            yield
        finally:
            waiting.write(b"done")
    thread.join()
    pipe.unlink()
