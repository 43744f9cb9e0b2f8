"""Recorded trees of distributions that cannot be installed here: the files that a preparation
reads, in the form that their installers write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imageport.guest.guest import Guest
from imageport.model.guest import OsFamily, Volume
from imageport.model.target import Firmware
from tests.golden.trees import KERNEL, linux_tree

MACHINE = "0f3c2c3f6f0f4d0cb4b7c0a2f3a1d9e7"
BOOT_UUID, ROOT_UUID, SWAP_UUID = "b00t", "r00t", "5wap"
_MIB = 1 << 20
_PARTITIONS = (
    Volume("/dev/sdb1", 1, _MIB, 600 * _MIB, "vfat", "63BE-6B2A"),
    Volume("/dev/sdb2", 2, 700 * _MIB, 1024 * _MIB, "xfs", BOOT_UUID),
)
_RHEL_VOLUMES = (
    *_PARTITIONS,
    Volume("/dev/sdb3", 3, 2000 * _MIB, 9000 * _MIB, "lvm"),
    Volume("/dev/mapper/rhel-root", 0, 0, 8000 * _MIB, "xfs", ROOT_UUID, name="rhel/root"),
    Volume("/dev/mapper/rhel-swap", 0, 0, 1000 * _MIB, "swap", SWAP_UUID, name="rhel/swap"),
)
_SUSE_VOLUMES = (
    _PARTITIONS[0],
    Volume("/dev/sdb2", 2, 700 * _MIB, 9000 * _MIB, "btrfs", ROOT_UUID),
    Volume("/dev/sdb3", 3, 9800 * _MIB, 1000 * _MIB, "swap", SWAP_UUID),
)
RHEL_WORDS = (
    "root=/dev/mapper/rhel-root ro crashkernel=1G-4G:192M,4G-64G:256M "
    "resume=/dev/mapper/rhel-swap rd.lvm.lv=rhel/root rd.lvm.lv=rhel/swap rhgb quiet"
)
ENTRY = f"boot/loader/entries/{MACHINE}-{KERNEL}.conf"
_RHEL = {
    "etc/os-release": (
        'NAME="Red Hat Enterprise Linux"\nVERSION="9.4 (Plow)"\nID="rhel"\nID_LIKE="fedora"\n'
        'VERSION_ID="9.4"\nPRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"\n'
    ),
    "etc/hostname": "master\n",
    "etc/fstab": (
        "\n#\n# /etc/fstab\n# Created by anaconda on Tue Mar  5 10:12:13 2024\n#\n"
        "/dev/mapper/rhel-root   /                       xfs     defaults        0 0\n"
        f"UUID={BOOT_UUID} /boot                   xfs     defaults        0 0\n"
        "/dev/sda1          /boot/efi               vfat    umask=0077,shortname=winnt 0 2\n"
        "/dev/mapper/rhel-swap   none                    swap    defaults        0 0\n"
    ),
    "etc/crypttab": "data /dev/sda2 none luks\n# /dev/sda2\n",
    "etc/selinux/config": "# comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
    "etc/default/grub": (
        'GRUB_TIMEOUT=5\nGRUB_DEFAULT=saved\nGRUB_TERMINAL_OUTPUT="console"\n'
        f'GRUB_CMDLINE_LINUX="{RHEL_WORDS.partition(" ro ")[2]}"\n'
        'GRUB_DISABLE_RECOVERY="true"\nGRUB_ENABLE_BLSCFG=true\n'
    ),
    "boot/grub2/grub.cfg": (
        "set timeout=5\n### BEGIN /etc/grub.d/10_linux ###\ninsmod part_gpt\n"
        f"search --no-floppy --fs-uuid --set=root {BOOT_UUID}\n"
        'if [ -z "${kernelopts}" ]; then\n'
        f'  set kernelopts="{RHEL_WORDS} "\nfi\ninsmod blscfg\nblscfg\n'
    ),
    "usr/bin/dracut": "",
    "usr/sbin/NetworkManager": "",
    "usr/bin/vmtoolsd": "",
    "var/lib/rpm/rpmdb.sqlite": "",
    "etc/ssh/sshd_config": "",
    f"boot/vmlinuz-{KERNEL}": "kernel",
}
_BLS = (
    "title Red Hat Enterprise Linux ({kernel}) 9.4 (Plow)\nversion {kernel}\n"
    "linux /vmlinuz-{kernel}\ninitrd /initramfs-{kernel}.img $tuned_initrd\n"
    "options {words}\ngrub_users $grub_users\ngrub_arg --unrestricted\ngrub_class rhel\n"
)
_RHEL_9 = {
    ENTRY: _BLS.format(kernel=KERNEL, words=f"{RHEL_WORDS} $tuned_params"),
    "etc/kernel/cmdline": f"{RHEL_WORDS}\n",
    "etc/NetworkManager/system-connections/ens192.nmconnection": (
        "[connection]\nid=ens192\nuuid=1\ntype=ethernet\ninterface-name=ens192\n"
        "[ethernet]\nmac-address=00:50:56:1A:B2:C3\n"
        "[ipv4]\naddress1=10.1.2.3/24,10.1.2.1\nmethod=manual\n"
    ),
}
BLOCK = f"# GRUB Environment Block\nsaved_entry={MACHINE}-{KERNEL}\nkernelopts={RHEL_WORDS} \n"
_RHEL_8 = {
    "etc/os-release": 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.9"\n',
    ENTRY: _BLS.format(kernel=KERNEL, words="$kernelopts $tuned_params"),
    "boot/efi/EFI/redhat/grubenv": BLOCK.ljust(1024, "#"),
    "etc/sysconfig/network": "NETWORKING=yes\nGATEWAY=10.1.2.1\nHOSTNAME=master\n",
    "etc/sysconfig/network-scripts/ifcfg-ens192": (
        'TYPE="Ethernet"\nBOOTPROTO="none"\nNAME="ens192"\nDEVICE="ens192"\n'
        'HWADDR="00:50:56:1A:B2:C3"\nONBOOT="yes"\nIPADDR="10.1.2.3"\nPREFIX="24"\n'
    ),
    "etc/sysconfig/network-scripts/route-ens192": "10.9.0.0/16 via 10.1.2.9 dev ens192\n",
}
_SUBVOLUMES = ("/var", "/usr/local", "/srv", "/root", "/opt", "/home", "/boot/grub2/x86_64-efi")
_SUSE = {
    "etc/os-release": (
        'NAME="SLES"\nVERSION="15-SP5"\nVERSION_ID="15.5"\nID="sles"\nID_LIKE="suse"\n'
        'PRETTY_NAME="SUSE Linux Enterprise Server 15 SP5"\n'
    ),
    "etc/HOSTNAME": "master\n",
    "etc/fstab": (
        "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part2  /  btrfs  defaults  0  0\n"
        + "".join(
            f"UUID={ROOT_UUID}  {point}  btrfs  subvol=/@{point}  0  0\n" for point in _SUBVOLUMES
        )
        + "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part3  swap  swap  defaults  0  0\n"
        "UUID=63BE-6B2A  /boot/efi  vfat  utf8  0  2\n"
    ),
    "etc/default/grub": (
        'GRUB_DISTRIBUTOR="SLES"\nGRUB_CMDLINE_LINUX_DEFAULT="splash=silent '
        'resume=/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part3 mitigations=auto quiet"\n'
        'GRUB_CMDLINE_LINUX=""\nSUSE_BTRFS_SNAPSHOT_BOOTING="true"\n'
    ),
    "boot/grub2/grub.cfg": (
        "set btrfs_relative_path=\"y\"\nmenuentry 'SLES 15-SP5' {\n"
        f"\tlinux /boot/vmlinuz-{KERNEL} root=UUID={ROOT_UUID} ${{extra_cmdline}} splash=silent "
        "resume=/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part3 mitigations=auto quiet\n"
        f"\tinitrd /boot/initrd-{KERNEL}\n}}\n"
    ),
    "etc/udev/rules.d/70-persistent-net.rules": 'SUBSYSTEM=="net", NAME="eth0"\n',
    "etc/sysconfig/network/ifcfg-lo": "IPADDR=127.0.0.1/8\nSTARTMODE=auto\n",
    "etc/sysconfig/network/ifcfg-eth0": (
        "BOOTPROTO='static'\nIPADDR='10.1.2.3/24'\nNAME='VMXNET3 Controller'\nSTARTMODE='auto'\n"
    ),
    "etc/sysconfig/network/routes": "default 10.1.2.1 - -\n",
    "usr/sbin/wicked": "",
    "usr/bin/dracut": "",
    "usr/sbin/waagent": "",
    "usr/lib/sysimage/rpm/Packages.db": "",
    f"boot/vmlinuz-{KERNEL}": "kernel",
}


@dataclass(frozen=True)
class Layout:
    """A tree, and what the disk that it is on looks like."""

    files: dict[str, str]
    image: str
    device: str
    volumes: tuple[Volume, ...]
    loaders: dict[str, bytes]


_RED_HAT = {"redhat/shimx64.efi": b"shim", "redhat/grubx64.efi": b"grub"}
LAYOUTS = {
    "rhel9": Layout(
        {**_RHEL, **_RHEL_9},
        f"boot/initramfs-{KERNEL}.img",
        "/dev/mapper/rhel-root",
        _RHEL_VOLUMES,
        _RED_HAT,
    ),
    "rhel8": Layout(
        {**_RHEL, **_RHEL_8},
        f"boot/initramfs-{KERNEL}.img",
        "/dev/mapper/rhel-root",
        _RHEL_VOLUMES,
        _RED_HAT,
    ),
    "sles15": Layout(
        _SUSE,
        f"boot/initrd-{KERNEL}",
        "/dev/sdb2",
        _SUSE_VOLUMES,
        {"sles/shim.efi": b"shim", "sles/grub.efi": b"grub", "sles/grub.cfg": b"configfile"},
    ),
}


def layout_tree(root: Path, name: str) -> Guest:
    """The recorded guest `name` below `root`."""
    layout = LAYOUTS[name]
    linux_tree(root, layout.files, layout.image)
    if name == "rhel8":
        (root / "boot/grub2/grubenv").symlink_to("../efi/EFI/redhat/grubenv")
    esp = root / "boot/efi"
    for path, content in layout.loaders.items():
        place = esp / "EFI" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return Guest(
        OsFamily.LINUX, "/dev/sdb", layout.device, root, Firmware.UEFI, True, esp, None,
        layout.volumes,
    )  # fmt: skip
