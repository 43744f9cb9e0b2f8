"""InstallPvs: the target device of Citrix Provisioning, in the version that was asked for."""

from __future__ import annotations

from imageport.guest.fixup import Task
from imageport.guest.fixups.windows.citrix_part import AddPart
from imageport.guest.windows.components import same
from imageport.guest.windows.installer import program
from imageport.model.windows_facts import CitrixPart


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
        there, wanted = task.windows.component(self.part), task.options.install_pvs
        return bool(wanted) and not (there and there.version and same(there.version, wanted or ""))

    def wanted(self, task: Task) -> str | None:
        """As it was asked for."""
        return task.options.install_pvs

    def command(self, place: str) -> str:
        """InstallShield's program around an MSI."""
        return program(place, '/S /v"/qn /norestart"', restart=True)
