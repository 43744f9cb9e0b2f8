"""Opening a raw image's guest on a machine whose kernel knows no partitions, no FAT and no NTFS:
loop devices at offsets, ntfs-3g, and the EFI system partition copied out and in by mtools."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from imageport.guest.guest import Guest
from imageport.guest.mount import open_volumes
from imageport.guest.volumes import ESP_TYPES, probe
from imageport.model.guest import Volume
from imageport.model.target import Firmware

_CHECKERS = {
    "btrfs": (("btrfs", "check", "--readonly"),),
    "ext4": (("e2fsck", "-f", "-n"),),
    "ntfs": (("ntfsfix", "-n"), ("ntfsresize", "--check")),
    "vfat": (("fsck.fat", "-n"),),
    "xfs": (("xfs_repair", "-n"),),
}
"""Each ends with an error when it would change anything. ntfsresize walks all files and compares
their clusters with the bitmap, as chkdsk does; it refuses a volume whose dirty flag is set."""
_MBR_TYPES = {"ef": "0xef", "42": "0x42"}


def run(*argv: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in argv], check=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode()


@contextmanager
def loop_volumes(image: Path) -> Iterator[tuple[Volume, ...]]:
    """The partitions of `image` as loop devices."""
    table = json.loads(run("sfdisk", "-J", image))["partitiontable"]
    with ExitStack() as stack:
        found = []
        for number, part in enumerate(table["partitions"], 1):
            offset, size = part["start"] * 512, part["size"] * 512
            device = run(
                "losetup", "-f", "--show", "-o", str(offset), "--sizelimit", str(size), image
            ).strip()
            stack.callback(run, "losetup", "-d", device)
            volume = probe(device, number=number, offset=offset, size=size)
            kind = part["type"].lower()
            found.append(
                replace(
                    volume,
                    partition_type=_MBR_TYPES.get(kind, kind),
                    active=part.get("bootable", False),
                )
            )
        yield tuple(found)


@contextmanager
def host_guest(image: Path, *, writable: bool, scratch: Path) -> Iterator[Guest]:
    """`open_guest` for this machine."""
    with loop_volumes(image) as volumes:
        esp = next((v for v in volumes if (v.partition_type or "") in ESP_TYPES), None)
        hidden = tuple(replace(v, kind="unknown") if v is esp else v for v in volumes)
        with open_volumes(str(image), hidden, writable=writable) as guest, ExitStack() as stack:
            if esp is None:
                yield guest
                return
            place = guest.root / "boot/efi"
            if not place.is_dir():
                place = scratch / "esp"
                place.mkdir(exist_ok=True)
            else:
                (scratch / "esp").mkdir(exist_ok=True)
                run("mount", "--bind", scratch / "esp", place)
                stack.callback(run, "umount", place)
            at = f"{image}@@{esp.offset}"
            run("mcopy", "-s", "-n", "-i", at, "::/*", scratch / "esp")
            yield replace(guest, esp=place, firmware=Firmware.UEFI, volumes=volumes)
            if writable:
                content = sorted((scratch / "esp").iterdir())
                run("mcopy", "-s", "-o", "-i", at, *content, "::/")


def assert_clean(image: Path) -> None:
    """The file systems' own checkers find nothing in any volume of `image`."""
    with loop_volumes(image) as volumes:
        checked = [volume for volume in volumes if volume.kind in _CHECKERS]
        for volume in checked:
            for checker in _CHECKERS[volume.kind]:
                run(*checker, volume.device)
            if volume.kind == "ntfs":
                assert "DIRTY" not in run("ntfsinfo", "-m", "-f", volume.device)
    assert checked
