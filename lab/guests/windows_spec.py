"""What a phony Windows master can be asked to look like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imageport.model.target import Firmware
from imageport.model.windows_facts import CitrixPart


class Product(StrEnum):
    """Windows releases, by the names that people use."""

    SERVER_2016 = "server-2016"
    SERVER_2019 = "server-2019"
    SERVER_2022 = "server-2022"
    SERVER_2025 = "server-2025"
    WINDOWS_10 = "windows-10"
    WINDOWS_11 = "windows-11"


@dataclass(frozen=True, slots=True)
class Release:
    """What `SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion` says of a release.

    `product_name` of Windows 11 is really "Windows 10 ...": Microsoft never changed that value.
    """

    product_name: str
    build: str
    display_version: str
    """In `DisplayVersion`; before 20H2, in `ReleaseId`."""
    edition: str
    installation_type: str
    driver_folder: str
    """The release's folder in a driver library of virtio-win's layout."""


RELEASES: dict[Product, Release] = {
    Product.SERVER_2016: Release(
        "Windows Server 2016 Standard", "14393", "1607", "ServerStandard", "Server", "2k16"
    ),
    Product.SERVER_2019: Release(
        "Windows Server 2019 Standard", "17763", "1809", "ServerStandard", "Server", "2k19"
    ),
    Product.SERVER_2022: Release(
        "Windows Server 2022 Standard", "20348", "21H2", "ServerStandard", "Server", "2k22"
    ),
    Product.SERVER_2025: Release(
        "Windows Server 2025 Standard", "26100", "24H2", "ServerStandard", "Server", "2k25"
    ),
    Product.WINDOWS_10: Release(
        "Windows 10 Enterprise", "19045", "22H2", "Enterprise", "Client", "w10"
    ),
    Product.WINDOWS_11: Release(
        "Windows 10 Enterprise", "22631", "23H2", "Enterprise", "Client", "w11"
    ),
}


class Tools(StrEnum):
    """Which platform's guest tools the master carries; its boot driver comes with them."""

    VMWARE = "vmware"
    XENSERVER = "xenserver"
    NUTANIX = "nutanix"
    NONE = "none"


class Vda(StrEnum):
    """Which Citrix Virtual Delivery Agent the master has."""

    NONE = "none"
    LTSR_1912 = "1912"
    LTSR_2203 = "2203"
    CURRENT = "current"


class Agent(StrEnum):
    """Agents of clouds."""

    AZURE = "azure"
    EC2LAUNCH_V1 = "ec2launch-v1"
    EC2LAUNCH_V2 = "ec2launch-v2"
    EC2CONFIG = "ec2config"
    SSM = "ssm"
    GOOGLE = "google"


class State(StrEnum):
    """The state that the master was left in; each that is not clean is bad in one way only."""

    CLEAN = "clean"
    HIBERNATED = "hibernated"
    FAST_STARTUP = "fast-startup"
    """On, and shut down fully none the less."""
    DIRTY_VOLUME = "dirty-volume"
    DIRTY_DATA = "dirty-data"
    """A second volume was not closed cleanly."""
    DIRTY_HIVE = "dirty-hive"
    BITLOCKER = "bitlocker"
    BITLOCKER_DATA = "bitlocker-data"
    """A second volume is encrypted."""
    DYNAMIC_DISK = "dynamic-disk"
    PENDING_RESTART = "pending-restart"
    PENDING_UPDATES = "pending-updates"
    LOW_SPACE = "low-space"
    DRIVERS_FORBIDDEN = "drivers-forbidden"
    """Group policy: no device that is not listed."""
    DRIVERS_DENIED = "drivers-denied"
    """Group policy: no SCSI controllers, and a device of VMware's."""
    SIGNED_SCRIPTS = "signed-scripts"
    CONSTRAINED_LANGUAGE = "constrained-language"
    APPLICATION_CONTROL = "application-control"
    OLD_VERSION = "old-version"
    THIRTY_TWO_BIT = "32-bit"
    SETUP_RUNNING = "setup-running"
    GENERALIZED = "generalized"
    AUDIT_MODE = "audit-mode"
    ENTRA_JOINED = "entra-joined"
    ANTIVIRUS = "antivirus"
    PAGE_FILE_ELSEWHERE = "page-file-elsewhere"
    """On a drive of another disk."""
    WINDOWS_TO_GO = "windows-to-go"
    VHD_BOOT = "vhd-boot"
    COMPACT_OS = "compact-os"
    DATA_DISK = "data-disk"
    """No operating system: one NTFS volume with a file in it."""


class MbrLayout(StrEnum):
    """How the disk of a BIOS' Windows is divided."""

    RESERVED = "reserved"
    """A system partition of 100 MiB, and Windows."""
    SINGLE = "single"
    """Windows alone, active."""
    RECOVERY = "recovery"
    """A system partition of 50 MiB, Windows, and a recovery partition up to the disk's end, as
    setup of Windows 10 makes them; the recovery environment has a boot entry."""


@dataclass(frozen=True, slots=True)
class WindowsMaster:
    """A phony Windows. `hang`: a boot driver never returns, so that the logo stays for ever."""

    firmware: Firmware = Firmware.UEFI
    product: Product = Product.SERVER_2022
    tools: Tools = Tools.VMWARE
    state: State = State.CLEAN
    hang: bool = False
    vda: Vda = Vda.CURRENT
    components: tuple[CitrixPart, ...] = (CitrixPart.MISA,)
    """Parts of Citrix's software beside the VDA itself."""
    agents: tuple[Agent, ...] = ()
    joined: bool = False
    """A member of the domain corp.example."""
    static_address: bool = True
    """One interface has a static address, as masters in data centres do; else all have DHCP."""
    auto_reboot: bool = True
    """`CrashControl\\AutoReboot`, on as after an installation."""
    computer_name: str = "MASTER01"
    size_mib: int = 2048
    layout: MbrLayout = MbrLayout.RESERVED
    """Of a BIOS' disk."""
    uefi_loaders: bool = False
    """A BIOS' Windows holds its boot loaders for UEFI, as every real one does: some 20 MB here."""
