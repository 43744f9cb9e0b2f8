"""Jobs as they were asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from imageport.model.diagnostics import DiagnosticsWants
from imageport.model.target import DiskFormat, Firmware, Provisioning, Target
from imageport.model.wishes import GuestWishes, Operation


@dataclass(frozen=True, slots=True)
class MigrateRequest:
    """One image to one target. Paths are absolute; times in seconds.

    `source` may be any address that disks are read from, `output` also one of a share.
    `firmware` is None when the image's partition table says it. `try_untouched` boots the image as
    it is on the target's hardware first, so that the proof shows what the migration changed.
    `drivers` is a driver library for Windows guests: a folder or an ISO image. `components` is a
    folder with Citrix's installers. `ignore_lock`: a vDisk's lock does not count. `format` is None
    for what the target takes. `overwrite`: an output that is there is replaced in the end.
    """

    source: str
    target: Target
    output: str
    provisioning: Provisioning = Provisioning.MCS
    firmware: Firmware | None = None
    drivers: str | None = None
    components: str | None = None
    wishes: GuestWishes = field(default_factory=GuestWishes)
    try_untouched: bool = True
    boot_seconds: float = 900.0
    operation: Operation = Operation.MIGRATE
    ignore_lock: bool = False
    format: DiskFormat | None = None
    overwrite: bool = False

    @property
    def writes_child(self) -> bool:
        """Whether the output is a child of the source."""
        return self.operation.writes_child


@dataclass(frozen=True, slots=True)
class ConvertRequest:
    """The image of a BIOS' Windows to one for UEFI, as a child of it. Addresses as above."""

    source: str
    output: str
    overwrite: bool = False

    @property
    def writes_child(self) -> bool:
        """See `MigrateRequest`."""
        return True


@dataclass(frozen=True, slots=True)
class DiagnosticsRequest:
    """Diagnostics of an image, into a new folder in `output`: an absolute path, or `smb://...`."""

    source: str
    output: str
    wants: DiagnosticsWants

    @property
    def writes_child(self) -> bool:
        """See `MigrateRequest`."""
        return False

    @property
    def overwrite(self) -> bool:
        """See `MigrateRequest`."""
        return False


JobRequest = MigrateRequest | DiagnosticsRequest | ConvertRequest
"""In this order: a request that is read again is the first that has all its fields."""
