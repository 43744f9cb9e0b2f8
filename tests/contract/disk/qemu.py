"""QEMU's tools as the independent other side, and the disks that they make."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from imageport.disk.base import DiskReader, ExtentKind
from imageport.model.target import DiskFormat

MIB = 1024 * 1024
SAMPLE_SIZE = 20 * MIB + 7 * 512
"""No multiple of any cluster, grain or block size."""


@dataclass(frozen=True)
class Kind:
    """A kind of image that qemu-img makes."""

    name: str
    driver: str
    options: str
    format: DiskFormat
    compress: bool = False

    @property
    def suffix(self) -> str:
        return {"vpc": "vhd", "raw": "raw"}.get(self.driver, self.driver)


KINDS = (
    Kind("raw", "raw", "preallocation=off", DiskFormat.RAW),
    Kind("vhd-fixed", "vpc", "subformat=fixed,force_size=on", DiskFormat.VHD_FIXED),
    Kind("vhd-dynamic", "vpc", "subformat=dynamic,force_size=on", DiskFormat.VHD),
    Kind("vhdx-dynamic", "vhdx", "subformat=dynamic", DiskFormat.VHDX),
    Kind("vhdx-1m", "vhdx", "subformat=dynamic,block_size=1M", DiskFormat.VHDX),
    Kind("vhdx-fixed", "vhdx", "subformat=fixed,block_size=2M", DiskFormat.VHDX),
    Kind("vmdk-sparse", "vmdk", "subformat=monolithicSparse", DiskFormat.VMDK),
    Kind("vmdk-zeroed", "vmdk", "subformat=monolithicSparse,zeroed_grain=on", DiskFormat.VMDK),
    Kind("vmdk-flat", "vmdk", "subformat=monolithicFlat", DiskFormat.VMDK),
    Kind("vmdk-stream", "vmdk", "subformat=streamOptimized", DiskFormat.VMDK),
    Kind("vmdk-2gb-sparse", "vmdk", "subformat=twoGbMaxExtentSparse", DiskFormat.VMDK),
    Kind("vmdk-2gb-flat", "vmdk", "subformat=twoGbMaxExtentFlat", DiskFormat.VMDK),
    Kind("qcow2-v2", "qcow2", "compat=0.10", DiskFormat.QCOW2),
    Kind("qcow2", "qcow2", "compat=1.1", DiskFormat.QCOW2),
    Kind("qcow2-512", "qcow2", "cluster_size=512", DiskFormat.QCOW2),
    Kind("qcow2-2m", "qcow2", "cluster_size=2M", DiskFormat.QCOW2),
    Kind("qcow2-subclusters", "qcow2", "extended_l2=on", DiskFormat.QCOW2),
    Kind("qcow2-metadata", "qcow2", "preallocation=metadata", DiskFormat.QCOW2),
    Kind("qcow2-zlib", "qcow2", "compression_type=zlib", DiskFormat.QCOW2, compress=True),
    Kind("qcow2-zlib-v2", "qcow2", "compat=0.10", DiskFormat.QCOW2, compress=True),
    Kind("qcow2-zstd", "qcow2", "compression_type=zstd", DiskFormat.QCOW2, compress=True),
    Kind("qcow2-zlib-subclusters", "qcow2", "extended_l2=on", DiskFormat.QCOW2, compress=True),
    Kind("qcow2-zstd-2m", "qcow2", "compression_type=zstd,cluster_size=2M", DiskFormat.QCOW2, True),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def run(*argv: str | Path) -> str:
    """Run a tool; what it prints."""
    done = subprocess.run(list(map(str, argv)), check=True, capture_output=True, text=True)
    return done.stdout


def make_sample(path: Path, seed: int = 7, size: int = SAMPLE_SIZE) -> None:
    """A sparse raw disk: noise, repeated text, zeros in between, and a last sector of data."""
    random_source = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(size)
        for _ in range(24):
            length = random_source.randrange(1, 300) * 512
            file.seek(random_source.randrange(0, (size - length) // 512) * 512)
            noise = random_source.randbytes(length // 2)
            file.write((noise + b"imageport" * length)[:length])
        file.seek(size - 512)
        file.write(b"the end!" * 64)


def make_pieces(path: Path, size: int) -> None:
    """A small raw disk of a few pieces of data, in more blocks than one."""
    source = random.Random(5)
    with open(path, "wb") as file:
        file.truncate(size)
        for at in (0, 2 * MIB - 512, 3 * MIB + 70_144, size - 3 * MIB - 65_536):
            file.seek(at)
            file.write(source.randbytes(100 * 512) + b"imageport" * 9000)
        file.seek(size - 512)
        file.write(b"the end!" * 64)


def make(kind: Kind, source: Path, folder: Path) -> Path:
    """Convert a raw disk to `kind` in `folder`."""
    target = folder / f"{kind.name}.{kind.suffix}"
    argv = ["qemu-img", "convert", "-f", "raw", "-O", kind.driver, "-o", kind.options]
    run(*argv, *(["-c"] if kind.compress else []), source, target)
    return target


def clone(image: Path, folder: Path) -> Path:
    """Copy an image, with its extent files if it has any."""
    parts = image.parent.glob(f"{image.stem}-[fs]*{image.suffix}")
    for path in [image, *(parts if image.suffix == ".vmdk" else ())]:
        shutil.copy(path, folder / path.name)
    return folder / image.name


def content(path: Path, driver: str) -> bytes:
    """The disk's bytes as QEMU reads them."""
    raw = path.with_name(path.name + ".oracle")
    run("qemu-img", "convert", "-f", driver, "-O", "raw", path, raw)
    data = raw.read_bytes()
    raw.unlink()
    return data


def assert_same(path: Path, driver: str, raw: Path) -> None:
    """QEMU finds the content of a raw disk, and nothing but zeros behind it."""
    argv = ["qemu-img", "compare", "-f", driver, "-F", "raw", str(path), str(raw)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def read_all(reader: DiskReader, request: int = 3 * MIB + 512) -> bytes:
    """The disk's bytes as a reader gives them, in requests that are aligned to nothing."""
    data, buffer = bytearray(), bytearray(request)
    while got := reader.read_into(len(data), buffer):
        data += buffer[:got]
    return bytes(data)


def assert_extents_hold(reader: DiskReader, data: bytes) -> None:
    """Extents cover the disk, alternate, and what is not data is zeros."""
    at, before = 0, None
    for extent in reader.extents():
        assert extent.offset == at
        assert extent.length > 0
        assert extent.kind is not before
        at, before = extent.end, extent.kind
        if extent.kind is not ExtentKind.DATA:
            assert not any(data[extent.offset : extent.end])
    assert at == reader.size == len(data)


def digest(data: bytes) -> str:
    """Short enough to be printed when it differs."""
    return hashlib.sha256(data).hexdigest()
