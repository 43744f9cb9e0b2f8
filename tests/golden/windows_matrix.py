"""What a preparation makes of each Windows on each platform, as text.

    python -m tests.golden.windows_matrix      writes the expected files anew: read the difference

A file for each platform: all that differs from the untouched image on Windows Server 2022 with MCS,
then for every other release and provisioning type only the lines by which it differs from that.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.fixup import Task
from imageport.guest.fixups import steps
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.plan import plan
from imageport.guest.prepare import prepare
from imageport.guest.windows.hive import Hive, Key
from imageport.guest.windows.registry import hive_file, rendered
from imageport.model.guest import OsFamily, PrepareOptions
from imageport.model.target import PROFILES, Controller, Firmware, Provisioning, Target
from lab.guests.driver_library import driver_library
from lab.guests.phony_nt.drivers import DriverLookup
from lab.guests.windows_files import portable_executable
from lab.guests.windows_spec import Product, WindowsMaster
from tests.golden.trees import windows_tree

EXPECTED: Final = Path(__file__).with_name("expected") / "windows"
HIVES: Final = ("SYSTEM", "SOFTWARE", "BCD")
DEVICE_IDS: Final = {
    Controller.PVSCSI: r"PCI\VEN_15AD&DEV_07C0",
    Controller.VIRTIO_SCSI: r"PCI\VEN_1AF4&DEV_1004",
    Controller.NVME: r"PCI\CC_010802",
    Controller.AHCI: r"PCI\CC_010601",
    Controller.IDE: r"PCI\VEN_8086&DEV_7010",
    Controller.VMBUS: r"VMBUS\{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}",
}


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of machine that an image is prepared for, and what it starts from."""

    name: str
    target: Target
    firmware: Firmware
    controller: Controller


PLATFORMS: Final = (
    Platform("vsphere", Target.VSPHERE, Firmware.UEFI, Controller.PVSCSI),
    Platform("xenserver", Target.XENSERVER, Firmware.BIOS, Controller.IDE),
    Platform("ahv", Target.AHV, Firmware.UEFI, Controller.VIRTIO_SCSI),
    Platform("azure-gen1", Target.AZURE, Firmware.BIOS, Controller.IDE),
    Platform("azure-gen2", Target.AZURE, Firmware.UEFI, Controller.VMBUS),
    Platform("azure-nvme", Target.AZURE, Firmware.UEFI, Controller.NVME),
    Platform("aws-nitro", Target.AWS, Firmware.UEFI, Controller.NVME),
    Platform("aws-xen", Target.AWS, Firmware.BIOS, Controller.IDE),
    Platform("gcp", Target.GCP, Firmware.UEFI, Controller.VIRTIO_SCSI),
)
Cell = tuple[Product, Provisioning]
FIRST: Final[Cell] = (Product.SERVER_2022, Provisioning.MCS)
CELLS: Final[tuple[Cell, ...]] = (
    FIRST,
    *(
        (product, provisioning)
        for product in Product
        for provisioning in Provisioning
        if (product, provisioning) != FIRST
    ),
)


@dataclass(frozen=True, slots=True)
class Sources:
    """The driver library and the component source of all cells."""

    drivers: str
    components: str

    @classmethod
    def below(cls, folder: Path) -> Sources:
        """Make both."""
        parts = folder / "components/2402"
        parts.mkdir(parents=True)
        for name in ("MachineIdentityServiceAgent_x64.msi", "MCSIO_x64.msi", "PVS_Device_x64.exe"):
            (parts / name).write_text(name)
        drivers = driver_library(folder / "drivers")
        vmware = drivers / "VMware/Drivers/pvscsi/Win10/amd64"
        vmware.mkdir(parents=True)
        device = DEVICE_IDS[Controller.PVSCSI]
        (vmware / "pvscsi.inf").write_text(f"%pvscsi% = pvscsi_Inst, {device}\r\n")
        (vmware / "pvscsi.sys").write_bytes(portable_executable())
        return cls(str(drivers), str(parts.parent))

    def options(self, provisioning: Provisioning) -> PrepareOptions:
        """What is asked for: the parts of either provisioning type."""
        mcs = provisioning is Provisioning.MCS
        return PrepareOptions(
            provisioning=provisioning,
            drivers=self.drivers,
            components=self.components,
            install_misa=mcs,
            install_mcsio=mcs,
            install_pvs=None if mcs else "2402",
        )


