"""Collecting from a disk for diagnostics: one tar archive, and what was found, as JSON in it."""

from __future__ import annotations

import json
import struct
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from imageport.guest.collecting import linux, windows
from imageport.guest.collecting.bag import MOST, Bag
from imageport.guest.collecting.scrub import scrubbed_data
from imageport.guest.command import attempt
from imageport.guest.errors import CommandError
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.rescue import Rescued, open_whatever
from imageport.model.diagnostics import DiagnosticsWants
from imageport.model.errors import ImageportError
from imageport.model.guest import OsFamily, Volume

FOUND: Final = "found.json"
"""The archive's last words: volumes, systems with their inspections, problems."""
ENGINE: Final = "engine"
OWN: Final = "imageport"
_DAMAGE: Final = (OSError, ValueError, KeyError, IndexError, struct.error)
"""What looking at hives and files that make no sense ends in."""

Tell = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """How much was collected; `size` in bytes, of the archive."""

    systems: int
    files: int
    size: int
    problems: int


def collect(
    disk: str, volumes: Sequence[Volume], wants: DiagnosticsWants, archive: Path, tell: Tell
) -> Collected:
    """Write what is wanted of the block device `disk` to the tar file `archive`."""
    with tarfile.open(archive, "w") as tar:
        bag = Bag(tar)
        tell(0.05, "opening the image")
        with open_whatever(disk, volumes) as rescued:
            bag.problems = rescued.problems
            systems = [
                _of_guest(guest, wants, bag, _folder(rescued, number), tell)
                for number, guest in enumerate(rescued.guests)
            ]
            if not systems:
                bag.problems.append("No operating system was found on the disk.")
            if wants.engine_logs:
                _kernel_log(bag)
            bag.room = MOST  # however full it is: without this nobody knows what the rest is
            bag.put(FOUND, _found(rescued, systems))
    return Collected(len(systems), bag.count, archive.stat().st_size, len(bag.problems))


def _folder(rescued: Rescued, number: int) -> str:
    """`windows`, `linux`; a second one of a kind has its number."""
    family = rescued.guests[number].family
    before = sum(each.family is family for each in rescued.guests[:number])
    return f"{family}-{before + 1}" if before else str(family)


def _of_guest(
    guest: Guest, wants: DiagnosticsWants, bag: Bag, folder: str, tell: Tell
) -> dict[str, Any]:
    said: dict[str, Any] = {"folder": folder, "family": str(guest.family), "dumps": []}
    tell(0.2, f"inspecting {guest.device}")
    said["inspection"], said["error"] = _inspected(guest)
    tell(0.4, f"collecting from {guest.device}")
    own = f"{OWN}/{folder}"
    if guest.family is OsFamily.WINDOWS:
        if wants.system_logs:
            windows.event_logs(guest, bag, folder)
            windows.texts(guest, bag, folder)
            said["dumps"] = [asdict(each) for each in windows.dumps(guest, bag, folder)]
        if wants.own_data:
            windows.own_data(guest, bag, own)
        return said
    if wants.system_logs:
        linux.journals(guest, bag, folder)
        linux.texts(guest, bag, folder)
    if wants.own_data:
        linux.own_data(guest, bag, own)
    if wants.engine_logs:
        linux.engine_data(guest, bag, ENGINE)
    return said


def _inspected(guest: Guest) -> tuple[dict[str, Any] | None, str | None]:
    """The inspection, or why there is none."""
    try:
        return asdict(inspect(guest)), None
    except ImageportError as error:
        return None, error.message
    except _DAMAGE as error:
        return None, f"The image cannot be inspected: {type(error).__name__}: {error}"


def _kernel_log(bag: Bag) -> None:
    """What the engine's kernel said: of disks and file systems that it could not read, too."""
    try:
        bag.put(f"{ENGINE}/kernel.txt", attempt(["dmesg"], timeout=60).stdout)
    except CommandError as error:
        bag.problems.append(error.message)


def _found(rescued: Rescued, systems: list[dict[str, Any]]) -> bytes:
    volumes = [asdict(volume) for volume in rescued.volumes]
    said = {"volumes": volumes, "systems": systems, "problems": rescued.problems}
    return json.dumps(scrubbed_data(said), indent=1).encode()
