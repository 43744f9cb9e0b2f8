r"""What a Windows fix-up states about the disk: registry values, keys and files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from imageport.guest.fixup import Task
from imageport.guest.paths import folded_new
from imageport.guest.session import Session
from imageport.guest.windows.registry import rendered
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import Change, Check


@dataclass(frozen=True, slots=True)
class SetValue:
    r"""The key (`SYSTEM\CurrentControlSet\...`) has this value.

    `before` is what the inspection saw where that is among its facts; otherwise the value must be
    watched by the fix-up.
    """

    key: str
    value: Value
    what: str
    before: str | None = None
    unless_gone: bool = False
    """The key itself may be gone when it is checked: the first boot removes what it belongs to."""

    def change(self, task: Task, fixup: str) -> Change | None:
        """None when the inspection saw the same value."""
        place = f"{self.key}\\{self.value.name}"
        before = self.before or task.windows.registry.get(place)
        after = rendered(self.value)
        return None if before == after else Change(fixup, self.what, place, before, after)

    def apply(self, session: Session) -> None:
        """Set it."""
        session.registry.set(self.key, self.value)

    def check(self, session: Session, fixup: str) -> Check:
        """True when it reads back as set."""
        if self.unless_gone and session.registry.key(self.key) is None:
            return Check(fixup, self.what, True, f"{self.key}: gone")
        seen = session.registry.value(self.key, self.value.name)
        return Check(
            fixup,
            self.what,
            seen is not None and (seen.type, seen.data) == (self.value.type, self.value.data),
            f"{self.key}\\{self.value.name} = {rendered(seen) or 'absent'}",
        )


@dataclass(frozen=True, slots=True)
class DropValue:
    """The key has no value of this name. A fix-up states it only of what the inspection saw."""

    key: str
    name: str
    what: str
    before: str = "present"

    def change(self, task: Task, fixup: str) -> Change | None:
        """Always a change: it was there."""
        return Change(fixup, self.what, f"{self.key}\\{self.name}", self.before, None)

    def apply(self, session: Session) -> None:
        """Delete it."""
        session.registry.delete_value(self.key, self.name)

    def check(self, session: Session, fixup: str) -> Check:
        """True when there is none."""
        seen = rendered(session.registry.value(self.key, self.name))
        return Check(
            fixup, self.what, seen is None, f"{self.key}\\{self.name} = {seen or 'absent'}"
        )


@dataclass(frozen=True, slots=True)
class DropKey:
    """There is no such key. A fix-up states it only of what the inspection saw."""

    key: str
    what: str

    def change(self, task: Task, fixup: str) -> Change | None:
        """Always a change: it was there."""
        return Change(fixup, self.what, self.key, "present", None)

    def apply(self, session: Session) -> None:
        """Delete it with all below it."""
        session.registry.delete_key(self.key)

    def check(self, session: Session, fixup: str) -> Check:
        """True when it is gone."""
        there = session.registry.key(self.key) is not None
        return Check(fixup, self.what, not there, f"{self.key}: {'there' if there else 'gone'}")


@dataclass(frozen=True, slots=True)
class WriteFile:
    """The file `path` holds `content`."""

    path: str
    content: bytes
    what: str

    def change(self, task: Task, fixup: str) -> Change | None:
        """Always planned: the inspection does not read the files that are written."""
        return Change(fixup, self.what, self.path, None, f"{len(self.content)} bytes")

    def apply(self, session: Session) -> None:
        """Write it unless it is so already."""
        place = folded_new(session.guest.root, self.path)
        if self._holds(place):
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self.content)

    def check(self, session: Session, fixup: str) -> Check:
        """True when it reads back as written."""
        holds = self._holds(folded_new(session.guest.root, self.path))
        return Check(
            fixup, self.what, holds, f"{self.path}: {'as written' if holds else 'differs'}"
        )

    def _holds(self, place: Path) -> bool:
        return place.is_file() and place.read_bytes() == self.content


def copy_in(session: Session, source: Path, path: str) -> None:
    """Copy a file of the engine into the guest, unless an equal one is there."""
    place = folded_new(session.guest.root, path)
    if place.is_file() and place.read_bytes() == source.read_bytes():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
