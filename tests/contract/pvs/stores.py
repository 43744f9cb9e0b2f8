"""Stores with real chains in them, and what each version holds."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from imageport.disk.base import MIB
from imageport.disk.child import create_child
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.smb import SmbFolder, SmbLocation
from imageport.disk.ends.smb.lane import Access, Create, Lane, Login, Share
from imageport.disk.folder import Folder
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from imageport.platforms.pvs.properties import SIZE as PROPERTIES_SIZE
from imageport.platforms.pvs.store import Store
from tests.contract.ends.samba import Samba
from tests.unit.platforms.test_pvs_files import manifest

SIZE = 9 * MIB + 7 * 512
SUFFIXES = {DiskFormat.VHDX: "vhdx", DiskFormat.VHD: "vhd", DiskFormat.VHD_FIXED: "vhd"}


@dataclass
class Site:
    """A store, the folder below it, and the contents of the images that were made in it."""

    folder: Folder
    path: Path
    samba: Samba | None = None
    contents: dict[str, bytes] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return Store(self.folder)

    def base(self, file: str, form: DiskFormat = DiskFormat.VHDX, seed: int = 1) -> Path:
        """A base full of noise but for two MiB."""
        content = bytearray(random.Random(f"{file} {seed}").randbytes(SIZE))
        content[5 * MIB : 7 * MIB] = bytes(2 * MIB)
        raw = self.path / "raw"
        raw.write_bytes(content)
        with open_disk(raw) as reader:
            writer = create_disk(self.path / file, form, SIZE)
            copy(reader, writer)
        raw.unlink()
        self.contents[file] = bytes(content).ljust(writer.size, b"\0")
        return self.path / file

    def child(self, file: str, parent: str, seed: int = 1) -> Path:
        """A child with some ranges of its own."""
        noise, content = random.Random(f"{file} {seed}"), bytearray(self.contents[parent])
        form = DiskFormat.VHDX if file.endswith("x") else DiskFormat.VHD
        below = self.path / parent
        windows = f"D:\\Store\\{parent}"
        writer = create_child(self.path / file, below, form, windows_path=windows)
        for _ in range(12):
            # Whole groups of eight sectors: libvhdi misreads others (tests/contract/disk).
            start = noise.randrange(len(content) // 4096 - 160) * 4096
            data = noise.randbytes(noise.choice((1, 16, 150)) * 4096)
            writer.write(start, memoryview(data))
            content[start : start + len(data)] = data
        writer.finish()
        self.contents[file] = bytes(content)
        return self.path / file

    def chain(self, form: DiskFormat = DiskFormat.VHDX, name: str = "win") -> list[str]:
        """A base and two versions."""
        suffix = SUFFIXES[form]
        files = [f"{name}.{suffix}", f"{name}.1.a{suffix}", f"{name}.2.a{suffix}"]
        self.base(files[0], form)
        self.child(files[1], files[0])
        self.child(files[2], files[1])
        return files

    def manifest(self, *versions: tuple[object, ...], name: str = "win") -> None:
        """(number, type, access, file) each; the size is the file's own unless a fifth says."""
        rows = [
            version
            if len(version) > 4
            else (*version, (self.path / str(version[3])).stat().st_size)
            for version in versions
        ]
        (self.path / f"{name}.xml").write_bytes(manifest(*rows))

    def properties(self, file: str, write_cache_type: int) -> None:
        data = bytearray(PROPERTIES_SIZE)
        struct.pack_into("<I", data, 256, write_cache_type)
        (self.path / file).write_bytes(data)

    def read(self, number: int | None = None, name: str = "win", **options: bool) -> bytes:
        """A version's content, through the store."""
        opened = self.store.open(self.store.vdisk(name), number, **options)
        with opened.disk as disk:
            content = bytearray(disk.size)
            assert disk.read_into(0, content) == disk.size
        return bytes(content)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


def smb_folder(samba: Samba, path: str) -> SmbFolder:
    location = SmbLocation("127.0.0.1", "data", path, samba.port)
    return SmbFolder(location, samba.account, patience=4.0)


@contextmanager
def held_open(samba: Samba, path: str, access: Access, share: Share) -> Iterator[None]:
    """Another client has a file of the share `data` open."""
    location = SmbLocation("127.0.0.1", "data", path, samba.port)
    lane = Lane(Login(location, samba.account, True, 10.0))
    try:
        handle = lane.open(location.windows_path, access, share, Create.NEVER)
        yield
        handle.close()
    finally:
        lane.close()


Maker = Callable[[], Site]
