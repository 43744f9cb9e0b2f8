"""What is inside a Linux guest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from imageport.guest.errors import UnreadableInitramfsError, UnsupportedOsError
from imageport.guest.guest import Guest
from imageport.guest.linux import initramfs, modules, needs, network
from imageport.guest.linux.tools import TOOLS
from imageport.guest.paths import inside
from imageport.model.guest import Product
from imageport.model.guest_facts import LinuxFacts, LinuxInterface, LinuxKernel

_INITRAMFS_NAMES: Final = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}", "initrd-{}.img")
_INITRAMFS_TOOLS: Final = {
    "initramfs-tools": "usr/sbin/mkinitramfs",
    "dracut": "usr/bin/dracut",
    "mkinitcpio": "usr/bin/mkinitcpio",
}
_MANAGER_EVIDENCE: Final = {
    "netplan": "usr/sbin/netplan",
    "networkmanager": "usr/sbin/NetworkManager",
    "networkd": "etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
    "ifupdown": "usr/sbin/ifup",
    "wicked": "usr/sbin/wicked",
    "ifcfg": "etc/sysconfig/network-scripts",
}
_PACKAGE_DATABASES: Final = {
    "dpkg": ("var/lib/dpkg/status",),
    "rpm": ("usr/lib/sysimage/rpm", "var/lib/rpm"),
}
_GRUB: Final = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_ELF_MACHINES: Final = {0x3E: "x86_64", 0xB7: "aarch64", 0x03: "i386"}
_MAX_TEXT: Final = 1 << 20
"""Bytes; a configuration file beyond that is none that a fix-up edits."""


def release(guest: Guest) -> dict[str, str]:
    """os-release(5) as a table; empty when the guest has none."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        text = text_of(guest, name)
        if text is not None:
            return dict(_assignments(text))
    return {}


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            try:
                yield name, " ".join(shlex.split(value))
            except ValueError:
                continue


def text_of(guest: Guest, path: str) -> str | None:
    """A small text file of the guest; None when it is absent, no file, or large."""
    place = guest.find(path)
    if place is None or not place.is_file() or place.stat().st_size > _MAX_TEXT:
        return None
    return place.read_text(errors="surrogateescape")


def architecture(guest: Guest) -> str:
    """The machine that the guest's shell is built for; raises `UnsupportedOsError` for others."""
    shell = guest.find("/bin/sh")
    header = b""
    if shell is not None:
        with shell.open("rb") as file:
            header = file.read(20)
    machine = _ELF_MACHINES.get(int.from_bytes(header[18:20], "little"), "unknown")
    if header[:4] != b"\x7fELF" or machine != "x86_64":
        name = release(guest).get("PRETTY_NAME", "This Linux")
        raise UnsupportedOsError(name=name, reason=f"it is built for {machine}, not x86_64")
    return machine


def facts(guest: Guest, watched: Sequence[str]) -> LinuxFacts:
    """Everything that fix-ups need; `watched` are the paths whose text or presence they ask for."""
    identity = release(guest)
    paths = tuple(dict.fromkeys(_expanded(guest, watched)))
    texts = {path: text_of(guest, path) for path in paths}
    found = tuple(_interfaces(guest))
    return LinuxFacts(
        distribution=identity.get("ID", "linux"),
        like=(identity.get("ID", "linux"), *identity.get("ID_LIKE", "").split()),
        kernels=tuple(_kernels(guest)),
        initramfs_tool=next(
            (name for name, path in _INITRAMFS_TOOLS.items() if guest.find(path)), None
        ),
        network_manager=_manager(guest, found),
        interfaces=found,
        packages=tuple(sorted(_packages(guest))),
        devices={str(v.number): f"UUID={v.uuid}" for v in guest.volumes if v.uuid and not v.name},
        files={path: text for path, text in texts.items() if text is not None},
        paths=tuple(path for path in paths if _exists(guest, path)),
        boot_loader=_boot_loader(guest),
        package_manager=next(
            (
                name
                for name, places in _PACKAGE_DATABASES.items()
                if any(guest.find(place) for place in places)
            ),
            None,
        ),
        selinux=_selinux(guest),
    )


