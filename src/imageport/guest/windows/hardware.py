r"""What Windows drivers a target's hardware needs: device ids, services and where they come from.

Device ids are those of Microsoft's "Identifiers for PCI devices" and of the vendors' INF files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imageport.model.target import Controller, Nic, Target

SCSI_ADAPTER: Final = "4d36e97b-e325-11ce-bfc1-08002be10318"


@dataclass(frozen=True, slots=True)
class StorageDriver:
    """A driver that has to be loaded at boot for a controller's disk to be seen."""

    service: str
    hardware_ids: tuple[str, ...]
    in_box: bool
    """Windows brings it; otherwise it has to be installed, or to come from a driver library."""
    vendor: str = "Microsoft"


_VMBUS: Final = StorageDriver("vmbus", (r"ACPI\VMBus", r"ACPI\MSFT1000"), in_box=True)
_VIRTUAL_PCI: Final = StorageDriver(
    "vpci", (r"VMBUS\{44c4f61d-4444-4400-9d52-802e27ede19f}",), in_box=True
)
"""Hyper-V's virtual PCI bus, which an Azure machine's NVMe controller lies behind."""
_IDE: Final = (
    StorageDriver("intelide", (r"PCI\VEN_8086&DEV_7010", r"PCI\VEN_8086&DEV_7111"), True),
    StorageDriver("pciide", (r"PCI\CC_0101",), in_box=True),
    StorageDriver("atapi", (r"PCIIDE\IDEChannel", "*PNP0600", r"ACPI\PNP0600"), in_box=True),
)
STORAGE: Final[dict[Controller, tuple[StorageDriver, ...]]] = {
    Controller.PVSCSI: (
        StorageDriver("pvscsi", (r"PCI\VEN_15AD&DEV_07C0",), in_box=False, vendor="VMware"),
    ),
    Controller.VIRTIO_SCSI: (
        StorageDriver(
            "vioscsi",
            (r"PCI\VEN_1AF4&DEV_1004", r"PCI\VEN_1AF4&DEV_1048"),
            in_box=False,
            vendor="virtio-win",
        ),
    ),
    Controller.NVME: (StorageDriver("stornvme", (r"PCI\CC_010802",), in_box=True),),
    Controller.AHCI: (StorageDriver("storahci", (r"PCI\CC_010601", r"PCI\CC_0106"), in_box=True),),
    Controller.IDE: _IDE,
    Controller.VMBUS: (
        _VMBUS,
        StorageDriver("storvsc", (r"VMBUS\{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}",), in_box=True),
    ),
    Controller.XEN: _IDE,
}
"""Xen's own drivers come with XenServer's or Amazon's tools in the running system; half of them,
installed offline, keep a machine from booting. Until then a Xen machine's disk is on its emulated
IDE controller, and so it has to be reachable there."""


def storage(target: Target, controller: Controller) -> tuple[StorageDriver, ...]:
    """The drivers that a controller's disks need on `target`."""
    if (target, controller) == (Target.AZURE, Controller.NVME):
        return (_VMBUS, _VIRTUAL_PCI, *STORAGE[controller])
    return STORAGE[controller]


def storage_drivers() -> tuple[StorageDriver, ...]:
    """Every storage driver that some target needs, each once."""
    listed = (driver for drivers in STORAGE.values() for driver in drivers)
    return tuple(dict.fromkeys((*listed, _VIRTUAL_PCI)))


@dataclass(frozen=True, slots=True)
class NetworkDriver:
    """A driver that a network device needs; `library` names it in a driver library."""

    services: tuple[str, ...]
    hardware_ids: tuple[str, ...]
    in_box: bool
    vendor: str = "Microsoft"
    with_tools: bool = False
    """It comes with the platform's tools and the drivers below it, and never alone."""


NETWORK: Final[dict[Nic, NetworkDriver]] = {
    Nic.VMXNET3: NetworkDriver(
        ("vmxnet3ndis6", "vmxnet3"), (r"PCI\VEN_15AD&DEV_07B0",), in_box=False, vendor="VMware"
    ),
    Nic.VIRTIO_NET: NetworkDriver(
        ("netkvm",),
        (r"PCI\VEN_1AF4&DEV_1000", r"PCI\VEN_1AF4&DEV_1041"),
        in_box=False,
        vendor="virtio-win",
    ),
    Nic.ENA: NetworkDriver(
        ("ena",),
        (r"PCI\VEN_1D0F&DEV_EC20", r"PCI\VEN_1D0F&DEV_EC21"),
        in_box=False,
        vendor="Amazon",
    ),
    Nic.GVNIC: NetworkDriver(
        ("gvnic",), (r"PCI\VEN_1AE0&DEV_0042",), in_box=False, vendor="Google"
    ),
    Nic.NETVSC: NetworkDriver(
        ("netvsc",), (r"VMBUS\{f8615163-df3e-46c5-913f-f2d2f965ed0e}",), in_box=True
    ),
    Nic.MANA: NetworkDriver(("mana",), (r"PCI\VEN_1414&DEV_00BA",), in_box=True),
    Nic.XEN: NetworkDriver(
        ("xennet",),
        (r"XENVIF\VEN_XS0001&DEV_NET",),
        in_box=False,
        vendor="XenServer",
        with_tools=True,
    ),
    Nic.E1000E: NetworkDriver(
        ("e1iexpress", "e1i65x64", "e1dexpress"), (r"PCI\VEN_8086&DEV_10D3",), in_box=True
    ),
}


def hardware_ids() -> tuple[str, ...]:
    """Every device id that some target may show: what an inspection looks up."""
    listed = [driver.hardware_ids for driver in storage_drivers()]
    listed += [driver.hardware_ids for driver in NETWORK.values()]
    return tuple(dict.fromkeys(each for ids in listed for each in ids))


def services() -> tuple[str, ...]:
    """The services of all of those drivers."""
    listed = [driver.service for driver in storage_drivers()]
    listed += [name for driver in NETWORK.values() for name in driver.services]
    return tuple(dict.fromkeys(listed))
