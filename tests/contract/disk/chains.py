"""Chains of two files whose content is that of a given raw disk."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.contract.disk import qemu
from tests.unit.disk import builders


def _changed(disk: Path) -> tuple[bytes, dict[int, bytes]]:
    """Another content for a parent, and the sectors by which the disk differs from it."""
    content = disk.read_bytes()
    size = len(content)
    parent, sectors = bytearray(content), {}
    for number in random.Random(6).sample(range(size // 512), 90):
        at = number * 512
        sectors[number] = content[at : at + 512]
        parent[at : at + 512] = b"\xdb" * 512
    return bytes(parent), sectors


def _vhd_chain(disk: Path, folder: Path) -> Path:
    ids = uuid.UUID(int=21), uuid.UUID(int=22)
    parent, sectors = _changed(disk)
    builders.fixed_vhd(folder / "base.vhd", parent, ids[0])
    child = folder / "child.avhd"
    builders.differencing_vhd(child, len(parent), sectors, ids[1], (ids[0], "base.vhd"))
    return child


def _vhdx_chain(disk: Path, folder: Path) -> Path:
    ids = uuid.UUID(int=23), uuid.UUID(int=24)
    parent, sectors = _changed(disk)
    parts = range(0, len(parent), qemu.MIB)
    blocks = {at // qemu.MIB: parent[at : at + qemu.MIB] for at in parts}
    partial: dict[int, dict[int, bytes]] = {}
    for number, content in sectors.items():
        partial.setdefault(number // 2048, {})[number % 2048] = content
    builders.vhdx(folder / "base.vhdx", len(parent), blocks, ids[0])
    child = folder / "child.avhdx"
    builders.vhdx(child, len(parent), {}, ids[1], partial=partial, parent=(ids[0], "base.vhdx"))
    return child


def _qemu_chain(driver: str) -> Callable[[Path, Path], Path]:
    def make(disk: Path, folder: Path) -> Path:
        parent, sectors = _changed(disk)
        raw, base, child = (folder / f"{name}.{driver}" for name in ("raw", "base", "child"))
        raw.write_bytes(parent)
        qemu.run("qemu-img", "convert", "-f", "raw", "-O", driver, raw, base)
        options = ["-f", driver, "-b", base.name, "-F", driver]
        qemu.run("qemu-img", "create", "-q", *options, child)
        writes: list[str] = []
        for index, number in enumerate(sectors):
            part = folder / str(index)
            part.write_bytes(sectors[number])
            writes += ["-c", f"write -s {part} {number * 512} 512"]
        qemu.run("qemu-io", "-f", driver, *writes, child)
        for path in folder.iterdir():
            if path not in (base, child):
                path.unlink()
        return child

    return make


MAKERS: dict[str, Callable[[Path, Path], Path]] = {
    "vhd-chain": _vhd_chain,
    "vhdx-chain": _vhdx_chain,
    "vmdk-chain": _qemu_chain("vmdk"),
    "qcow2-chain": _qemu_chain("qcow2"),
}


def make(name: str, disk: Path, folder: Path) -> Path:
    """A raw disk as the named kind of image or chain in `folder`."""
    maker = MAKERS.get(name)
    return maker(disk, folder) if maker else qemu.make(qemu.BY_NAME[name], disk, folder)
