"""SELinux: the first boot gives the folders that were written to the labels of its own policy."""

from __future__ import annotations

from imageport.guest.fixup import FixUp, Step, Task
from imageport.guest.linux import selinux
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily

_RESTORE = """\
command -v restorecon > /dev/null || exit 0
restorecon -R /boot /etc
"""


class Labels(FixUp):
    """What is written gets a label at once (`linux.selinux`); the policy has the last word."""

    name = "labels"
    family = OsFamily.LINUX
    order = 80
    watches = (selinux.RELABEL,)

    def applies(self, task: Task) -> bool:
        """Only where SELinux is on."""
        return task.linux.selinux in ("enforcing", "permissive")

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """So that nobody looks for /.autorelabel."""
        return (
            Finding(
                "guest.selinux",
                Severity.INFO,
                f"SELinux is {task.linux.selinux}: what is changed keeps or gets a label.",
                "Nothing has to be done.",
            ),
        )

    def steps(self, task: Task) -> tuple[Step, ...]:
        """Folders of a preparation's files alone: seconds instead of a whole relabelling."""
        return (Step("labels", _RESTORE),)
