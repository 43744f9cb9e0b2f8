"""InstallMcsio: MCS' storage optimisation, a write cache in memory and on a disk of its own."""

from __future__ import annotations

from imageport.guest.fixup import Task
from imageport.guest.fixups.windows.citrix_part import AddPart
from imageport.guest.windows.installer import msi
from imageport.model.windows_facts import CitrixPart


class InstallMcsio(AddPart):
    """In the VDA's own version."""

    name = "install-mcsio"
    order = 63
    part = CitrixPart.MCSIO
    title = "MCS IO"
    option = "InstallMcsio"

    def asked(self, task: Task) -> bool:
        """Where it is missing, or forced."""
        there = task.windows.component(self.part) is not None
        return task.options.force_mcsio or (task.options.install_mcsio and not there)

    def wanted(self, task: Task) -> str | None:
        """The VDA's release."""
        vda = task.windows.component(CitrixPart.VDA)
        return vda.version.split(".")[0] if vda and vda.version else None

    def command(self, place: str) -> str:
        """An MSI."""
        return msi(place, restart=True)
