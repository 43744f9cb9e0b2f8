"""Which kernel modules a target's hardware needs, and which command line it wants.

Source: facts of the vendors' guides for custom images (Azure "Prepare Linux for imaging", AWS VM
Import, Google "Import boot disks"), and the kernel's own Kconfig names.
"""

from __future__ import annotations

from typing import Final

from imageport.model.target import Controller, Nic, Target, TargetProfile

CONTROLLER_MODULES: Final[dict[Controller, tuple[str, ...]]] = {
    Controller.PVSCSI: ("vmw_pvscsi", "sd_mod"),
    Controller.VIRTIO_SCSI: ("virtio_pci", "virtio_scsi", "sd_mod"),
    Controller.NVME: ("nvme",),
    Controller.AHCI: ("ahci", "sd_mod"),
    Controller.IDE: ("ata_piix", "sd_mod"),
    Controller.VMBUS: ("hv_vmbus", "hv_storvsc", "sd_mod"),
    Controller.XEN: ("xen_blkfront",),
}
NIC_MODULES: Final[dict[Nic, tuple[str, ...]]] = {
    Nic.VMXNET3: ("vmxnet3",),
    Nic.VIRTIO_NET: ("virtio_pci", "virtio_net"),
    Nic.ENA: ("ena",),
    Nic.GVNIC: ("gve",),
    Nic.NETVSC: ("hv_vmbus", "hv_netvsc"),
    Nic.MANA: ("mana",),
    Nic.XEN: ("xen_netfront",),
    Nic.E1000E: ("e1000e",),
}
_ARGUMENTS: Final[dict[Target, tuple[str, ...]]] = {
    Target.AZURE: ("rootdelay=300",),
    Target.AWS: ("nvme_core.io_timeout=4294967295",),
}
_SERIAL_SPEED: Final = {Target.GCP: "38400n8"}


def all_modules() -> frozenset[str]:
    """Every module that some target needs: what an inspection looks for."""
    listed = (*CONTROLLER_MODULES.values(), *NIC_MODULES.values())
    return frozenset(name for names in listed for name in names)


def needed_modules(target: TargetProfile) -> tuple[str, ...]:
    """The modules for all controllers and NICs of the target, each once, controllers first."""
    listed = [CONTROLLER_MODULES[each] for each in target.controllers]
    listed += [NIC_MODULES[each] for each in target.nics]
    return tuple(dict.fromkeys(name for names in listed for name in names))


def kernel_arguments(target: TargetProfile, *, kernel_names: bool) -> tuple[str, ...]:
    """What the target wants on the command line, its serial console last (it is `/dev/console`).

    `kernel_names` asks for `eth0` instead of a name made of the slot that the NIC sits in.
    """
    words: list[str] = ["net.ifnames=0", "biosdevname=0"] if kernel_names else []
    words += _ARGUMENTS.get(target.target, ())
    if target.serial_port is not None:
        speed = _SERIAL_SPEED.get(target.target, "115200n8")
        words += ["console=tty0", f"console=ttyS{target.serial_port - 1},{speed}"]
    return tuple(words)
