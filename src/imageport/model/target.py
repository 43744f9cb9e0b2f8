"""Targets: where an image is to boot, and the hardware that it will find there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Target(StrEnum):
    """The platforms an image can be made for."""

    AZURE = "azure"
    AWS = "aws"
    GCP = "gcp"
    VSPHERE = "vsphere"
    XENSERVER = "xenserver"
    AHV = "ahv"
    PVS = "pvs"


CLOUDS = (Target.AZURE, Target.AWS, Target.GCP)
"""Platforms without a console to log on at."""


class Provisioning(StrEnum):
    """How machines will be made from the image (Citrix's words)."""

    MCS = "mcs"
    PVS = "pvs"


class Firmware(StrEnum):
    """What starts the machine; a property of the image, kept by every migration."""

    BIOS = "bios"
    UEFI = "uefi"


class DiskFormat(StrEnum):
    """Disk image formats, named by what a user would call them."""

    RAW = "raw"
    VHD_FIXED = "vhd-fixed"
    VHD = "vhd"
    """Dynamic VHD."""
    VHDX = "vhdx"
    VMDK = "vmdk"
    """streamOptimized when written."""
    QCOW2 = "qcow2"
    TAR_GZ = "tar.gz"
    """Google Cloud's archive of a raw disk; only written."""


class Controller(StrEnum):
    """Disk controllers that a guest may have to boot from."""

    PVSCSI = "pvscsi"
    VIRTIO_SCSI = "virtio-scsi"
    NVME = "nvme"
    AHCI = "ahci"
    IDE = "ide"
    VMBUS = "vmbus"
    XEN = "xen"


class Nic(StrEnum):
    """Network devices that a guest may find."""

    VMXNET3 = "vmxnet3"
    VIRTIO_NET = "virtio-net"
    ENA = "ena"
    GVNIC = "gvnic"
    NETVSC = "netvsc"
    MANA = "mana"
    XEN = "xen"
    E1000E = "e1000e"


@dataclass(frozen=True, slots=True)
class TargetProfile:
    """What the guest must be able to boot from and speak through on one target.

    `controllers` and `nics` are everything the target may present, most usual first: a prepared
    image must boot from each of them. `serial_port` is the port (1 = COM1/ttyS0) that the platform
    shows as its serial console, or None where it has none. `format` is what the target takes.
    """

    target: Target
    controllers: tuple[Controller, ...]
    nics: tuple[Nic, ...]
    serial_port: int | None
    format: DiskFormat


PROFILES: dict[Target, TargetProfile] = {
    profile.target: profile
    for profile in (
        TargetProfile(
            Target.AZURE,
            (Controller.VMBUS, Controller.IDE, Controller.NVME),
            (Nic.NETVSC, Nic.MANA),
            1,
            DiskFormat.VHD_FIXED,
        ),
        TargetProfile(Target.AWS, (Controller.NVME, Controller.XEN), (Nic.ENA,), 1, DiskFormat.RAW),
        TargetProfile(
            Target.GCP,
            (Controller.VIRTIO_SCSI, Controller.NVME),
            (Nic.VIRTIO_NET, Nic.GVNIC),
            1,
            DiskFormat.RAW,
        ),
        TargetProfile(
            Target.VSPHERE,
            (Controller.PVSCSI, Controller.AHCI, Controller.NVME),
            (Nic.VMXNET3, Nic.E1000E),
            None,
            DiskFormat.VMDK,
        ),
        TargetProfile(
            Target.XENSERVER, (Controller.XEN, Controller.IDE), (Nic.XEN,), None, DiskFormat.VHD
        ),
        TargetProfile(
            Target.AHV,
            (Controller.VIRTIO_SCSI, Controller.AHCI),
            (Nic.VIRTIO_NET,),
            None,
            DiskFormat.QCOW2,
        ),
        TargetProfile(
            Target.PVS,
            (Controller.PVSCSI, Controller.VIRTIO_SCSI, Controller.AHCI, Controller.IDE),
            (Nic.VMXNET3, Nic.VIRTIO_NET),
            None,
            DiskFormat.VHDX,
        ),
    )
}
