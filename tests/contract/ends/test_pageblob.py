"""Azure page blobs against Azurite, with what the real service refuses put in front of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.disk.base import DiskReader, DiskWriter
from imageport.disk.create import create_disk
from imageport.disk.ends.pageblob.file import PageBlobFile
from imageport.disk.ends.pageblob.service import Options
from imageport.disk.ends.pageblob.target import PageBlobTarget
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from tests.contract.ends.azurite import Azurite, StrictBlobs, signature
from tests.contract.ends.contract import EndCase, EndContract

pytestmark = pytest.mark.xdist_group("azurite")
NAME = "disk.vhd"


class PageBlobCase(EndCase):
    def __init__(self, peer: Azurite, blobs: StrictBlobs, folder: Path) -> None:
        self.peer, self.blobs, self.folder = peer, blobs, folder
        self.options = Options(patience=self.patience)

    def target(self, size: int) -> DiskWriter:
        place = PageBlobTarget(
            self.blobs.address_of(NAME),
            signature(NAME),
            state=self.folder / "state.json",
            overwrite=True,
            options=self.options,
        )
        return create_disk(place, DiskFormat.VHD_FIXED, size)

    def reader(self) -> DiskReader:
        file = PageBlobFile(self.blobs.address_of(NAME), signature(NAME, "r"), options=self.options)
        return open_disk(file)

    def peers_content(self, size: int) -> bytes:
        return self.peer.blob(NAME).download_blob().readall()[:size]

    def left_behind(self) -> list[str]:
        return self.peer.names() + [path.name for path in self.folder.glob("state*")]

    def disturb_write(self) -> None:
        self.blobs.add(when=lambda method, path: "comp=page&" in path + "&", cut_request=True)

    def disturb_read(self) -> None:
        self.blobs.add(
            when=lambda method, path: method == "GET" and "comp=" not in path, cut_response=True
        )

    def vanish(self) -> None:
        self.blobs.gone = True

    def come_back(self) -> None:
        self.blobs.gone = False

    def sent(self) -> int:
        return self.blobs.sent()


class TestPageBlob(EndContract):
    @pytest.fixture
    def case(self, azure: Azurite, blobs: StrictBlobs, tmp_path: Path) -> EndCase:
        return PageBlobCase(azure, blobs, tmp_path)
