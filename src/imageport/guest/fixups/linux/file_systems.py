"""fstab by names that do not depend on the disk's controller."""

from __future__ import annotations

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.linux import fstab
from imageport.guest.linux.edits import WriteText
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_FSTAB = "/etc/fstab"
_CRYPTTAB = "/etc/crypttab"


class FileSystems(FixUp):
    """Kernel names (`/dev/sda3`) become UUIDs; devices that stay behind may not stop the boot.

    Names of logical volumes are the same in every machine and stay. Azure's system disk carries no
    swap (its guide: the resource disk does).
    """

    name = "file-systems"
    family = OsFamily.LINUX
    order = 10
    watches = (_FSTAB, _CRYPTTAB)

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
        """The tables rewritten."""
        files, devices = task.linux.files, task.linux.devices
        text = files.get(_FSTAB)
        if text is None:
            return ()
        table = fstab.stable(fstab.with_swap(text, wanted=True), devices)
        table = fstab.with_swap(table, wanted=task.target.target is not Target.AZURE)
        edits = [WriteText(_FSTAB, table, "mount by UUID")]
        if _CRYPTTAB in files:
            root = fstab.root_source(fstab.parse(text))
            opened = fstab.stable_crypttab(files[_CRYPTTAB], devices, root)
            edits.append(WriteText(_CRYPTTAB, opened, "open encrypted volumes by UUID", None))
        return tuple(edits)
