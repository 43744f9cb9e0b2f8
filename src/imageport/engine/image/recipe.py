"""What the engine image is made of; its key changes when anything in it does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

FILES = Path(__file__).parent / "files"
PACKAGE = Path(__file__).parents[2]

SUITE = "bookworm"
KERNEL = "linux-image-6.12-cloud-amd64"
"""Has NTFS3, NBD and the drivers of every platform's virtual hardware; 6.1 lacks the first two."""

PACKAGES = (
    "btrfs-progs",
    "busybox-static",
    "ca-certificates",
    "cifs-utils",
    "dosfstools",
    "e2fsprogs",
    "iproute2",
    "kmod",
    "libhivex0",
    "lvm2",
    "mount",
    "ntfs-3g",
    "python3",
    "systemd",
    "util-linux",
    "xfsprogs",
    "zstd",
)

INITRAMFS_MODULES = (
    "ahci",
    "ata_generic",
    "ata_piix",
    "hv_storvsc",
    "hv_vmbus",
    "mptsas",
    "mptspi",
    "nvme",
    "pata_acpi",
    "sd_mod",
    "virtio_blk",
    "virtio_pci",
    "virtio_scsi",
    "vmw_pvscsi",
    "xen-blkfront",
)
"""Drivers that find the engine's own disk on any platform; those the kernel lacks are left out."""

AGENT_SOURCES = ("__init__.py", "host", "model", "guest", "engine/agent", "engine/__init__.py")
"""What of this package runs inside the engine (paths below the package folder)."""

LABEL = "imageport-engine"
UUID = "1ba9e90a-e9e1-4e00-8e00-1a6e90a4e9e1"
DISK_SIZE = 1024 << 20


def base_key() -> str:
    """Key of the Debian base: changes with the package list only, so that the base is kept."""
    hook = (FILES / "unpack-kernel").read_text()
    return _digest(json.dumps([SUITE, KERNEL, PACKAGES, hook]).encode())


def image_key() -> str:
    """Key of the whole image: base, boot files, builder and the agent's code."""
    parts = [base_key().encode(), json.dumps([INITRAMFS_MODULES, LABEL, UUID, DISK_SIZE]).encode()]
    for folder in (FILES, Path(__file__).parent, *agent_files_roots()):
        for path in sorted(_source_files(folder)):
            parts += [str(path.relative_to(PACKAGE)).encode(), path.read_bytes()]
    return _digest(b"\0".join(parts))


def agent_files_roots() -> tuple[Path, ...]:
    """The files and folders of `AGENT_SOURCES`."""
    return tuple(PACKAGE / name for name in AGENT_SOURCES)


def _source_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [
        found for found in path.rglob("*") if found.is_file() and "__pycache__" not in found.parts
    ]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
