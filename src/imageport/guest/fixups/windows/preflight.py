"""What of the guest is in this target's way, and no fix-up can put right."""

from __future__ import annotations

from imageport.guest.fixup import FixUp, Task
from imageport.guest.windows.findings_target import target_findings
from imageport.model.findings import Finding
from imageport.model.guest import OsFamily


class Preflight(FixUp):
    """Changes nothing."""

    name = "preflight"
    family = OsFamily.WINDOWS
    order = 0

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """The rules that ask for the target."""
        return target_findings(task.inspection, task.target)
