"""Which block device is the image's: the only disk that is not the engine's own."""

from __future__ import annotations

import os
from pathlib import Path

from imageport.engine.agent.errors import NoImageDisk

_BLOCK = Path("/sys/block")
_NOT_DISKS = ("loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd")


def engine_partition() -> Path:
    """The sysfs folder of the partition that holds the engine's root file system."""
    device = Path("/").stat().st_dev
    return Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()


def image_disk() -> str:
    """Path of the image's block device, such as `/dev/sdb`. Raises NoImageDisk."""
    own = engine_partition().parent.name
    disks = [
        path.name
        for path in sorted(_BLOCK.iterdir())
        if path.name != own
        and not path.name.startswith(_NOT_DISKS)
        and int((path / "size").read_text()) > 0
    ]
    if len(disks) != 1:
        raise NoImageDisk(count=len(disks), disks=", ".join(disks) or "none")
    return f"/dev/{disks[0]}"
