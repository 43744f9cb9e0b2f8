"""upgradePvs: another version of the Provisioning target device in the Windows of a vDisk.

The target device's drivers are what a streamed Windows runs from, so that its installer cannot
replace them there: the vDisk has to start from its own disk ("reverse imaging", CTX137253).
"""

from __future__ import annotations

from imageport.guest.fixup import Task
from imageport.guest.fixups.windows.install_pvs import InstallPvs
from imageport.guest.session import Session
from imageport.guest.windows import hardware, software
from imageport.guest.windows.components import compared
from imageport.guest.windows.inspect_drivers import class_filters, service_of
from imageport.guest.windows.installer import program
from imageport.guest.windows.runner import RUN
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Check
from imageport.model.guest_facts import WindowsService
from imageport.model.windows_facts import CitrixPart
from imageport.model.wishes import Operation

_BOOT_START = 0
_DISABLED = 4


class UpgradePvs(InstallPvs):
    """Refuses what is no upgrade; afterwards the version, the drivers and the class filters."""

    name = "upgrade-pvs"
    order = 67
    operations = frozenset({Operation.UPGRADE_PVS})
    option = "--pvs-version"

    def asked(self, task: Task) -> bool:
        """Always: that there is nothing to do is a finding, too."""
        return True

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """What is no upgrade, and what would keep the image from starting from its own disk."""
        if task.windows.component(CitrixPart.PVS_TARGET) is None:
            return (self._not_installed(),)
        if self.present(task) is None:
            return (self._half_installed(),)
        if compared(self.wanted(task) or "", self.present(task) or "") is None:
            return (self._unclear(task),)
        if self.is_there(task):
            return (self._nothing_to_do(task),)
        return (*super().findings(task), *self._own_disk(task))

    def plan(self, task: Task) -> tuple[Change, ...]:
        """Nothing where the version is there."""
        return () if self.is_there(task) else super().plan(task)

    def command(self, place: str) -> str:
        """As `InstallPvs`, but for a restart in any case: the new drivers have to boot, too."""
        return program(place, '/S /v"/qn /norestart"', restart=True, restart_codes=(0,))

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """The version; and after the boot the drivers that it runs from."""
        checks = super().verify(session, task)
        if session.guest.find(RUN):
            return checks
        return (*checks, *self._drivers(session), self._filters(session, task))

    def _drivers(self, session: Session) -> tuple[Check, ...]:
        found = {
            name: service_of(session.guest, session.registry, name) for name in software.PVS_DRIVERS
        }
        there = (name for name, each in found.items() if each or name == software.PVS_STACK)
        return tuple(self._driver(name, found[name]) for name in there)

    def _driver(self, name: str, found: WindowsService | None) -> Check:
        what = f"driver {name} of {self.title} can start"
        if found is None:
            return Check(self.name, what, False, "missing")
        good = found.image_exists and found.start != _DISABLED
        file = "its file is there" if found.image_exists else "its file is missing"
        return Check(self.name, what, good, f"Start={found.start}, {file}")

    def _filters(self, session: Session, task: Task) -> Check:
        """No device class names a driver that has gone: none of its devices would start."""
        known = {
            name.casefold()
            for listed in task.windows.class_filters
            for name in listed.drivers
            if not _loads(task.windows.service(name))
        }
        lost = [
            f"{listed.value} of {listed.device_class}: {name}"
            for listed in class_filters(session.registry)
            for name in listed.drivers
            if name.casefold() not in known
            and not _loads(service_of(session.guest, session.registry, name))
        ]
        return Check(self.name, "class filters have their drivers", not lost, "; ".join(lost))

    def _own_disk(self, task: Task) -> tuple[Finding, ...]:
        controller = task.options.controller
        drivers = hardware.storage(task.target.target, controller) if controller else ()
        lacking = [each.service for each in drivers if not _at_boot(task, each.service)]
        if not lacking:
            return ()
        found = Finding(
            "guest.pvs-own-disk",
            Severity.BLOCKER,
            f"The vDisk does not start from a disk of its own on {controller}: "
            f"{', '.join(lacking)} does not load at boot.",
            "Say on which hypervisor its target devices run (--on), or install that driver first.",
            {"controller": str(controller), "drivers": lacking},
        )
        return (found,)

    def _not_installed(self) -> Finding:
        return Finding(
            "guest.pvs-not-installed",
            Severity.BLOCKER,
            "There is no Provisioning target device in the image that could be upgraded.",
            "Install it with `imageport migrate ... --guest InstallPvs=VERSION`.",
        )

    def _half_installed(self) -> Finding:
        return Finding(
            "guest.pvs-half-installed",
            Severity.BLOCKER,
            "The image has drivers of a Provisioning target device, but the list of installed "
            "programs has no version of it: its installer would stop and ask.",
            "Remove or repair the target device in the master machine.",
        )

    def _unclear(self, task: Task) -> Finding:
        return Finding(
            "guest.pvs-version-unclear",
            Severity.BLOCKER,
            f"Nothing says whether {self.wanted(task)} is newer than {self.present(task)}, which "
            "is installed.",
            "Give the target device's own version, as the list of installed programs has it: "
            "7.41, and not a release such as 2402.",
            {"installed": self.present(task), "wanted": self.wanted(task)},
        )

    def _nothing_to_do(self, task: Task) -> Finding:
        return Finding(
            "guest.pvs-there-already",
            Severity.INFO,
            f"The image has {self.title} {self.present(task)} already.",
            "Nothing to do.",
            {"installed": self.present(task), "wanted": self.wanted(task)},
        )


def _at_boot(task: Task, name: str) -> bool:
    found = task.windows.service(name)
    if found is None or found.start_override:
        return False
    return found.image_exists and found.start == _BOOT_START


def _loads(found: WindowsService | None) -> bool:
    return found is not None and found.image_exists and found.start != _DISABLED
