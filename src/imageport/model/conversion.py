"""Converting an MBR disk with a BIOS' boot loader to GPT and UEFI: what is planned, what was done.

Plain frozen dataclasses of JSON-friendly fields, as those of `model.guest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imageport.model.findings import Finding
from imageport.model.guest import Change, Check


class PartitionRole(StrEnum):
    """What a partition of the new table is for."""

    EFI_SYSTEM = "efi-system"
    RESERVED = "microsoft-reserved"
    BASIC_DATA = "basic-data"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class NewPartition:
    """A partition of the new table; `first` and `sectors` count 512-byte sectors."""

    number: int
    role: PartitionRole
    unique: str
    """The partition's GUID."""
    first: int
    sectors: int
    made: bool = False
    """True when it is new, or an old one is formatted for it: what lay there is gone."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The new table. `shrink_to` is the new size in bytes of the Windows volume, where it has to
    make room."""

    disk: str
    """The disk's GUID."""
    partitions: tuple[NewPartition, ...]
    windows: int
    """Number of the partition with Windows."""
    shrink_to: int | None = None

    def of(self, role: PartitionRole) -> NewPartition | None:
        """The first partition of a role."""
        return next((each for each in self.partitions if each.role is role), None)


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """Everything that a conversion would do, and what stands in its way; with a blocker among the
    findings there is no layout."""

    findings: tuple[Finding, ...]
    layout: Layout | None
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion did: the table, every change, and what was read back of it."""

    layout: Layout
    changes: tuple[Change, ...]
    checks: tuple[Check, ...]
    seconds: float