def expected_text(platform: Platform, folder: Path) -> str:
    """The content of the platform's expected file."""
    sources = Sources.below(folder / "sources")
    results = {
        cell: list(_result(platform, cell, folder / "-".join(cell), sources)) for cell in CELLS
    }
    lines = [f"== {FIRST[0]} {FIRST[1]}", *results[FIRST]]
    for cell in CELLS[1:]:
        first, other = set(results[FIRST]), set(results[cell])
        lines.append(f"== {cell[0]} {cell[1]}")
        lines += [f"- {line}" for line in results[FIRST] if line not in other]
        lines += [f"+ {line}" for line in results[cell] if line not in first]
    return "\n".join(lines) + "\n"


def _result(platform: Platform, cell: Cell, folder: Path, sources: Sources) -> Iterator[str]:
    product, provisioning = cell
    master = WindowsMaster(product=product, firmware=platform.firmware, components=())
    guest = windows_tree(folder, master)
    options, profile = sources.options(provisioning), PROFILES[platform.target]
    before, inspection = registry(guest), inspect(guest)
    held = set(files(guest.root))
    planned = plan(inspection, profile, options)
    prepare(guest, inspection, profile, options, lambda *_: None)
    yield f"boots from {platform.controller}: {boot_service(guest, platform.controller)}"
    for fixup in dict.fromkeys(change.fixup for change in planned):
        yield f"plan {fixup}: {sum(change.fixup == fixup for change in planned)}"
    for step in steps(OsFamily.WINDOWS, Task(inspection, profile, options)):
        yield f"step {step.name}{'' if step.required else ' (may fail)'}"
    yield from changed(before, registry(guest))
    yield from (f"file {name}" for name in sorted(set(files(guest.root)) - held))


def changed(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """What differs between two registries."""
    for place in sorted({*before, *after}):
        if before.get(place) != after.get(place):
            yield f"{place}: {before.get(place, 'absent')} -> {after.get(place, 'absent')}"


def registry(guest: Guest) -> dict[str, str]:
    """Every value of the hives that a preparation writes to."""
    found: dict[str, str] = {}
    for name in HIVES:
        with Hive.open(hive_file(guest, name)) as hive:
            found.update(_values(hive.root, name))
    return found


def _values(key: Key, place: str) -> Iterator[tuple[str, str]]:
    for value in key.values():
        text = rendered(value)
        yield rf"{place}\{value.name or '(default)'}", text or ""
    for below in key.subkeys():
        yield from _values(below, rf"{place}\{below.name}")


def boot_service(guest: Guest, controller: Controller) -> str:
    """The driver that NT's loader would bind to the controller, or why none."""
    with Hive.open(hive_file(guest, "SYSTEM")) as system:
        lookup = DriverLookup(system, "ControlSet001", guest.root / "Windows")
        matches = lookup.best([DEVICE_IDS[controller]])
        obstacles = list(lookup.obstacles())
        bound = [match.service for match in matches if match.problem is None]
    problems = [*obstacles, *(str(match.problem) for match in matches if match.problem)]
    return ", ".join(bound) if bound and not obstacles else f"none ({problems})"


def files(root: Path) -> Iterator[str]:
    """Files but hives, which are compared by value."""
    for path in root.rglob("*"):
        if path.is_file() and path.parent.name != "config":
            yield f"{path.relative_to(root).as_posix()} {zlib.crc32(path.read_bytes()):08x}"


def write_all() -> None:
    """Write every expected file."""
    EXPECTED.mkdir(parents=True, exist_ok=True)
    for platform in PLATFORMS:
        with tempfile.TemporaryDirectory() as folder:
            text = expected_text(platform, Path(folder))
        (EXPECTED / f"{platform.name}.txt").write_text(text)


if __name__ == "__main__":
    write_all()
