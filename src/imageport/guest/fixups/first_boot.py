"""What the fix-ups that install a first-boot runner share; each family says what the runner is."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import ClassVar, Protocol

from imageport.guest import fixups
from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.session import Session
from imageport.model.guest import Check


class Script(Edit, Protocol):
    """An edit that writes a step's file."""

    @property
    def path(self) -> str:
        """Where the file lies, in the guest's own notation."""


class FirstBootRunner(FixUp):
    """Installs the runner with the steps of all fix-ups.

    Everything removes itself in the first boot: gone is right, too.
    """

    order = 90
    folder: ClassVar[str]
    """The folder of the steps' files."""

    def script(self, number: int, step: Step) -> Script:
        """The file of one step. Pure."""
        raise NotImplementedError

    def runner(self) -> tuple[Edit, ...]:
        """The runner, and last what starts it. Pure."""
        raise NotImplementedError

    def left(self, session: Session) -> bool:
        """Whether any part of the runner is in the guest."""
        raise NotImplementedError

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The steps first, what starts the runner last."""
        return (*self._scripts(task), *self.runner())

    def apply(self, session: Session, task: Task) -> None:
        """Steps of an earlier preparation go: its first boot never came."""
        # PureWindowsPath splits at either family's separator.
        wanted = {PureWindowsPath(script.path).name for script in self._scripts(task)}
        folder = session.guest.find(self.folder)
        for old in folder.iterdir() if folder else ():
            if old.name not in wanted:
                old.unlink()
        super().apply(session, task)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """All of it is there, or (after the first boot) none of it."""
        checks = super().verify(session, task)
        if not self.left(session) and not any(check.passed for check in checks):
            return (Check(self.name, "first-boot runner", True, "ran and removed itself"),)
        return checks

    def _scripts(self, task: Task) -> tuple[Script, ...]:
        steps = fixups.steps(self.family, task)
        return tuple(self.script(10 * number, step) for number, step in enumerate(steps, 1))
