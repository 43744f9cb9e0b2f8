"""The Debian 12 tree that Linux masters are made of, as a cached tar: the slow part of a build."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from imageport.host.run import run
from imageport.model.target import Firmware
from lab.guests.cache import cached, digest

_SUITE: Final = "bookworm"
_PACKAGES: Final = (
    "linux-image-6.12-cloud-amd64",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "ifupdown",
    "isc-dhcp-client",
    "iproute2",
    "iputils-ping",
    "netbase",
    "initramfs-tools",
    "zstd",
    "e2fsprogs",
    "open-vm-tools",
    "openssh-server",
)
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
_SOURCE_DRIVERS: Final = ("vmw_pvscsi", "sd_mod", "ext4")
"""All that the initramfs knows of disks: a vSphere machine's controller."""


def base_tar(firmware: Firmware, extra_drivers: tuple[str, ...] = ()) -> Path:
    """A tar of the installed tree, whose initramfs holds `_SOURCE_DRIVERS` and `extra_drivers`."""
    drivers = (*_SOURCE_DRIVERS, *extra_drivers)
    key = digest({"firmware": firmware, "drivers": drivers}, [Path(__file__)])
    return cached(
        f"debian/{firmware}-{key}.tar", lambda made: _debootstrap(made, firmware, drivers)
    )


def _debootstrap(made: Path, firmware: Firmware, drivers: tuple[str, ...]) -> None:
    packages = (*_PACKAGES, *_BOOT_LOADER[firmware])
    run(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            "--format=tar",
            "--include=" + ",".join(packages),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
            f"--customize-hook={_initramfs_hook(drivers)}",
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
            f"""echo {_ROOT_LOGIN} | chroot "$1" chpasswd""",
        )
    )
