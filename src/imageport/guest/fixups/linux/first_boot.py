"""Installs the first-boot runner with the steps of all fix-ups."""

from __future__ import annotations

from imageport.guest.fixup import Edit, Step
from imageport.guest.fixups.first_boot import FirstBootRunner
from imageport.guest.linux import runner
from imageport.guest.linux.edits import Link, WriteText
from imageport.guest.session import Session
from imageport.model.guest import OsFamily


class FirstBoot(FirstBootRunner):
    """Unit, script and steps."""

    name = "first-boot"
    family = OsFamily.LINUX
    folder = runner.STEPS

    def script(self, number: int, step: Step) -> WriteText:
        """A shell script."""
        path = runner.step_path(number, step.name)
        return WriteText(path, f"#!/bin/sh\n{step.script}", f"first-boot step {step.name}", 0o755)

    def runner(self) -> tuple[Edit, ...]:
        """The link that enables the unit comes last."""
        return (
            WriteText(runner.RUN, runner.RUN_TEXT, "first-boot runner", 0o755),
            WriteText(runner.UNIT_FILE, runner.UNIT_TEXT, "first-boot unit"),
            Link(runner.UNIT_LINK, f"../{runner.UNIT}", "first-boot unit enabled"),
        )

    def left(self, session: Session) -> bool:
        """See the base."""
        places = (runner.FOLDER, runner.UNIT_FILE, runner.UNIT_LINK)
        return any(session.guest.find(place) is not None for place in places)
