"""Converting: plan, change, read back.

Order: everything that can be refused is, then Windows' volume is shrunk where it must be, then the
table is written, the EFI system partition made, and last Windows told of its partitions' new names.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable
from typing import Final

from imageport.guest.command import run
from imageport.guest.errors import ConversionBlockedError, VerificationError
from imageport.guest.mount import open_guest
from imageport.guest.session import Session
from imageport.guest.uefi import boot_store
from imageport.guest.uefi.draft import Draft, draft
from imageport.guest.uefi.layout import gpt_entries
from imageport.guest.uefi.survey import esp_files, survey
from imageport.guest.uefi.verify import verify
from imageport.guest.volumes import scan
from imageport.host.partition_table import SECTOR, gpt_blocks
from imageport.model.conversion import Conversion, ConversionPlan, Layout, PartitionRole

Progress = Callable[[str, int, int], None]
"""Called as `progress(what, done, total)` before each part of the work."""

_BLKRRPART: Final = 0x125F
"""The request to read a partition table again (linux/fs.h)."""
_LARGE_FAT: Final = 260 << 20
_PARTS: Final = 4


def plan(disk: str, identity: uuid.UUID) -> ConversionPlan:
    """What converting the block device `disk` would do; `identity` becomes the disk's GUID."""
    return draft(survey(disk), identity).plan


def convert(disk: str, identity: uuid.UUID, progress: Progress) -> Conversion:
    """Convert the block device `disk`, then read everything back from it.

    Raises `ConversionBlockedError` before anything is changed when a finding is a blocker, and
    `VerificationError` when what was written is not there.
    """
    began = time.monotonic()
    drafted = draft(survey(disk), identity)
    planned = drafted.plan.layout
    if planned is None:
        raise ConversionBlockedError.by(drafted.plan.findings)
    progress("shrink", 0, _PARTS)
    _shrink(drafted, planned)
    progress("partition table", 1, _PARTS)
    _write_table(disk, drafted, planned)
    progress("EFI system partition", 2, _PARTS)
    _make_esp(disk, planned)
    _fill(disk, drafted)
    progress("verify", 3, _PARTS)
    checks = verify(disk, drafted, planned)
    failed = [f"{check.fixup}: {check.what} ({check.seen})" for check in checks if not check.passed]
    if failed:
        raise VerificationError(failed="; ".join(failed))
    return Conversion(planned, drafted.plan.changes, checks, time.monotonic() - began)


def _shrink(drafted: Draft, planned: Layout) -> None:
    """ntfsresize(8) moves files out of the way, and marks the volume for a check, which its own
    check has made needless."""
    if planned.shrink_to is None:
        return
    device = drafted.survey.inspection.root
    size = str(planned.shrink_to)
    run(["ntfsresize", "--force", "--force", "--no-progress-bar", "--size", size, device])
    run(["ntfsfix", "--clear-dirty", device])
    run(["ntfsresize", "--info", "--force", "--no-progress-bar", device])


def _write_table(disk: str, drafted: Draft, planned: Layout) -> None:
    sectors = drafted.survey.sectors
    with open(disk, "r+b", buffering=0) as device:
        blocks = gpt_blocks(uuid.UUID(planned.disk), gpt_entries(planned), sectors)
        # The MBR comes last: until it is written, the disk is the old one.
        for offset in sorted(blocks, reverse=True):
            os.pwrite(device.fileno(), blocks[offset], offset)
        os.fsync(device.fileno())
        fcntl.ioctl(device, _BLKRRPART)


def _make_esp(disk: str, planned: Layout) -> None:
    esp = planned.of(PartitionRole.EFI_SYSTEM)
    assert esp  # noqa: S101 - every layout has one
    device = next(volume.device for volume in scan(disk) if volume.number == esp.number)
    # FAT32 has at least 65,525 clusters: a small volume must have small ones.
    cluster = "1" if esp.sectors * SECTOR < _LARGE_FAT else "8"
    serial = uuid.UUID(planned.disk).hex[:8]
    geometry = ("-F", "32", "-s", cluster, "-h", str(esp.first), "-n", "SYSTEM", "-i", serial)
    run(["mkfs.vfat", *geometry, device])


def _fill(disk: str, drafted: Draft) -> None:
    with open_guest(disk, writable=True) as guest:
        assert guest.esp  # noqa: S101 - it was made a moment ago
        for source, place in esp_files(guest):
            target = guest.esp / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        (guest.esp / boot_store.STORE).write_bytes(drafted.store)
        with Session(guest, writable=True) as session:
            for edit in drafted.drives:
                edit.apply(session)
