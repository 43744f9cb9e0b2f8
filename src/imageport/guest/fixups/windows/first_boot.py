"""Installs the first-boot runner with the steps of all fix-ups."""

from __future__ import annotations

from imageport.guest.fixup import Edit, Step, Task
from imageport.guest.fixups.first_boot import FirstBootRunner
from imageport.guest.session import Session
from imageport.guest.windows import runner
from imageport.guest.windows.edits import SetValue, WriteFile
from imageport.guest.windows.places import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import Change, OsFamily
from imageport.model.wishes import Operation

_KEY = f"{SERVICES}\\{runner.SERVICE}"
_VALUES = (
    Value.from_dword("Type", 0x10),
    Value.from_dword("Start", 2),
    Value.from_dword("ErrorControl", 1),
    Value.from_text("DisplayName", "First boot of an image prepared by imageport"),
    Value.from_text("ObjectName", "LocalSystem"),
    Value.from_strings("DependOnService", ["RpcSs"]),
    Value.from_text("ImagePath", runner.IMAGE_PATH, expand=True),
)


class FirstBoot(FirstBootRunner):
    """Service, script and steps."""

    name = "first-boot"
    family = OsFamily.WINDOWS
    operations = frozenset(Operation)
    folder = runner.STEPS

    def script(self, number: int, step: Step) -> WriteFile:
        """A batch file."""
        path = runner.step_path(number, step.name)
        text = runner.step_text(step.script).encode("ascii")
        return WriteFile(path, text, f"first-boot step {step.name}")

    def runner(self) -> tuple[Edit, ...]:
        """The service that starts it comes last."""
        text = runner.RUN_TEXT.encode("ascii")
        return (
            WriteFile(runner.RUN, text, "first-boot runner"),
            *(SetValue(_KEY, value, "first-boot service") for value in _VALUES),
        )

    def plan(self, task: Task) -> tuple[Change, ...]:
        """The files, and the service as one change."""
        files = [edit for edit in self.edits(task) if isinstance(edit, WriteFile)]
        changes = [edit.change(task, self.name) for edit in files]
        service = Change(self.name, "first-boot service", _KEY, None, runner.IMAGE_PATH)
        return (*(change for change in changes if change), service)

    def left(self, session: Session) -> bool:
        """See the base."""
        in_registry = session.registry.key(_KEY) is not None
        return in_registry or session.guest.find(runner.FOLDER) is not None
