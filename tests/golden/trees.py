"""Guests as plain folder trees: a phony Windows' volume, and a recorded Debian with the files that
matter. Everything but mounting works on them."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import stat
import struct
from pathlib import Path

from imageport.guest.guest import Guest
from imageport.guest.linux import cpio
from imageport.guest.linux.needs import all_modules
from imageport.model.guest import OsFamily, Volume
from imageport.model.target import Firmware
from lab.guests.windows_bcd import write_bcd
from lab.guests.windows_files import fill_system_volume, portable_executable
from lab.guests.windows_spec import State, WindowsMaster

KERNEL = "6.1.0-18-amd64"
ROOT_UUID = "f4647cc8-41d6-5029-b9b6-00786fb39f16"
SWAP_UUID = "ac6aac46-a3bf-5bd0-a36d-dc8a4bf6343c"
BASIC_DATA = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
LDM_DATA = "af9b60a0-1431-4f62-bc68-3311714a69ad"
_VOLUMES = (
    Volume("/dev/sdb1", 1, 1 << 20, 64 << 20, "vfat", "63BE-6B2A", "ESP"),
    Volume("/dev/sdb2", 2, 65 << 20, 64 << 20, "swap", SWAP_UUID),
    Volume("/dev/sdb3", 3, 129 << 20, 2 << 30, "ext4", ROOT_UUID, "root"),
)
_LINUX_FILES = {
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "etc/hostname": "master02\n",
    "etc/fstab": (
        "# <file system> <mount point> <type> <options> <dump> <pass>\n"
        "/dev/sda3\t/\text4\terrors=remount-ro\t0\t1\n"
        "/dev/sda1\t/boot/efi\tvfat\tumask=0077\t0\t1\n"
        "/dev/sda2\tnone\tswap\tsw\t0\t0\n"
        "/dev/sdb1\t/data\text4\tdefaults\t0\t2\n"
    ),
    "etc/default/grub": (
        'GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT="quiet console=ttyS1,9600"\n'
        'GRUB_CMDLINE_LINUX=""\nGRUB_DISABLE_LINUX_UUID=true\n'
    ),
    "boot/grub/grub.cfg": (
        "set timeout=5\nmenuentry 'Debian GNU/Linux' {\n"
        f"\tlinux\t/boot/vmlinuz-{KERNEL} root=/dev/sda3 ro quiet console=ttyS1,9600\n"
        f"\tinitrd\t/boot/initrd.img-{KERNEL}\n}}\n"
    ),
    "etc/network/interfaces": (
        "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n\n"
        "auto ens192\niface ens192 inet static\n\taddress 10.20.30.41/24\n\tgateway 10.20.30.1\n"
    ),
    "etc/udev/rules.d/70-persistent-net.rules": 'SUBSYSTEM=="net", NAME="ens192"\n',
    "etc/initramfs-tools/modules": "# List of modules\nvmw_pvscsi\n",
    "etc/ssh/sshd_config": "",
    "usr/sbin/ifup": "",
    "usr/sbin/mkinitramfs": "",
    "var/lib/dpkg/info/openssh-server.md5sums": "",
    "var/lib/dpkg/status": "Package: openssh-server\nStatus: installed\nVersion: 1:9.2\n",
    f"boot/vmlinuz-{KERNEL}": "kernel",
}


def debian_tree(
    root: Path, *, lacking: tuple[str, ...] = (), firmware: Firmware = Firmware.UEFI
) -> Guest:
    """A Debian 12 whose initramfs knows pvscsi alone. `lacking`: modules its kernel is without."""
    linux_tree(root, _LINUX_FILES, f"boot/initrd.img-{KERNEL}", lacking=lacking)
    if firmware is Firmware.BIOS:
        table = _LINUX_FILES["etc/fstab"].replace("/dev/sda1\t/boot/efi", "#/dev/sda1\t/boot/efi")
        (root / "etc/fstab").write_text(table)
    esp = root / "boot/efi"
    if firmware is Firmware.UEFI:
        (esp / "EFI/debian").mkdir(parents=True)
        (esp / "EFI/debian/shimx64.efi").write_bytes(b"shim")
        (esp / "EFI/debian/grubx64.efi").write_bytes(b"grub")
    return Guest(
        OsFamily.LINUX, "/dev/sdb", "/dev/sdb3", root, firmware, True,
        esp if firmware is Firmware.UEFI else None, None, _VOLUMES,
    )  # fmt: skip


def linux_tree(
    root: Path, files: dict[str, str], image: str, *, lacking: tuple[str, ...] = ()
) -> None:
    """`files`, a shell, the kernel's modules, and at `image` an initramfs for pvscsi alone."""
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/sh").write_bytes(elf(b""))
    for link, target in (("bin", "usr/bin"), ("lib", "usr/lib")):
        (root / link).symlink_to(target)
    _kernel(root / "usr/lib/modules" / KERNEL, lacking)
    (root / image).write_bytes(initramfs(("vmw_pvscsi", "sd_mod")))


