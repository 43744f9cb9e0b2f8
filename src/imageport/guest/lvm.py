"""Logical volumes: the image's volume groups, activated by their own devices and let go again.

Every command sees the image's physical volumes alone (`--devices`, lvm(8)), writes no copies of
metadata beside itself, and asks no udev, which the engine has none of.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from imageport.guest.command import attempt, run
from imageport.guest.errors import CommandError, LvmError
from imageport.guest.volumes import probe
from imageport.model.guest import Volume

_CONFIGURATION: Final = (
    "devices{obtain_device_list_from_udev=0 use_devicesfile=0} backup{backup=0 archive=0} "
    "activation{udev_sync=0 udev_rules=0 monitoring=0 read_only_volume_list=[%s]} "
    'global{use_lvmpolld=0 event_activation=0 thin_check_executable="" cache_check_executable=""}'
)
"""lvm.conf(5). Thin and cache pools are not checked: the engine has no tools for those."""
_ENVIRONMENT: Final = {"LVM_SUPPRESS_FD_WARNINGS": "1"}
_JSON: Final = ("{", "}", "[", "]", '"')
_DEACTIVATE_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class _Group:
    """A volume group, by the devices of this disk that it lies on."""

    name: str
    uuid: str
    devices: tuple[str, ...]
    missing: int
    """Physical volumes that are not on this disk."""


@contextmanager
def activated(volumes: Sequence[Volume], *, writable: bool) -> Iterator[tuple[Volume, ...]]:
    """The logical volumes on those of `volumes` that are physical volumes; none without such.

    Groups that are incomplete stay shut (`refuse_incomplete` says so of them). Raises `LvmError`
    for two groups of one name, which no machine could have started from.
    """
    physical = [volume.device for volume in volumes if volume.kind == "lvm"]
    groups = _groups(physical) if physical else ()
    _refuse_twins(groups)
    whole = [group for group in groups if not group.missing]
    opened: list[_Group] = []
    try:
        for group in whole:
            opened.append(group)
            _change(group, "-ay", writable=writable)
        yield tuple(volume for group in whole for volume in _logical(group))
    finally:
        for group in reversed(opened):
            _deactivate(group)


def refuse_incomplete(volumes: Sequence[Volume]) -> None:
    """Raise `LvmError` for a group that lies on other disks as well: the system may be on it."""
    physical = [volume.device for volume in volumes if volume.kind == "lvm"]
    for group in _groups(physical) if physical else ():
        if group.missing:
            detail = f"{group.missing} of its physical volumes are not on this disk"
            raise LvmError(group=group.name, device=group.devices[0], detail=detail)


def _refuse_twins(groups: Sequence[_Group]) -> None:
    for name, count in Counter(group.name for group in groups).items():
        if count > 1:
            twin = next(group for group in groups if group.name == name)
            detail = f"{count} different groups have this name"
            raise LvmError(group=name, device=twin.devices[0], detail=detail)


def _groups(devices: Sequence[str]) -> tuple[_Group, ...]:
    """By UUID: a name alone may mean two groups."""
    columns = "pv_name,vg_name,vg_uuid,vg_missing_pv_count"
    found: dict[str, _Group] = {}
    for row in _report("pvs", "pv", devices, columns):
        uuid, device = row["vg_uuid"], row["pv_name"]
        if not uuid or device not in devices:
            continue
        known = found.get(uuid)
        places = (*known.devices, device) if known else (device,)
        found[uuid] = _Group(row["vg_name"], uuid, places, int(row["vg_missing_pv_count"] or 0))
    return tuple(found.values())


def _logical(group: _Group) -> Iterator[Volume]:
    """The group's volumes with a device, snapshots excepted: they are older states of another."""
    columns = "lv_name,lv_dm_path,lv_size,origin"
    for row in _report("lvs", "lv", group.devices, columns):
        device = row["lv_dm_path"]
        if not row["origin"] and Path(device).exists():
            volume = probe(device, number=0, offset=0, size=int(row["lv_size"]))
            yield replace(volume, name=f"{group.name}/{row['lv_name']}")


def _report(program: str, kind: str, devices: Sequence[str], columns: str) -> list[dict[str, Any]]:
    """lvmreport(7)'s rows. Lines of warnings among them are no part of the JSON."""
    argv = [program, "--reportformat", "json", "--units", "b", "--nosuffix", "-o", columns]
    try:
        said = run([*argv, *_common(devices)], environment=_ENVIRONMENT)
        rows = (line for line in said.splitlines() if line.strip()[:1] in _JSON)
        report = json.loads("".join(rows))
    except (CommandError, ValueError) as wrong:
        raise LvmError(group="", device=", ".join(devices), detail=str(wrong)) from wrong
    found: list[dict[str, Any]] = report["report"][0][kind]
    return found


def _change(group: _Group, how: str, *, writable: bool) -> None:
    # It loads device-mapper itself where udev made its control node; here nobody did.
    attempt(["modprobe", "-q", "dm-mod"])
    read_only = "" if writable else f'"{group.name}"'
    argv = ["vgchange", how, *_common(group.devices, read_only), group.name]
    try:
        run(argv, environment=_ENVIRONMENT)
    except CommandError as wrong:
        detail = str(wrong.data["output"])
        raise LvmError(group=group.name, device=group.devices[0], detail=detail) from wrong


def _deactivate(group: _Group) -> None:
    """Let go of the group; the last failure is the one that tells."""
    for _ in range(_DEACTIVATE_TRIES - 1):
        argv = ["vgchange", "-an", *_common(group.devices), group.name]
        if attempt(argv, environment=_ENVIRONMENT).returncode == 0:
            return
        os.sync()
    _change(group, "-an", writable=True)


def _common(devices: Sequence[str], read_only: str = "") -> list[str]:
    return ["--config", _CONFIGURATION % read_only, "--devices", ",".join(devices)]
