"""What an inspection of an image says, and what a preparation plans and reports.

Plain frozen dataclasses of JSON-friendly fields: the engine sends them as `dataclasses.asdict`,
the other side reads them back with pydantic's `TypeAdapter`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from imageport.model.findings import Finding
from imageport.model.guest_facts import EspFile, LinuxFacts, WindowsFacts
from imageport.model.target import Controller, Firmware, Provisioning
from imageport.model.wishes import GuestWishes, Operation


class OsFamily(StrEnum):
    """The two families of guests."""

    WINDOWS = "windows"
    LINUX = "linux"


@dataclass(frozen=True, slots=True)
class Volume:
    """One file system or other content found on the image's disk; sizes in bytes."""

    device: str
    number: int
    offset: int
    size: int
    kind: str
    """`ntfs`, `ext4`, `vfat`, `xfs`, `btrfs`, `swap`, `bitlocker`, `luks`, `lvm` or `unknown`."""
    uuid: str | None = None
    label: str | None = None
    partition_type: str | None = None
    partition_uuid: str | None = None
    free: int | None = None
    active: bool = False
    """True for the partition that an MBR marks as the one to boot."""
    dirty: bool = False
    """True for an NTFS that is marked for a check."""
    name: str | None = None
    """Of a logical volume: its group and its own, `vg0/root`; its `number` is 0."""


@dataclass(frozen=True, slots=True)
class Product:
    """Software that matters to a migration: guest tools, agents, a Citrix VDA."""

    kind: str
    """`guest-tools`, `agent` or `vda`."""
    name: str
    version: str | None = None
    vendor: str | None = None


@dataclass(frozen=True, slots=True)
class BootDriver:
    """A Windows driver service or a Linux kernel module that decides whether a disk is seen."""

    name: str
    boot_start: bool
    """True when it is loaded early enough to mount the system volume from it."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything `imageport inspect` says about an image."""

    family: OsFamily
    name: str
    """As a person says it: `Windows Server 2022 Standard`, `Debian GNU/Linux 12 (bookworm)`."""
    version: str
    architecture: str
    hostname: str | None
    firmware: Firmware
    root: str
    """Block device of the system volume inside the engine, such as `/dev/sda3`."""
    volumes: tuple[Volume, ...]
    boot_drivers: tuple[BootDriver, ...]
    products: tuple[Product, ...]
    network: tuple[str, ...]
    """One line an interface, `ens192 static 10.1.2.3/24`."""
    findings: tuple[Finding, ...]
    details: dict[str, str] = field(default_factory=dict)
    """More facts for a person: distribution id, kernels, control set, edition, build."""
    esp_files: tuple[EspFile, ...] = ()
    windows: WindowsFacts | None = None
    """Set when `family` is Windows."""
    linux: LinuxFacts | None = None
    """Set when `family` is Linux."""


@dataclass(frozen=True, slots=True)
class PrepareOptions(GuestWishes):
    """What a user may ask of a preparation, and what the engine has for it."""

    operation: Operation = Operation.MIGRATE
    controller: Controller | None = None
    """What the disk hangs on in the machine that boots the image; None where nobody says."""
    provisioning: Provisioning = Provisioning.MCS
    drivers: str | None = None
    """A driver library (such as the content of virtio-win's ISO) as a folder in the engine."""
    components: str | None = None
    """The component source, a folder with Citrix's installers, in the engine."""
    isolated: bool = False
    """The machine that boots the image reaches nobody, no domain controller either."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a fix-up makes; what a dry run prints, and what verify reads back."""

    fixup: str
    what: str
    where: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing read back from the disk after a change was made."""

    fixup: str
    what: str
    passed: bool
    seen: str = ""


@dataclass(frozen=True, slots=True)
class LibraryFile:
    """A file that was taken from the driver library; `path` is below it, `size` in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Preparation:
    """What `prepare` did: the changes made, and what verify saw of them on the disk."""

    changes: tuple[Change, ...]
    checks: tuple[Check, ...]
    seconds: float
    library: tuple[LibraryFile, ...] = ()
    """Every file of the driver library that went into the guest."""


@dataclass(frozen=True, slots=True)
class FirstBootStep:
    """One step of the first-boot runner as the guest itself reported it."""

    number: int
    name: str
    exit_code: int
    output: str = ""
    required: bool = True
    """False when the image is good without it; a failure is a warning then."""

    @property
    def failed(self) -> bool:
        """Any code but 0 and 3010, with which a step asks for a restart."""
        return self.exit_code not in (0, 3010)


@dataclass(frozen=True, slots=True)
class FirstBootReport:
    """What the guest's runner wrote into the image when its OS had booted; `complete` is the last
    thing it writes before it asks for the reboot."""

    complete: bool
    steps: tuple[FirstBootStep, ...]
    facts: dict[str, str] = field(default_factory=dict)
    """Seen from inside the booted OS: `kernel`, `root`, `boot-driver`, `address`, `uptime`, and
    `powershell`: the language mode that policies leave to scripts."""
    restarts: int = 0
    """How often a step asked for a restart before the next one."""