def _expanded(guest: Guest, watched: Sequence[str]) -> Iterator[str]:
    """`watched` with patterns replaced by what they match."""
    for path in watched:
        if "*" not in path:
            yield path
            continue
        folder, _, pattern = path.rpartition("/")
        place = guest.find(folder)
        for found in sorted(place.glob(pattern)) if place else ():
            yield f"{folder}/{found.name}"


def _boot_loader(guest: Guest) -> str | None:
    texts = [text for text in (text_of(guest, path) for path in _GRUB) if text is not None]
    if texts:
        return "grub-bls" if any("blscfg" in text for text in texts) else "grub"
    return "systemd-boot" if guest.find_esp("EFI/systemd/systemd-bootx64.efi") else None


def _selinux(guest: Guest) -> str | None:
    """The mode that the guest will start in (selinux_config(5))."""
    text = text_of(guest, "/etc/selinux/config")
    return dict(_assignments(text)).get("SELINUX") if text is not None else None


def _exists(guest: Guest, path: str) -> bool:
    """True for a file, a folder, and a link whose target is only there in the running system."""
    place = inside(guest.root, str(Path(path).parent)) / Path(path).name
    return place.is_symlink() or place.exists()


def products(guest: Guest) -> tuple[Product, ...]:
    """Guest tools and agents, with their versions where dpkg knows them."""
    versions = _versions(guest)
    return tuple(
        Product(tool.kind, tool.package, versions.get(tool.package), tool.vendor)
        for tool in TOOLS
        if guest.find(tool.evidence) is not None
    )


def _versions(guest: Guest) -> dict[str, str]:
    status = guest.find("var/lib/dpkg/status")
    if status is None:
        return {}
    text = status.read_text(errors="replace")
    found = {}
    for tool in TOOLS:
        match = re.search(
            rf"^Package: {re.escape(tool.package)}\n(?:[^\n]+\n)*?Version: (\S+)$",
            text,
            re.MULTILINE,
        )
        if match:
            found[tool.package] = match[1]
    return found


def _packages(guest: Guest) -> Iterator[str]:
    """Installed Debian packages that fix-ups may remove (dpkg keeps checksums only of those)."""
    folder = guest.find("var/lib/dpkg/info")
    for name in [tool.package for tool in TOOLS] + ["open-vm-tools-desktop", "openssh-server"]:
        if folder and (folder / f"{name}.md5sums").exists():
            yield name


def _kernels(guest: Guest) -> Iterator[LinuxKernel]:
    folder = guest.find("/lib/modules")
    wanted = needs.all_modules()
    for kernel in sorted(folder.iterdir()) if folder else ():
        if not kernel.is_dir() or guest.find(f"/boot/vmlinuz-{kernel.name}") is None:
            continue
        present = frozenset(modules.dependencies(kernel))
        path, contents = _initramfs(guest, kernel.name)
        yield LinuxKernel(
            version=kernel.name,
            modules=tuple(sorted(wanted & present)),
            builtin=tuple(sorted(wanted & modules.builtin(kernel))),
            initramfs=path,
            initramfs_modules=tuple(sorted(wanted & contents.modules)) if contents else (),
            compression=contents.compression if contents else None,
        )


def _initramfs(guest: Guest, version: str) -> tuple[str | None, initramfs.Contents | None]:
    for form in _INITRAMFS_NAMES:
        path = f"/boot/{form.format(version)}"
        place = guest.find(path)
        if place is not None:
            try:
                return path, initramfs.read(place)
            except UnreadableInitramfsError:
                return None, None
    return None, None


def _interfaces(guest: Guest) -> Iterator[LinuxInterface]:
    for manager, patterns in network.PATTERNS.items():
        for pattern in patterns:
            for place in sorted(guest.root.glob(pattern)):
                source = "/" + place.relative_to(guest.root).as_posix()
                text = text_of(guest, source)
                if text is not None:
                    yield from network.interfaces(manager, source, text)


def _manager(guest: Guest, found: Sequence[LinuxInterface]) -> str | None:
    """The manager with configured interfaces; with none, the one that is installed."""
    configured = {each.manager for each in found}
    installed = {name for name, path in _MANAGER_EVIDENCE.items() if _exists(guest, path)}
    for candidates in (configured & installed, installed, configured):
        for name in network.PATTERNS:
            if name in candidates:
                return name
    return None
