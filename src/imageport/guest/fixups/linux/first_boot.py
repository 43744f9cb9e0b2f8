"""Installs the first-boot runner with the steps of all fix-ups."""

from __future__ import annotations

from pathlib import Path

from imageport.guest import fixups
from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.linux import runner
from imageport.guest.linux.edits import Link, WriteText
from imageport.guest.session import Session
from imageport.model.guest import Check, OsFamily


class FirstBoot(FixUp):
    """Unit, script and steps. They remove themselves in the first boot: gone is right too."""

    name = "first-boot"
    family = OsFamily.LINUX
    order = 90

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The steps first, the link that starts the unit last."""
        steps = fixups.steps(self.family, task)
        scripts = [
            WriteText(
                runner.step_path(10 * number, step.name),
                f"#!/bin/sh\n{step.script}",
                f"first-boot step {step.name}",
                0o755,
            )
            for number, step in enumerate(steps, 1)
        ]
        return (
            *scripts,
            WriteText(runner.RUN, runner.RUN_TEXT, "first-boot runner", 0o755),
            WriteText(runner.UNIT_FILE, runner.UNIT_TEXT, "first-boot unit"),
            Link(runner.UNIT_LINK, f"../{runner.UNIT}", "first-boot unit enabled"),
        )

    def apply(self, session: Session, task: Task) -> None:
        """Steps of an earlier preparation go: its first boot never came."""
        wanted = {Path(edit.path).name for edit in self.edits(task) if isinstance(edit, WriteText)}
        folder = session.guest.find(runner.STEPS)
        for old in folder.iterdir() if folder else ():
            if old.name not in wanted:
                old.unlink()
        super().apply(session, task)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """All of it is there, or (after the first boot) none of it."""
        checks = super().verify(session, task)
        left = [
            path
            for path in (runner.FOLDER, runner.UNIT_FILE, runner.UNIT_LINK)
            if session.guest.find(path) is not None
        ]
        if not left and not any(check.passed for check in checks):
            return (Check(self.name, "first-boot runner", True, "ran and removed itself"),)
        return checks
