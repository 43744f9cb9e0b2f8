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


def steps(family: OsFamily, task: Task) -> tuple[Step, ...]:
    """The first-boot work of all fix-ups that apply, in order."""
    applying = (each for each in in_order(family) if each.applies(task))
    return tuple(step for each in applying for step in each.steps(task))


def library_files(family: OsFamily, task: Task) -> tuple[Path, ...]:
    """The files of the driver library that all fix-ups that apply take into the guest."""
    applying = (each for each in in_order(family) if each.applies(task))
    return tuple(path for each in applying for path in each.library_files(task))
