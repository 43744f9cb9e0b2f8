"""Installs the first-boot runner with the steps of all fix-ups."""

from __future__ import annotations

from imageport.guest import fixups
from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.session import Session
from imageport.guest.windows import runner
from imageport.guest.windows.edits import SetValue, WriteFile
from imageport.guest.windows.inspect import SERVICES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import Change, Check, OsFamily

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


class FirstBoot(FixUp):
    """Service, script and steps. They remove themselves in the first boot: gone is right too."""

    name = "first-boot"
    family = OsFamily.WINDOWS
    order = 90

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The files first, the service that starts them last."""
        steps = fixups.steps(self.family, task)
        files = [
            WriteFile(
                runner.step_path(10 * number, step.name),
                runner.step_text(step.script).encode("ascii"),
                f"first-boot step {step.name}",
            )
            for number, step in enumerate(steps, 1)
        ]
        text = runner.RUN_TEXT.encode("ascii")
        return (
            *files,
            WriteFile(runner.RUN, text, "first-boot runner"),
            *(SetValue(_KEY, value, "first-boot service") for value in _VALUES),
        )

    def plan(self, task: Task) -> tuple[Change, ...]:
        """The files, and the service as one change."""
        files = [edit for edit in self.edits(task) if isinstance(edit, WriteFile)]
        changes = [edit.change(task, self.name) for edit in files]
        service = Change(self.name, "first-boot service", _KEY, None, runner.IMAGE_PATH)
        return (*(change for change in changes if change), service)

    def apply(self, session: Session, task: Task) -> None:
        """Steps of an earlier preparation go: its first boot never came."""
        wanted = {
            edit.path.rpartition("\\")[2]
            for edit in self.edits(task)
            if isinstance(edit, WriteFile)
        }
        folder = session.guest.find(runner.STEPS)
        for old in folder.iterdir() if folder else ():
            if old.name not in wanted:
                old.unlink()
        super().apply(session, task)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """All of it is there, or (after the first boot) none of it."""
        left = session.guest.find(runner.FOLDER) or session.registry.key(_KEY)
        if left is None:
            return (Check(self.name, "first-boot runner", True, "ran and removed itself"),)
        return super().verify(session, task)
