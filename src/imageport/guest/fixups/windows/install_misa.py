"""InstallMisa: the Machine Identity Service Agent, by which MCS gives machines their identity."""

from __future__ import annotations

from imageport.guest.fixup import Task
from imageport.guest.fixups.windows.citrix_part import AddVdaPart
from imageport.model.windows_facts import CitrixPart


class InstallMisa(AddVdaPart):
    """In the VDA's own version."""

    name = "install-misa"
    order = 62
    part = CitrixPart.MISA
    title = "Machine Identity Service Agent"
    option = "InstallMisa"

    def asked(self, task: Task) -> bool:
        """Where it is missing, or forced."""
        there = task.windows.component(self.part) is not None
        return task.options.force_misa or (task.options.install_misa and not there)