def _kernel(folder: Path, lacking: tuple[str, ...]) -> None:
    lines = []
    for name in sorted(all_modules() - {"nvme", *lacking}):
        needed = ["kernel/virtio.ko"] if name.startswith("virtio_") else []
        place = folder / f"kernel/{name.replace('_', '-')}.ko"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(elf(f"name={name}\0alias=pci:v*{name}\0".encode()))
        lines.append(f"kernel/{place.name}: {' '.join(needed)}")
    (folder / "kernel/virtio.ko").write_bytes(elf(b"name=virtio\0"))
    (folder / "modules.dep").write_text("\n".join([*lines, "kernel/virtio.ko:", ""]))
    (folder / "modules.builtin").write_text("kernel/drivers/nvme/host/nvme.ko\n")
    (folder / "modules.order").write_text("")


def initramfs(names: tuple[str, ...]) -> bytes:
    """Early microcode as a plain archive, zeros, then the main archive compressed by gzip."""
    early = cpio.archive([("kernel", stat.S_IFDIR | 0o755, b""), ("kernel/x86", 0o100644, b"u")])
    folders = [f"usr/lib/modules/{KERNEL}/kernel"]
    for part in Path(folders[0]).parents:
        folders.insert(0, part.as_posix())
    members = [(name, stat.S_IFDIR | 0o755, b"") for name in folders if name != "."]
    members.append(("lib", stat.S_IFLNK | 0o777, b"usr/lib"))
    members += [
        (f"{folders[-1]}/{name.replace('_', '-')}.ko", 0o100644, elf(f"name={name}\0".encode()))
        for name in names
    ]
    return early + bytes(512) + gzip.compress(cpio.archive(members), mtime=0)


def elf(info: bytes) -> bytes:
    """A relocatable x86-64 object (ELF64, gABI 4.1) with a `.modinfo` section, as depmod reads."""
    names = b"\0.modinfo\0.shstrtab\0"
    info_at, names_at = 64, 64 + len(info)
    headers_at = (names_at + len(names) + 7) & ~7
    start = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 1, 0x3E, 1, 0, 0, headers_at, 0, 64, 0, 0, 64, 3, 2
    )
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0, info_at, len(info), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return (start + info + names).ljust(headers_at, b"\0") + sections


def windows_tree(folder: Path, master: WindowsMaster) -> Guest:
    """The phony Windows `master` with its EFI system partition (or its bootmgr) beside it."""
    root, esp = folder / "root", folder / "esp"
    root.mkdir(parents=True)
    uefi = master.firmware is Firmware.UEFI
    fill_system_volume(root, master, drives={"\\DosDevices\\C:": b"DMIO:ID:" + bytes(16)})
    boot = folder / "boot"
    store = esp / "EFI/Microsoft/Boot/BCD" if uefi else boot / "Boot/BCD"
    store.parent.mkdir(parents=True)
    write_bcd(store, master)
    if uefi:
        (store.parent / "bootmgfw.efi").write_bytes(portable_executable(b"bootmgfw"))
    return Guest(
        OsFamily.WINDOWS, "/dev/sdb", "/dev/sdb3", root, master.firmware, True,
        esp if uefi else None, None if uefi else boot,
        windows_volumes(master.state),
    )  # fmt: skip


def windows_volumes(state: State) -> tuple[Volume, ...]:
    """What a scan would say of the disk of a phony Windows in that state."""
    kind = LDM_DATA if state is State.DYNAMIC_DISK else BASIC_DATA
    system = Volume(
        "/dev/sdb3", 3, 1 << 20, 2 << 30, "ntfs", "433F89665472E8E2", partition_type=kind
    )
    data = Volume("/dev/sdb4", 4, 3 << 30, 64 << 20, "bitlocker", partition_type=BASIC_DATA)
    return (system, data) if state is State.BITLOCKER_DATA else (system,)


def tree_hash(*folders: Path | None) -> str:
    """One hash over names, modes, links and contents of all files below `folders`."""
    hashed = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder else ():
            status = path.lstat()
            hashed.update(f"{path}\0{status.st_mode:o}\0".encode())
            if path.is_symlink():
                hashed.update(str(path.readlink()).encode())
            elif path.is_file():
                hashed.update(path.read_bytes())
    return hashed.hexdigest()


def run_first_boot(guest: Guest) -> None:
    """What the guest's runner leaves: nothing of its own but a report."""
    report = (
        "fact kernel 6.1\nfact boot-driver virtio_scsi\nstep 10 machine-id 0\n"
        "step 20 remove-vmware-tools 1603\ncomplete\n"
    )
    windows = guest.family is OsFamily.WINDOWS
    folder = guest.root / ("ProgramData/imageport" if windows else "usr/lib/imageport")
    place = guest.root / (
        "ProgramData/imageport/first-boot.report"
        if windows
        else "var/lib/imageport/first-boot.report"
    )
    shutil.rmtree(folder)
    if not windows:
        unit = "etc/systemd/system/imageport-first-boot.service"
        (guest.root / unit).unlink()
        (guest.root / unit.replace("system/", "system/multi-user.target.wants/")).unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(report, newline="\r\n" if windows else "\n")
