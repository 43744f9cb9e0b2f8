"""The end between its contract and its peer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imageport.disk.base import GIB, DiskReader
from imageport.disk.ends.gcs import GcsFile, GcsMethod, GcsPlace, GcsTarget
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.open import open_disk
from imageport.model.credentials import GcpServiceAccount, GcpToken
from tests.contract.ends.contract import EndCase
from tests.contract.ends.gcs.peer import BUCKET, StrictGcs

ARCHIVE, IMAGE = "out/image.tar.gz", "in/image.raw"
PART = 1 << 20


class GcsCase(EndCase):
    credential: GcpToken | GcpServiceAccount | None = None
    part = PART

    def __init__(self, peer: StrictGcs, folder: Path, method: GcsMethod) -> None:
        self.peer, self.folder, self.method = peer, folder, method
        self.state = folder / "upload.json"

    def place(self, name: str) -> GcsPlace:
        return GcsPlace(BUCKET, name, self.credential, endpoint=self.peer.address)

    def target_for(self, source: DiskReader) -> GcpArchiveWriter:
        return GcpArchiveWriter(self.gcs_target(source), source)

    def gcs_target(self, source: DiskReader, *, overwrite: bool = False) -> GcsTarget:
        return GcsTarget(
            self.place(ARCHIVE),
            state=self.state,
            source=source.fingerprint,
            method=self.method,
            part=self.part,
            patience=self.patience,
            overwrite=overwrite,
        )

    def put(self, source: DiskReader, disk: Path) -> None:
        content = bytearray(source.size)
        source.read_into(0, content)
        self.peer.emulator.put(IMAGE, bytes(content))

    def reader(self) -> DiskReader:
        return open_disk(self.file())

    def file(self, name: str = IMAGE) -> GcsFile:
        return GcsFile(self.place(name), patience=self.patience)

    def peers_content(self, size: int) -> bytes:
        return unpacked(self.peer.emulator.path(ARCHIVE), self.folder, size)

    def left_behind(self) -> list[str]:
        state = ["state"] if self.state.exists() else []
        return [*self.peer.emulator.names(), *self.peer.sessions, *state]

    def disturb_write(self) -> None:
        self.peer.add(when=is_upload, cut_request=True, skip=1)

    def disturb_read(self) -> None:
        self.peer.add(when=is_download, cut_response=True, skip=1)

    def vanish(self) -> None:
        self.peer.gone = True

    def come_back(self) -> None:
        self.peer.gone = False

    def sent(self) -> int:
        return self.peer.sent()


def is_upload(method: str, path: str) -> bool:
    """A request that carries data up."""
    return path.startswith("/upload/") and ("multipart" in path or method == "PUT")


def is_download(method: str, path: str) -> bool:
    return path.startswith("/download/")


def is_compose(method: str, path: str) -> bool:
    return "/compose" in path


def unpack(archive: Path, folder: Path) -> Path:
    """The disk in an archive, as GNU tar sees it."""
    subprocess.run(["gzip", "-t", archive], check=True)
    argv = ["tar", "--extract", "--sparse", "--file", str(archive), "--directory", str(folder)]
    subprocess.run(argv, check=True)
    assert (folder / "disk.raw").stat().st_size % GIB == 0
    return folder / "disk.raw"


def unpacked(archive: Path, folder: Path, size: int) -> bytes:
    """The first bytes of the disk in an archive."""
    disk = unpack(archive, folder)
    with open(disk, "rb") as file:
        content = file.read(size)
    disk.unlink()
    return content


def child_target(
    source: str, endpoint: str, state: str, method: str, part: int
) -> GcpArchiveWriter:
    """The target of a copy in a process of its own."""
    reader = open_disk(source)
    place = GcsPlace(BUCKET, ARCHIVE, endpoint=endpoint)
    target = GcsTarget(
        place,
        state=Path(state),
        source=reader.fingerprint,
        method=GcsMethod(method),
        part=part,
    )
    return GcpArchiveWriter(target, reader)
