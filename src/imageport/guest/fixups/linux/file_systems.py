"""fstab by names that do not depend on the disk's controller."""

from __future__ import annotations

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.linux import fstab
from imageport.guest.linux.edits import WriteText
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily

_FSTAB = "/etc/fstab"


class FileSystems(FixUp):
    """Kernel names (`/dev/sda3`) become UUIDs; devices that stay behind may not stop the boot."""

    name = "file-systems"
    family = OsFamily.LINUX
    order = 10
    watches = (_FSTAB,)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """Mounts of devices that are not on this disk."""
        text = task.linux.files.get(_FSTAB, "")
        return tuple(
            Finding(
                "guest.mount-left-behind",
                Severity.WARNING,
                f"{entry.source}, mounted on {entry.mount_point}, is not on this disk.",
                "Migrate single-disk masters, or take the mount out of the master machine.",
                {"source": entry.source, "mount_point": entry.mount_point},
            )
            for entry in fstab.foreign(text, task.inspection.volumes)
        )

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The table rewritten."""
        text = task.linux.files.get(_FSTAB)
        if text is None:
            return ()
        return (WriteText(_FSTAB, fstab.stable(text, task.linux.devices), "mount by UUID"),)
