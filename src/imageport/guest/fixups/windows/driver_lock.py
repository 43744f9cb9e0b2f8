"""A driver library with a lock gives no file that the lock does not list."""

from __future__ import annotations

from imageport.guest import fixups
from imageport.guest.fixup import FixUp, Task
from imageport.guest.windows.driver_lock import unpinned
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily


class DriverLock(FixUp):
    """Changes nothing."""

    name = "driver-lock"
    family = OsFamily.WINDOWS
    order = 5

    def applies(self, task: Task) -> bool:
        """Where there is a library."""
        return bool(task.options.drivers)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """Files that would be used and are not pinned."""
        library = task.options.drivers or ""
        files = unpinned(library, fixups.library_files(self.family, task))
        if not files:
            return ()
        return (
            Finding(
                "guest.driver-not-pinned",
                Severity.BLOCKER,
                f"The driver library's lock does not list {files[0]} as it is"
                + (f", nor {len(files) - 1} other files." if len(files) > 1 else "."),
                "Check where the files came from; write the lock anew with sha256sum if they are "
                "right.",
                {"files": list(files)},
            ),
        )
