"""Build a Linux master: a real Debian 12 as it would come from a vSphere machine."""

from __future__ import annotations

import shutil
import struct
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from imageport.engine.image.grub import core_image, embed
from imageport.host.run import run
from imageport.model.target import Firmware
from lab.guests.cache import GRUB_SOURCE, cached, digest, scratch
from lab.guests.debian_base import Flavour, base_tar
from lab.guests.disk_image import (
    Extent,
    Partition,
    blank_disk,
    make_fat,
    write_gpt,
    write_qcow2,
)
from lab.guests.linux_files import Identity, specialise
from lab.guests.linux_storage import Root, fill, storage

_FIRST: Final = {
    Firmware.BIOS: Partition("BIOS boot", "EF02", 1),
    Firmware.UEFI: Partition("EFI system partition", "EF00", 64),
}
_GRUB_MODULES: Final = (
    "part_gpt ext2 xfs btrfs normal linux search search_fs_uuid serial terminal echo configfile"
)


@dataclass(frozen=True, slots=True)
class LinuxMaster:
    """A Debian master. `hang`: a unit stops the boot for ever; `luks`: its root looks encrypted.

    A `root` other than ext4 starts from BIOS alone, and wants a `flavour` that knows it.

    The BIOS variant's initramfs knows VMware's pvscsi alone, the UEFI variant's also AHCI: that is
    what a machine with Debian's OVMF can be started from.
    """

    firmware: Firmware = Firmware.BIOS
    hang: bool = False
    luks: bool = False
    root: Root = Root.EXT4
    flavour: Flavour = Flavour.DEBIAN
    hostname: str = "master02"
    mac: str = "00:50:56:1a:b2:c3"
    """Of the NIC that the udev rule names ens192."""
    address: str = "10.20.30.41/24"
    gateway: str = "10.20.30.1"
    size_mib: int = 2048


def linux_master(master: LinuxMaster) -> Path:
    """The cached qcow2 of `master`."""
    extra = ("ahci",) if master.firmware is Firmware.UEFI else ()
    base = base_tar(master.firmware, extra, master.flavour)
    here = Path(__file__)
    names = ("linux.py", "linux_files.py", "linux_storage.py", "disk_image.py")
    sources = [GRUB_SOURCE, *(here.with_name(name) for name in names)]
    key = digest({**asdict(master), "base": base.name}, sources)
    name = f"linux-{master.flavour}-{master.root}-{master.firmware}-{key}.qcow2"
    return cached(f"images/{name}", lambda made: _build(made, master, base))


def _build(made: Path, master: LinuxMaster, base: Path) -> None:
    identity = uuid.uuid5(uuid.NAMESPACE_URL, repr(master))
    kept = storage(master.root)
    with scratch() as work:
        tree, disk = work / "tree", work / "disk.raw"
        tree.mkdir()
        run(["tar", "-C", tree, "--numeric-owner", "-xpf", base])
        names = Identity(master.hostname, master.mac, master.address, master.gateway, identity)
        specialise(tree, names, master.firmware, kept, hang=master.hang)
        blank_disk(disk, master.size_mib)
        partitions = (_FIRST[master.firmware], *kept.partitions)
        first, *rest = write_gpt(disk, identity, partitions)
        if master.firmware is Firmware.UEFI:
            _put_esp(disk, first, tree, work, identity)
        else:
            _put_grub(disk, first, tree, f"(,gpt{kept.boot_partition}){kept.boot}/grub")
        fill(disk, rest, tree, master.root, identity)
        if master.luks:
            _put_luks(disk, rest[-1], identity)
        shutil.rmtree(tree)
        write_qcow2(disk, made)


def _put_grub(disk: Path, extent: Extent, tree: Path, prefix: str) -> None:
    modules = tree / "boot/grub/i386-pc"
    shutil.copytree(tree / "usr/lib/grub/i386-pc", modules)
    core = core_image(prefix, tuple(_GRUB_MODULES.split()))
    embed(disk, core, sector=extent.start, room=extent.sectors)


def _put_esp(disk: Path, extent: Extent, tree: Path, work: Path, root: uuid.UUID) -> None:
    shutil.copytree(tree / "usr/lib/grub/x86_64-efi", tree / "boot/grub/x86_64-efi")
    (tree / "boot/efi").mkdir()
    configuration = work / "esp-grub.cfg"
    configuration.write_text(
        f"search.fs_uuid {root} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
    )
    shim = tree / "usr/lib/shim/shimx64.efi.signed"
    grub = tree / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
    files = {
        "EFI/debian/shimx64.efi": shim,
        "EFI/debian/grubx64.efi": grub,
        "EFI/debian/grub.cfg": configuration,
        "EFI/BOOT/BOOTX64.EFI": shim,
        "EFI/BOOT/grubx64.efi": grub,
    }
    make_fat(disk, extent, "EFI", files)


def _put_luks(disk: Path, extent: Extent, identity: uuid.UUID) -> None:
    """A LUKS2 header's first fields (LUKS2 On-Disk Format 1.1.1, 2.1): magic, version, UUID."""
    header = b"LUKS\xba\xbe" + struct.pack(">HQ", 2, 16384)
    header = header.ljust(168, b"\0") + str(identity).encode()
    with disk.open("r+b") as file:
        file.seek(extent.offset)
        file.write(header.ljust(4096, b"\0"))
