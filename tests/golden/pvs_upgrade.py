"""What an upgrade of the target device makes of a vDisk's Windows, as text.

python -m tests.golden.pvs_upgrade      writes the expected file anew: read the difference
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from imageport.guest.first_boot import collect, goes_on
from imageport.guest.fixup import Task
from imageport.guest.fixups import steps
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.plan import plan
from imageport.guest.prepare import prepare, verify
from imageport.guest.windows.registry import hive_file
from imageport.model.guest import Check, FirstBootReport, Inspection, OsFamily, PrepareOptions
from imageport.model.target import PROFILES, Controller, Firmware, Provisioning, Target
from imageport.model.windows_facts import CitrixPart
from imageport.model.wishes import Operation
from lab.guests.citrix_installers import pvs_installer
from lab.guests.phony_nt import first_boot as phony
from lab.guests.windows_spec import Product, Vda, WindowsMaster
from tests.golden.trees import windows_tree
from tests.golden.windows_matrix import changed, files, registry

EXPECTED: Final = Path(__file__).with_name("expected") / "upgrade-pvs.txt"
VSPHERE: Final = PROFILES[Target.VSPHERE]
VDISK: Final = WindowsMaster(vda=Vda.LTSR_2203, components=(CitrixPart.MISA, CitrixPart.PVS_TARGET))
WANTED: Final = "7.41.100"


def options(components: str | None, version: str = WANTED, **more: Any) -> PrepareOptions:
    """An upgrade to `version` on a machine whose disk is on AHCI."""
    usual: dict[str, Any] = {
        "operation": Operation.UPGRADE_PVS,
        "controller": Controller.AHCI,
        "provisioning": Provisioning.PVS,
        "components": components,
        "install_pvs": version,
    }
    return PrepareOptions(**(usual | more))


def booted(guest: Guest) -> FirstBootReport:
    """Run the first-boot work as the phony Windows does, with all the boots that it asks for."""
    phony.perform(guest.root, {"kernel": "10.0"})
    while goes_on(guest, inspect(guest)):
        phony.perform(guest.root, {"kernel": "10.0"})
    phony.remove_service(hive_file(guest, "SYSTEM"), "ControlSet001")
    report = collect(guest)
    assert report is not None
    return report


def upgraded(
    guest: Guest, asked: PrepareOptions
) -> tuple[Inspection, FirstBootReport, dict[str, Check]]:
    """Prepare, boot, read back."""
    before = inspect(guest)
    prepare(guest, before, VSPHERE, asked, lambda *_: None)
    report = booted(guest)
    checks = {check.what: check for check in verify(guest, before, VSPHERE, asked)}
    return before, report, checks


def result(folder: Path, product: Product, firmware: Firmware) -> Iterator[str]:
    """Plan, steps, what is left before the boot, what after it, and the checks."""
    asked = options(str(pvs_installer(folder / "source", WANTED)))
    master = WindowsMaster(firmware, product, vda=VDISK.vda, components=VDISK.components)
    guest = windows_tree(folder / "guest", master)
    untouched, held, inspection = registry(guest), set(files(guest.root)), inspect(guest)
    for change in plan(inspection, VSPHERE, asked):
        yield f"plan {change.fixup}: {change.what}: {change.before} -> {change.after}"
    for step in steps(OsFamily.WINDOWS, Task(inspection, VSPHERE, asked)):
        yield f"step {step.name}"
        yield from (f"  {line}" for line in step.script.splitlines())
    prepare(guest, inspection, VSPHERE, asked, lambda *_: None)
    yield from (f"before: {line}" for line in changed(untouched, registry(guest)))
    yield from (f"before: file {name}" for name in sorted(set(files(guest.root)) - held))
    report = booted(guest)
    yield from (f"ran {step.name}: {step.exit_code}" for step in report.steps)
    yield f"restarts {report.restarts}"
    yield from (f"after: {line}" for line in changed(untouched, registry(guest)))
    yield from (f"after: file {name}" for name in sorted(set(files(guest.root)) - held))
    yield from (f"after: gone {name}" for name in sorted(held - set(files(guest.root))))
    for check in verify(guest, inspection, VSPHERE, asked):
        yield f"check {'good' if check.passed else 'BAD'} {check.what}: {check.seen}"


def main() -> None:
    """Write the expected file."""
    with tempfile.TemporaryDirectory() as folder:
        lines = result(Path(folder), Product.SERVER_2022, Firmware.UEFI)
        EXPECTED.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
