"""What the local platform's machines are made of: QEMU's devices for each target's hardware.

The disk controller and the network device are the target's own where QEMU has them. It has no
VMBus storage, no Xen devices under emulation, no ENA and no gVNIC: for those the table says what
stands in, and docs/local-platform.md tells users.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imageport.model.target import Controller, Firmware, Target
from imageport.platforms.base import Handover
from imageport.platforms.errors import HardwareUnknown


class Chipset(StrEnum):
    """QEMU's machine types."""

    PC = "pc"
    Q35 = "q35"


@dataclass(frozen=True, slots=True)
class Hardware:
    """One kind of machine. `nic` is QEMU's device name."""

    name: str
    chipset: Chipset
    controller: Controller
    nic: str
    handover: Handover = Handover.INSIDE


_VIRTIO_NIC = "virtio-net-pci"

_BY_TARGET: dict[tuple[Target, Firmware], Hardware] = {
    (Target.VSPHERE, Firmware.BIOS): Hardware("vsphere", Chipset.PC, Controller.PVSCSI, "vmxnet3"),
    # Debian's OVMF cannot start from pvscsi; vSphere machines may have SATA as well.
    (Target.VSPHERE, Firmware.UEFI): Hardware(
        "vsphere-sata", Chipset.Q35, Controller.AHCI, "vmxnet3"
    ),
    (Target.XENSERVER, Firmware.BIOS): Hardware(
        "xenserver", Chipset.PC, Controller.IDE, _VIRTIO_NIC
    ),
    (Target.XENSERVER, Firmware.UEFI): Hardware(
        "xenserver", Chipset.PC, Controller.IDE, _VIRTIO_NIC
    ),
    (Target.AHV, Firmware.BIOS): Hardware("ahv", Chipset.PC, Controller.VIRTIO_SCSI, _VIRTIO_NIC),
    (Target.AHV, Firmware.UEFI): Hardware("ahv", Chipset.Q35, Controller.VIRTIO_SCSI, _VIRTIO_NIC),
    (Target.GCP, Firmware.BIOS): Hardware("gcp", Chipset.PC, Controller.VIRTIO_SCSI, _VIRTIO_NIC),
    (Target.GCP, Firmware.UEFI): Hardware("gcp", Chipset.Q35, Controller.VIRTIO_SCSI, _VIRTIO_NIC),
    (Target.AWS, Firmware.BIOS): Hardware("aws", Chipset.Q35, Controller.NVME, _VIRTIO_NIC),
    (Target.AWS, Firmware.UEFI): Hardware("aws", Chipset.Q35, Controller.NVME, _VIRTIO_NIC),
    # Generation 1: its BIOS reads IDE alone, so a second disk cannot be chain-loaded there.
    (Target.AZURE, Firmware.BIOS): Hardware(
        "azure-gen1", Chipset.PC, Controller.IDE, _VIRTIO_NIC, Handover.RECREATE
    ),
    (Target.AZURE, Firmware.UEFI): Hardware("azure-v6", Chipset.Q35, Controller.NVME, _VIRTIO_NIC),
    (Target.PVS, Firmware.BIOS): Hardware("pvs", Chipset.PC, Controller.PVSCSI, "vmxnet3"),
    (Target.PVS, Firmware.UEFI): Hardware("pvs", Chipset.Q35, Controller.AHCI, "vmxnet3"),
}


def hardware_for(target: Target, firmware: Firmware) -> Hardware:
    """The machine on which an image with `firmware` is tried for `target`."""
    return _BY_TARGET[target, firmware]


def disk_devices(controller: Controller, chipset: Chipset, disks: int) -> list[str]:
    """QEMU arguments for `disks` disks named `disk0`, `disk1`, ... in boot order."""
    match controller:
        case Controller.PVSCSI | Controller.VIRTIO_SCSI:
            model = "pvscsi" if controller is Controller.PVSCSI else "virtio-scsi-pci"
            buses = ["-device", f"{model},id=scsi"]
            device = "scsi-hd,bus=scsi.0,scsi-id={n}"
        case Controller.NVME:
            buses = []
            device = "nvme,serial=imageport{n}"
        case Controller.AHCI:
            buses = [] if chipset is Chipset.Q35 else ["-device", "ich9-ahci,id=ide"]
            device = "ide-hd,bus=ide.{n}"
        case Controller.IDE:
            buses = []
            device = "ide-hd,bus=ide.{n}"
        case _:
            raise HardwareUnknown(name=controller, known="pvscsi, virtio-scsi, nvme, ahci, ide")
    for n in range(disks):
        buses += ["-device", f"{device.format(n=n)},drive=disk{n},bootindex={n}"]
    return buses
