"""The frame of fix-ups: one class, in one file, for each thing that is changed inside a guest.

Most fix-ups only state what has to be true afterwards, as `edits` computed from the inspection;
planning, applying and verifying follow from that. A fix-up with more to do overrides those.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from imageport.guest.session import Session
from imageport.model.findings import Finding
from imageport.model.guest import Change, Check, Inspection, OsFamily, PrepareOptions
from imageport.model.guest_facts import LinuxFacts, WindowsFacts
from imageport.model.target import TargetProfile
from imageport.model.wishes import Operation


@dataclass(frozen=True, slots=True)
class Task:
    """What a preparation is about: the guest as inspected, where it goes, what the user asked."""

    inspection: Inspection
    target: TargetProfile
    options: PrepareOptions

    @property
    def linux(self) -> LinuxFacts:
        """The facts of a Linux guest; only asked for by Linux fix-ups."""
        assert self.inspection.linux  # noqa: S101 - fix-ups are chosen by family
        return self.inspection.linux

    @property
    def windows(self) -> WindowsFacts:
        """The facts of a Windows guest; only asked for by Windows fix-ups."""
        assert self.inspection.windows  # noqa: S101 - fix-ups are chosen by family
        return self.inspection.windows


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the first boot: its name and the script's body (sh, or batch).

    When a step that is not `required` fails, the image is good all the same, and that is said.
    """

    name: str
    script: str
    required: bool = True


class Edit(Protocol):
    """One thing that has to be so on the disk. Applying it when it is so already does nothing."""

    def change(self, task: Task, fixup: str) -> Change | None:
        """What will be different, by the inspection alone; None when it is so already."""
        ...

    def apply(self, session: Session) -> None:
        """Make it so."""
        ...

    def check(self, session: Session, fixup: str) -> Check:
        """Read it back from the disk."""
        ...


class FixUp:
    """Base of all fix-ups; a subclass with a `name` registers itself."""

    name: ClassVar[str] = ""
    family: ClassVar[OsFamily]
    order: ClassVar[int]
    """Fix-ups of a family are planned and applied in this order."""
    operations: ClassVar[frozenset[Operation]] = frozenset({Operation.MIGRATE})
    """The jobs that it belongs to."""
    watches: ClassVar[tuple[str, ...]] = ()
    r"""What the inspection must look at for it: files (Linux) or `KEY\Value` (Windows)."""
    registry: ClassVar[dict[tuple[OsFamily, str], FixUp]] = {}

    def __init_subclass__(cls) -> None:
        if cls.name:
            FixUp.registry[cls.family, cls.name] = cls()

    def applies(self, task: Task) -> bool:
        """Whether it has anything to say for this guest and target."""
        return True

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """What stands in the way; may look at the driver library, never at the guest."""
        return ()

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """What has to be so on the disk. Pure: by the inspection alone."""
        return ()

    def steps(self, task: Task) -> tuple[Step, ...]:
        """What the first boot has to do. Pure."""
        return ()

    def library_files(self, task: Task) -> tuple[Path, ...]:
        """The files of the driver library that it takes into the guest."""
        return ()

    def plan(self, task: Task) -> tuple[Change, ...]:
        """The changes it would make, in order. Pure."""
        changes = (edit.change(task, self.name) for edit in self.edits(task))
        return tuple(change for change in changes if change)

    def apply(self, session: Session, task: Task) -> None:
        """Make the changes."""
        for edit in self.edits(task):
            edit.apply(session)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """Read back what has to be so. `task` carries the inspection from before the changes."""
        return tuple(edit.check(session, self.name) for edit in self.edits(task))
