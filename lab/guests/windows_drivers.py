"""The kernel drivers of a phony Windows: in-box ones and those of guest tools."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from imageport.model.windows_facts import CitrixPart
from lab.guests.windows_spec import Tools, Vda, WindowsMaster

HDC: Final = "{4d36e96a-e325-11ce-bfc1-08002be10318}"
SCSI: Final = "{4d36e97b-e325-11ce-bfc1-08002be10318}"
NET: Final = "{4d36e972-e325-11ce-bfc1-08002be10318}"
SYSTEM: Final = "{4d36e97d-e325-11ce-bfc1-08002be10318}"
_VIRTUAL_PCI: Final = "{44c4f61d-4444-4400-9d52-802e27ede19f}"
_VMBUS_STORAGE: Final = "{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}"
HANGING_DRIVER: Final = "labhang"


@dataclass(frozen=True, slots=True)
class Driver:
    """A kernel driver: its service, and the INF and device ids that lead to it, if any do.

    Setup renames the INF of what did not come with Windows to `oem<n>.inf`.
    """

    service: str
    start: int
    group: str
    inf: str = ""
    ids: tuple[str, ...] = ()
    device_class: str = SYSTEM
    override: int | None = None
    """`StartOverride\\0`."""
    file: str = ""

    @property
    def image(self) -> str:
        """Where the file lies below the Windows directory."""
        return f"System32\\drivers\\{self.file or self.service + '.sys'}"


_IN_BOX: Final = (
    Driver("ACPI", 0, "Core"),
    Driver("pci", 0, "Boot Bus Extender"),
    Driver("partmgr", 0, "Boot Bus Extender"),
    Driver("volmgr", 0, "System Bus Extender"),
    Driver("mountmgr", 0, "System Bus Extender"),
    Driver("volume", 0, "System Bus Extender"),
    Driver("volsnap", 0, "Volume"),
    Driver("fvevol", 0, "Volume"),
    Driver("disk", 0, "SCSI Class"),
    Driver(
        "storahci", 0, "SCSI Miniport", "mshdc.inf", (r"PCI\CC_0106", r"PCI\CC_010601"), HDC
    ),
    Driver(
        "stornvme", 3, "SCSI Miniport", "stornvme.inf", (r"PCI\CC_010802",), SCSI
    ),
    Driver("pciide", 3, "System Bus Extender", "mshdc.inf", (r"PCI\CC_0101",), HDC),
    Driver(
        "intelide", 3, "System Bus Extender", "mshdc.inf",
        (r"PCI\VEN_8086&DEV_7010", r"PCI\VEN_8086&DEV_7111"), HDC,
    ),
    Driver("atapi", 3, "SCSI Miniport", "mshdc.inf", (r"PCIIDE\IDEChannel", "*PNP0600"), HDC),
    Driver(
        "LSI_SAS", 0, "SCSI Miniport", "lsi_sas.inf", (r"PCI\VEN_1000&DEV_0054",), SCSI,
        file="lsi_sas.sys",
    ),
    Driver(
        "storvsc", 3, "SCSI miniport", "wstorvsc.inf", (rf"VMBUS\{_VMBUS_STORAGE}",), SCSI,
        override=3,
    ),
    Driver("vpci", 3, "System Bus Extender", "wvpci.inf", (rf"VMBUS\{_VIRTUAL_PCI}",), SYSTEM,
           override=3),
    Driver("vmbus", 3, "System Bus Extender", "wvmbus.inf", (r"ACPI\VMBus",), SYSTEM),
    Driver("e1iexpress", 3, "NDIS", "net1ic64.inf", (r"PCI\VEN_8086&DEV_10D3",), NET,
           file="e1i65x64.sys"),
)  # fmt: skip
_TOOL_DRIVERS: Final = {
    Tools.VMWARE: (
        Driver("pvscsi", 0, "SCSI miniport", "oem2.inf", (r"PCI\VEN_15AD&DEV_07C0",), SCSI),
        Driver("vmxnet3ndis6", 3, "NDIS", "oem3.inf", (r"PCI\VEN_15AD&DEV_07B0",), NET,
               file="vmxnet3.sys"),
        Driver("vmci", 0, "System Bus Extender", "oem4.inf", (r"PCI\VEN_15AD&DEV_0740",), SYSTEM),
        Driver("vm3dmp", 3, "Video"),
    ),
    Tools.XENSERVER: (
        Driver("xenbus", 0, "Boot Bus Extender", "oem2.inf",
               (r"PCI\VEN_5853&DEV_0001", r"PCI\VEN_5853&DEV_0002"), SYSTEM),
        Driver("xenfilt", 0, "Boot Bus Extender"),
        Driver("xenvbd", 0, "SCSI miniport", "oem3.inf", (r"XENBUS\VEN_XS0001&DEV_VBD",), SCSI),
        Driver("xenvif", 3, "NDIS", "oem4.inf", (r"XENBUS\VEN_XS0001&DEV_VIF",), SYSTEM),
    ),
    Tools.NUTANIX: (
        Driver("vioscsi", 0, "SCSI miniport", "oem2.inf",
               (r"PCI\VEN_1AF4&DEV_1004", r"PCI\VEN_1AF4&DEV_1048"), SCSI),
        Driver("netkvm", 3, "NDIS", "oem3.inf",
               (r"PCI\VEN_1AF4&DEV_1000", r"PCI\VEN_1AF4&DEV_1041"), NET),
        Driver("balloon", 3, "Extended Base", "oem4.inf", (r"PCI\VEN_1AF4&DEV_1002",), SYSTEM),
    ),
    Tools.NONE: (),
}  # fmt: skip

_CITRIX: Final = {
    CitrixPart.MCSIO: (Driver("CVhdMp", 3, "SCSI miniport"),),
    CitrixPart.PVS_TARGET: (
        Driver("bnistack", 0, "NDIS", file="bnistack6.sys"),
        Driver("CVhdMp", 3, "SCSI miniport"),
        Driver("CFsDep2", 3, "FSFilter Bottom"),
    ),
}


def drivers(master: WindowsMaster) -> tuple[Driver, ...]:
    """All kernel drivers of the master: every one has a service and a file."""
    hanging = (Driver(HANGING_DRIVER, 0, "Filter"),) if master.hang else ()
    # XenServer shows an emulated IDE disk until its own drivers have taken over.
    ide = {"pciide", "intelide", "atapi"} if master.tools is Tools.XENSERVER else set()
    in_box = (_boot_start(each) if each.service in ide else each for each in _IN_BOX)
    parts = master.components if master.vda is not Vda.NONE else ()
    citrix = dict.fromkeys(driver for part in parts for driver in _CITRIX.get(part, ()))
    return (*in_box, *_TOOL_DRIVERS[master.tools], *citrix, *hanging)


def _boot_start(driver: Driver) -> Driver:
    return replace(driver, start=0)
