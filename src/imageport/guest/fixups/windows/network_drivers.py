"""The driver of the target's network device, installed in the first boot where it is missing."""

from __future__ import annotations

from pathlib import Path

from imageport.guest.fixup import FixUp, Step, Task
from imageport.guest.fixups.windows.driver_package import install_step, stage_package
from imageport.guest.session import Session
from imageport.guest.windows import driver_library
from imageport.guest.windows.hardware import NETWORK, NetworkDriver
from imageport.guest.windows.runner import DRIVERS
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, OsFamily


class NetworkDrivers(FixUp):
    """Stages packages of the driver library; says what is missing."""

    name = "network-drivers"
    family = OsFamily.WINDOWS
    order = 60

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """No driver for any of the target's network devices."""
        usable = [
            nic
            for nic in task.target.nics
            if _installed(task, NETWORK[nic]) or _package(task, NETWORK[nic]) is not None
        ]
        if usable:
            return ()
        first = task.target.nics[0]
        driver = NETWORK[first]
        return (
            Finding(
                "guest.no-nic-driver",
                Severity.WARNING,
                f"The image has no driver for the network device {first}: "
                "it will have no network on the target.",
                f"Give a folder with {driver.vendor}'s driver ({driver.services[0]}) with "
                "--drivers, or install it in the master machine.",
                {"nic": str(first), "vendor": driver.vendor},
            ),
        )

    def plan(self, task: Task) -> tuple[Change, ...]:
        """What would be looked for in the library."""
        return tuple(
            Change(
                self.name,
                f"network driver {driver.services[0]} waits for the first boot",
                f"{DRIVERS}\\{driver.services[0]}",
                None,
                "from the driver library, if it has it",
            )
            for driver in _wanted(task)
        )

    def steps(self, task: Task) -> tuple[Step, ...]:
        """One step for all of them; a package that was not staged is skipped."""
        names = [driver.services[0] for driver in _wanted(task)]
        return (install_step("network-drivers", names),) if names else ()

    def library_files(self, task: Task) -> tuple[Path, ...]:
        """The packages that the library has."""
        found = (_package(task, driver) for driver in _wanted(task))
        return tuple(file for each in found if each for file in each.files)

    def apply(self, session: Session, task: Task) -> None:
        """Copy the packages that the library has."""
        for driver in _wanted(task):
            package = _package(task, driver)
            if package:
                stage_package(session, package, driver.services[0])


def _installed(task: Task, driver: NetworkDriver) -> bool:
    ids = {each.casefold() for each in driver.hardware_ids}
    known = [m for m in task.windows.device_drivers if m.hardware_id.casefold() in ids]
    if known:
        return any((s := task.windows.service(m.service)) and s.image_exists for m in known)
    return False


def _wanted(task: Task) -> tuple[NetworkDriver, ...]:
    if not task.options.drivers:
        return ()
    listed = (NETWORK[nic] for nic in task.target.nics)
    return tuple(
        each
        for each in listed
        if not each.in_box and not each.with_tools and not _installed(task, each)
    )


def _package(task: Task, driver: NetworkDriver) -> driver_library.DriverPackage | None:
    if not task.options.drivers or driver.with_tools:
        return None
    return driver_library.find(task.options.drivers, driver.hardware_ids, task.windows)
