"""All fix-ups. A new one is a file in `linux` or `windows`, named in that package's list."""

from __future__ import annotations

from pathlib import Path

from imageport.guest.fixup import FixUp, Step, Task
from imageport.guest.fixups import linux as linux
from imageport.guest.fixups import windows as windows
from imageport.model.guest import OsFamily


def in_order(family: OsFamily) -> tuple[FixUp, ...]:
    """All fix-ups of a family, in the order in which they are planned and applied."""
    chosen = (each for each in FixUp.registry.values() if each.family is family)
    return tuple(sorted(chosen, key=lambda each: (each.order, each.name)))


def applicable(family: OsFamily, task: Task) -> tuple[FixUp, ...]:
    """Those of the task's operation that have something to say, in order."""
    chosen = (each for each in in_order(family) if task.options.operation in each.operations)
    return tuple(each for each in chosen if each.applies(task))


def steps(family: OsFamily, task: Task) -> tuple[Step, ...]:
    """The first-boot work of all fix-ups that apply, in order."""
    return tuple(step for each in applicable(family, task) for step in each.steps(task))


def library_files(family: OsFamily, task: Task) -> tuple[Path, ...]:
    """The files of the driver library that all fix-ups that apply take into the guest."""
    return tuple(path for each in applicable(family, task) for path in each.library_files(task))
