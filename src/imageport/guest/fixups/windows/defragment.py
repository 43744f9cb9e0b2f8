"""Defrag: the files of the system volume lie together, as vDisks that grow are asked to."""

from __future__ import annotations

from imageport.guest.fixup import FixUp, Step, Task
from imageport.model.guest import OsFamily


class Defragment(FixUp):
    """Last, over all that was written."""

    name = "defragment"
    family = OsFamily.WINDOWS
    order = 87

    def applies(self, task: Task) -> bool:
        """Where it is asked for."""
        return task.options.defrag

    def steps(self, task: Task) -> tuple[Step, ...]:
        """/d: by moving files, also on what it takes for an SSD; /h: at full priority."""
        return (Step("defrag", "defrag %SystemDrive% /d /h", required=False),)
