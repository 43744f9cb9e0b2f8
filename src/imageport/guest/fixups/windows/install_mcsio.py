"""InstallMcsio: MCS' storage optimisation, a write cache in memory and on a disk of its own."""

from __future__ import annotations

from imageport.guest.fixup import Task
from imageport.guest.fixups.windows.citrix_part import AddVdaPart
from imageport.model.windows_facts import CitrixPart


class InstallMcsio(AddVdaPart):
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
