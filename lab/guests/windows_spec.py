"""What a phony Windows master can be asked to look like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imageport.model.target import Firmware


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
    NONE = "none"


class State(StrEnum):
    """The state that the master was left in."""

    CLEAN = "clean"
    HIBERNATED = "hibernated"
    DIRTY_VOLUME = "dirty-volume"
    DIRTY_HIVE = "dirty-hive"
    BITLOCKER = "bitlocker"
    DATA_DISK = "data-disk"
    """No operating system: one NTFS volume with a file in it."""


@dataclass(frozen=True, slots=True)
class WindowsMaster:
    """A phony Windows. `hang`: a boot driver never returns, so that the logo stays for ever."""

    firmware: Firmware = Firmware.UEFI
    product: Product = Product.SERVER_2022
    tools: Tools = Tools.VMWARE
    state: State = State.CLEAN
    hang: bool = False
    vda: bool = True
    """A Citrix Virtual Delivery Agent is installed."""
    auto_reboot: bool = True
    """`CrashControl\\AutoReboot`, on as after an installation."""
    computer_name: str = "MASTER01"
    size_mib: int = 2048
