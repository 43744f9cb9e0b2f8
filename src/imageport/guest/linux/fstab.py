"""The file system table (fstab(5)): parsed, and rewritten to names that survive a migration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from imageport.model.guest import Volume

_KERNEL_NAME: Final = re.compile(
    r"/dev/(?:(?P<disk>(?:[hsv]|xv)d[a-z]+)|(?P<numbered>(?:nvme\d+n|mmcblk)\d+)p)(?P<part>\d+)"
)
_STABLE_LINK: Final = re.compile(r"/dev/disk/by-(?:id|path)/(?P<disk>.*)-part(?P<part>\d+)")
_FIRST_DISKS: Final = ("sda", "vda", "xvda", "hda", "nvme0n1", "mmcblk0")
"""What the system disk is called where the root entry does not tell."""
_PSEUDO: Final = ("proc", "sysfs", "tmpfs", "devpts", "devtmpfs", "none", "cgroup", "efivarfs")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that mounts something; `line` counts from 0."""

    line: int
    source: str
    mount_point: str
    kind: str
    options: tuple[str, ...]


def parse(text: str) -> tuple[Entry, ...]:
    """The entries of an fstab, in order; comments and unreadable lines are left out."""
    entries = []
    for number, line in enumerate(text.splitlines()):
        fields = line.split()
        if len(fields) >= 3 and not line.lstrip().startswith("#"):
            options = tuple(fields[3].split(",")) if len(fields) > 3 else ("defaults",)
            entries.append(Entry(number, fields[0], fields[1], fields[2], options))
    return tuple(entries)


def partition_number(source: str, root: str = "") -> int | None:
    """The partition of the system disk that a kernel name, or a link made of one, means.

    `root` is the source of the root file system: names of another disk than its are no partition
    of the system disk. None for those and for every other kind of source.
    """
    disk, number = _disk_and_part(source)
    if number is None:
        return None
    own, _ = _disk_and_part(root)
    return number if disk == own or (own is None and disk in _FIRST_DISKS) else None


def _disk_and_part(source: str) -> tuple[str | None, int | None]:
    match = _KERNEL_NAME.fullmatch(source)
    if match:
        return match["disk"] or match["numbered"], int(match["part"])
    match = _STABLE_LINK.fullmatch(source)
    return (match["disk"], int(match["part"])) if match else (None, None)


def root_source(entries: Sequence[Entry]) -> str:
    """The source of the root file system; empty when the table has none."""
    return next((entry.source for entry in entries if entry.mount_point == "/"), "")


def volume_of(source: str, volumes: Sequence[Volume], root: str = "") -> Volume | None:
    """The volume that `source` names; `root` as for `partition_number`."""
    name, _, value = source.partition("=")
    wanted = value.strip('"').casefold()
    by_tag = {
        "UUID": lambda v: v.uuid,
        "LABEL": lambda v: v.label,
        "PARTUUID": lambda v: v.partition_uuid,
    }
    if source.startswith("/dev/disk/by-"):
        kind, _, link = source.removeprefix("/dev/disk/by-").partition("/")
        name, wanted = kind.upper(), link.casefold()
    if name in by_tag:
        return next((v for v in volumes if (by_tag[name](v) or "").casefold() == wanted), None)
    for volume in volumes:
        # A logical volume has the same names in every machine.
        if volume.name and source in (volume.device, f"/dev/{volume.name}"):
            return volume
    number = partition_number(source, root)
    return next((v for v in volumes if v.number == number), None) if number else None


def stable(text: str, devices: Mapping[str, str]) -> str:
    """`text` with every kernel name of this disk replaced by its stable name.

    `devices` maps a partition's number to that name (`3` -> `UUID=...`). An entry whose device is
    not on this disk would stop the boot in an emergency shell: it gets `nofail`.
    """
    lines = text.splitlines(keepends=True)
    entries = parse(text)
    root = root_source(entries)
    for entry in entries:
        if _disk_and_part(entry.source)[1] is None:
            continue
        number = partition_number(entry.source, root)
        name = devices.get(str(number))
        if name:
            lines[entry.line] = lines[entry.line].replace(entry.source, name, 1)
        elif not {"nofail", "noauto"} & set(entry.options):
            lines[entry.line] = _with_option(lines[entry.line], entry, "nofail")
    return "".join(lines)


_SWAP_OFF: Final = "#imageport-no-swap# "


def with_swap(text: str, *, wanted: bool) -> str:
    """`text` with its swap as a master has it, or (not `wanted`) with each such line put aside.

    Lines that an earlier preparation put aside come back first.
    """
    restored = text.replace(_SWAP_OFF, "")
    if wanted:
        return restored
    lines = restored.splitlines(keepends=True)
    for entry in parse(restored):
        if entry.kind == "swap":
            lines[entry.line] = _SWAP_OFF + lines[entry.line]
    return "".join(lines)


def stable_crypttab(text: str, devices: Mapping[str, str], root: str) -> str:
    """crypttab(5) with kernel names of this disk's partitions replaced; as for `stable`."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        fields = line.split()
        if len(fields) < 2 or fields[0].startswith("#"):
            continue
        name = devices.get(str(partition_number(fields[1], root)))
        if name:
            lines[number] = line.replace(fields[1], name, 1)
    return "".join(lines)


def _with_option(line: str, entry: Entry, option: str) -> str:
    old = ",".join(entry.options)
    fields = re.split(r"(\s+)", line.rstrip("\n"))
    words = [i for i, field in enumerate(fields) if field and not field.isspace()]
    if len(words) > 3:
        fields[words[3]] = f"{old},{option}"
    else:
        fields.append(f" {old},{option}")
    return "".join(fields) + ("\n" if line.endswith("\n") else "")


def foreign(text: str, volumes: Sequence[Volume]) -> tuple[Entry, ...]:
    """The entries that mount a device which is not on this disk."""
    entries = parse(text)
    root = root_source(entries)
    return tuple(
        entry
        for entry in entries
        if entry.source not in _PSEUDO
        and "noauto" not in entry.options
        and _is_block(entry.source)
        and volume_of(entry.source, volumes, root) is None
    )


def _is_block(source: str) -> bool:
    return source.startswith(("/dev/", "UUID=", "LABEL=", "PARTUUID=")) and not re.match(
        r"/dev/(cdrom|sr\d|fd\d|mapper/|dm-|loop)", source
    )
