"""The Debian 12 trees that Linux masters are made of, as cached tars: the slow part of a build."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Final

from imageport.host.run import run
from imageport.model.target import Firmware
from lab.guests.cache import cached, digest

_SUITE: Final = "bookworm"


class Flavour(StrEnum):
    """Which tools the tree has for its network, its initramfs and its volumes."""

    DEBIAN = "debian"
    """ifupdown and initramfs-tools."""
    STORAGE = "storage"
    """The same, with LVM, XFS and btrfs."""
    NETPLAN = "netplan"
    """As Ubuntu has it: netplan, systemd-networkd and cloud-init."""
    DRACUT = "dracut"
    """As Red Hat and SUSE have it: dracut's initramfs, with LVM and XFS."""


_PACKAGES: Final = (
    "linux-image-6.12-cloud-amd64",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "iproute2",
    "iputils-ping",
    "netbase",
    "zstd",
    "e2fsprogs",
    "open-vm-tools",
    "openssh-server",
)
_IFUPDOWN: Final = ("ifupdown", "isc-dhcp-client")
_OWN: Final = {
    Flavour.DEBIAN: (*_IFUPDOWN, "initramfs-tools"),
    Flavour.STORAGE: (*_IFUPDOWN, "initramfs-tools", "lvm2", "xfsprogs", "btrfs-progs"),
    Flavour.NETPLAN: ("netplan.io", "cloud-init", "initramfs-tools"),
    Flavour.DRACUT: (*_IFUPDOWN, "dracut", "lvm2", "xfsprogs"),
}
_BOOT_LOADER: Final = {
    Firmware.BIOS: ("grub-pc",),
    Firmware.UEFI: ("grub-efi-amd64", "grub-efi-amd64-signed", "shim-signed", "dosfstools"),
}
_LEFT_OUT: Final = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
)
_ROOT_LOGIN: Final = "root:imageport"
"""For whoever wants to look inside on the serial console."""
_PASSWORD: Final = f"""echo {_ROOT_LOGIN} | chroot "$1" chpasswd"""
_SOURCE_DRIVERS: Final = ("vmw_pvscsi", "sd_mod", "ext4")
"""All that the initramfs knows of disks: a vSphere machine's controller."""
_VOLUME_DRIVERS: Final = {Flavour.STORAGE: ("dm_mod", "xfs", "btrfs")}
_FOREIGN_DRIVERS: Final = (
    "virtio virtio_ring virtio_pci virtio_scsi virtio_blk virtio_net hv_vmbus hv_storvsc hv_netvsc "
    "xen-blkfront xen-netfront nvme nvme-core ahci libahci ata_piix ata_generic mptspi mptsas"
)
"""What a generic dracut image would hold, and one for a vSphere machine alone does not."""


def base_tar(
    firmware: Firmware,
    extra_drivers: tuple[str, ...] = (),
    flavour: Flavour = Flavour.DEBIAN,
) -> Path:
    """A tar of the installed tree, whose initramfs holds `_SOURCE_DRIVERS` and `extra_drivers`."""
    drivers = (*_SOURCE_DRIVERS, *_VOLUME_DRIVERS.get(flavour, ()), *extra_drivers)
    inputs = {"firmware": firmware, "drivers": drivers, "flavour": flavour}
    key = digest(inputs, [Path(__file__)])
    hook = _dracut_hook() if flavour is Flavour.DRACUT else _initramfs_hook(drivers)
    packages = (*_PACKAGES, *_OWN[flavour], *_BOOT_LOADER[firmware])
    return cached(
        f"debian/{flavour}-{firmware}-{key}.tar", lambda made: _debootstrap(made, packages, hook)
    )


def _debootstrap(made: Path, packages: tuple[str, ...], hook: str) -> None:
    run(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            "--format=tar",
            "--include=" + ",".join(packages),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
            f"--customize-hook={hook}",
            _SUITE,
            made,
        ],
    )


def _initramfs_hook(drivers: tuple[str, ...]) -> str:
    """A shell line of mmdebstrap's: `$1` is the tree. MODULES=list makes the narrow initramfs."""
    modules = shlex.quote("\n".join(drivers) + "\n")
    return "; ".join(
        (
            "set -e",
            """sed -i 's/^MODULES=.*/MODULES=list/' "$1/etc/initramfs-tools/initramfs.conf\"""",
            f"""printf %s {modules} >> "$1/etc/initramfs-tools/modules\"""",
            """chroot "$1" update-initramfs -u -k all""",
            _PASSWORD,
        )
    )


def _dracut_hook() -> str:
    """The same for dracut, which takes every driver there is but those it is told to omit."""
    omitted = shlex.quote(f'hostonly="no"\nomit_drivers+=" {_FOREIGN_DRIVERS} "\n')
    return "; ".join(
        (
            "set -e",
            f"""printf %s {omitted} > "$1/etc/dracut.conf.d/lab.conf\"""",
            """version=$(ls "$1/lib/modules")""",
            """chroot "$1" dracut --force "/boot/initrd.img-$version" "$version\"""",
            _PASSWORD,
        )
    )
