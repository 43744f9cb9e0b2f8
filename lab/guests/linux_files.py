"""What makes the Debian tree a vSphere master: its own names, addresses and boot configuration."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final

from imageport.model.target import Firmware
from lab.guests.linux_storage import Storage

_SLOW_UNITS: Final = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)
_INTERFACE: Final = "ens192"
_OPTIONS: Final = "console=tty0 console=ttyS0,115200n8"
ESP_DEVICE: Final = "/dev/sda1"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells this machine from another."""

    hostname: str
    mac: str
    address: str
    """With its prefix length: `10.20.30.41/24`."""
    gateway: str
    boot_uuid: uuid.UUID
    """Of the file system that holds /boot."""


def specialise(
    tree: Path, identity: Identity, firmware: Firmware, kept: Storage, *, hang: bool
) -> None:
    """Write the master's configuration into the unpacked `tree`."""
    for name, text in _files(tree, identity, firmware, kept).items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"))
    for unit in _SLOW_UNITS:
        mask = tree / "etc/systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    if hang:
        wanted = tree / "etc/systemd/system/sysinit.target.wants/lab-hang.service"
        wanted.symlink_to("../lab-hang.service")


def _files(tree: Path, identity: Identity, firmware: Firmware, kept: Storage) -> dict[str, str]:
    netplan = (tree / "usr/sbin/netplan").exists()
    return {
        "etc/hostname": f"{identity.hostname}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {identity.hostname}\n",
        "etc/machine-id": f"{identity.boot_uuid.hex}\n",
        "etc/fstab": _fstab(firmware, kept),
        **(_netplan(identity) if netplan else {"etc/network/interfaces": _interfaces(identity)}),
        "etc/udev/rules.d/70-persistent-net.rules": (
            f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{identity.mac}", '
            f'NAME="{_INTERFACE}"\n'
        ),
        "etc/default/grub": _grub_defaults(),
        "etc/systemd/system/lab-hang.service": _hanging_unit(),
        "boot/grub/grub.cfg": _grub_configuration(tree, identity, kept),
    }


def _fstab(firmware: Firmware, kept: Storage) -> str:
    esp = f"{ESP_DEVICE} /boot/efi vfat umask=0077 0 1\n" if firmware is Firmware.UEFI else ""
    return kept.table + esp


def _netplan(identity: Identity) -> dict[str, str]:
    """What Ubuntu's installer leaves: its own file, and cloud-init's data source switched off."""
    return {
        "etc/netplan/00-installer-config.yaml": f"""
            network:
              version: 2
              renderer: networkd
              ethernets:
                {_INTERFACE}:
                  match:
                    macaddress: {identity.mac}
                  set-name: {_INTERFACE}
                  addresses: [{identity.address}]
                  routes:
                    - to: default
                      via: {identity.gateway}
            """,
        "etc/cloud/cloud.cfg.d/99-installer.cfg": "datasource_list: [None]\n",
    }


def _interfaces(identity: Identity) -> str:
    return f"""
        source /etc/network/interfaces.d/*

        auto lo
        iface lo inet loopback

        auto {_INTERFACE}
        iface {_INTERFACE} inet static
            address {identity.address}
            gateway {identity.gateway}
        """


def _grub_defaults() -> str:
    return f"""
        GRUB_DEFAULT=0
        GRUB_TIMEOUT=0
        GRUB_DISTRIBUTOR=Debian
        GRUB_CMDLINE_LINUX_DEFAULT="quiet"
        GRUB_CMDLINE_LINUX="{_OPTIONS}"
        GRUB_TERMINAL="console serial"
        GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
        GRUB_DISABLE_LINUX_UUID=true
        GRUB_DISABLE_OS_PROBER=true
        """


def _hanging_unit() -> str:
    return """
        [Unit]
        Description=A service that never starts
        DefaultDependencies=no
        Before=sysinit.target

        [Service]
        Type=oneshot
        ExecStart=/bin/sleep infinity
        TimeoutStartSec=infinity
        """


def _grub_configuration(tree: Path, identity: Identity, kept: Storage) -> str:
    """What update-grub writes on such a machine, less its menu theme."""
    version = next((tree / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
    return f"""
        serial --unit=0 --speed=115200
        terminal_input console serial
        terminal_output console serial
        set timeout=0
        set default=0

        menuentry 'Debian GNU/Linux' --class debian --class gnu-linux {{
            insmod part_gpt
            insmod ext2
            search --no-floppy --fs-uuid --set=root {identity.boot_uuid}
            linux {kept.boot}/vmlinuz-{version} {kept.root_words} ro {_OPTIONS} quiet
            initrd {kept.boot}/initrd.img-{version}
        }}
        """
