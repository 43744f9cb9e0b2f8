"""What happens after a STOP error: a restart everywhere, a dump where the platform asks for one."""

from __future__ import annotations

from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows.edits import SetValue
from imageport.guest.windows.places import CONTROL
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_CRASH: Final = rf"{CONTROL}\CrashControl"
_KERNEL_DUMP: Final = 2
_DUMP_FILE: Final = r"%SystemRoot%\MEMORY.DMP"
_INTERRUPTS: Final = (Target.AZURE, Target.AWS)
"""They can send a machine an interrupt that makes it write its dump ("Serial console NMI", Azure;
"Send a diagnostic interrupt", AWS)."""


class CrashControl(FixUp):
    """A machine that stops in the first boot restarts, and so comes back to the engine.

    The value is `CrashDumpEnabled`; Azure's page calls it `CrashDumpEnable`, which nothing reads.
    """

    name = "crash-control"
    family = OsFamily.WINDOWS
    order = 72
    watches = tuple(
        rf"{_CRASH}\{name}"
        for name in ("AutoReboot", "CrashDumpEnabled", "DumpFile", "NMICrashDump")
    )

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Restart; on Azure a kernel dump, as its support asks for."""
        values = [(Value.from_dword("AutoReboot", 1), "restart after a STOP error")]
        if task.target.target is Target.AZURE:
            what = "kernel dump after a STOP error"
            values.append((Value.from_dword("CrashDumpEnabled", _KERNEL_DUMP), what))
            values.append((Value.from_text("DumpFile", _DUMP_FILE, expand=True), what))
        if task.target.target in _INTERRUPTS:
            values.append((Value.from_dword("NMICrashDump", 1), "dump at the platform's interrupt"))
        return tuple(SetValue(_CRASH, value, what) for value, what in values)
