"""InstallPvs: the target device of Citrix Provisioning, in the version that was asked for."""

from __future__ import annotations

from imageport.guest.fixup import Task
from imageport.guest.fixups.windows.citrix_part import AddPart
from imageport.guest.windows.components import compared, same
from imageport.guest.windows.installer import program
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Check
from imageport.model.windows_facts import CitrixComponent, CitrixPart


class InstallPvs(AddPart):
    """Installs, or brings another version to the one asked for."""

    name = "install-pvs"
    order = 64
    part = CitrixPart.PVS_TARGET
    title = "the Provisioning target device"
    option = "InstallPvs"
    only_mcs = False
    file = "setup.exe"

    def asked(self, task: Task) -> bool:
        """Where another version is there, or none."""
        return bool(self.wanted(task)) and not self.is_there(task)

    def is_there(self, task: Task) -> bool:
        """Whether the image has the version that is wanted."""
        there, wanted = self.present(task), self.wanted(task)
        return bool(there and wanted and same(there, wanted))

    def present(self, task: Task) -> str | None:
        """The version that is installed, where that is known."""
        there = task.windows.component(self.part)
        return there.version if there else None

    def wanted(self, task: Task) -> str | None:
        """As it was asked for."""
        return task.options.install_pvs

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """Its installers do not go back by themselves."""
        return (*super().findings(task), *self._downgrade(task))

    def command(self, place: str) -> str:
        """InstallShield's program around an MSI."""
        return program(place, '/S /v"/qn /norestart"', restart=True)

    def check_installed(self, found: CitrixComponent | None, task: Task) -> Check:
        """It has the version that was wanted, as far as the two can be compared."""
        wanted = self.wanted(task) or ""
        version = found.version if found else None
        if found is None or (version and compared(version, wanted) is None):
            return super().check_installed(found, task)
        good = bool(version and same(version, wanted))
        seen = f"version {version}" if version else "no version is listed"
        return Check(self.name, f"{self.title} is version {wanted}", good, seen)

    def _downgrade(self, task: Task) -> tuple[Finding, ...]:
        there, wanted = self.present(task), self.wanted(task) or ""
        if task.options.pvs_downgrade or there is None or (compared(wanted, there) or 0) >= 0:
            return ()
        found = Finding(
            "guest.pvs-downgrade",
            Severity.BLOCKER,
            f"The image has {self.title} {there}, which is newer than {wanted}.",
            "Ask for a newer version, or say that the older one is meant (PvsDowngrade).",
            {"installed": there, "wanted": wanted},
        )
        return (found,)
