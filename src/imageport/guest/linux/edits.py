"""What a Linux fix-up states about the disk: files with a given text, and paths that are gone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from imageport.guest.fixup import Task
from imageport.guest.guest import Guest
from imageport.guest.linux import runner, selinux
from imageport.guest.paths import inside
from imageport.guest.session import Session
from imageport.model.guest import Change, Check


@dataclass(frozen=True, slots=True)
class WriteText:
    """The file `path` holds `text` and has the permissions `mode`.

    With None the file keeps those it has, and is the one that links at `path` lead to.
    """

    path: str
    text: str
    what: str
    mode: int | None = 0o644

    def change(self, task: Task, fixup: str) -> Change | None:
        """None when the inspection saw the same text."""
        before = task.linux.files.get(self.path)
        if before == self.text:
            return None
        if before is None:
            return Change(fixup, self.what, self.path, None, f"{len(self.text.splitlines())} lines")
        old, new = _difference(before, self.text)
        return Change(fixup, self.what, self.path, old, new)

    def apply(self, session: Session) -> None:
        """Write the file beside itself and rename it into place."""
        place = self._place(session.guest)
        if self._holds(place) and selinux.is_labelled(place):
            return
        selinux.make_folder(place.parent)
        mode = place.stat().st_mode & 0o7777 if self.mode is None else self.mode
        label = selinux.fitting(place)
        written = place.with_name(f".{place.name}.imageport")
        written.write_text(self.text, errors="surrogateescape")
        written.chmod(mode)
        selinux.set_label(written, label)
        written.replace(place)

    def check(self, session: Session, fixup: str) -> Check:
        """True when text, permissions and label are as written."""
        place = self._place(session.guest)
        holds, labelled = self._holds(place), selinux.is_labelled(place)
        seen = "differs" if not holds else "as written" if labelled else "has no SELinux label"
        return Check(fixup, self.what, holds and labelled, f"{self.path}: {seen}")

    def _place(self, guest: Guest) -> Path:
        return inside(guest.root, self.path) if self.mode is None else _entry(guest, self.path)

    def _holds(self, place: Path) -> bool:
        return (
            place.is_file()
            and not place.is_symlink()
            and (self.mode is None or place.stat().st_mode & 0o7777 == self.mode)
            and place.read_text(errors="surrogateescape") == self.text
        )


@dataclass(frozen=True, slots=True)
class Link:
    """The symbolic link `path` points at `target`."""

    path: str
    target: str
    what: str

    def change(self, task: Task, fixup: str) -> Change | None:
        """None when the inspection saw something at the path."""
        if self.path in task.linux.paths:
            return None
        return Change(fixup, self.what, self.path, None, f"-> {self.target}")

    def apply(self, session: Session) -> None:
        """Make the link; what is in its place goes."""
        place = _entry(session.guest, self.path)
        if self._holds(place):
            return
        selinux.make_folder(place.parent)
        place.unlink(missing_ok=True)
        place.symlink_to(self.target)
        selinux.set_label(place, selinux.label_of(place.parent))

    def check(self, session: Session, fixup: str) -> Check:
        """True when the link is there and points at its target."""
        holds = self._holds(_entry(session.guest, self.path))
        return Check(fixup, self.what, holds, f"{self.path}: {'there' if holds else 'not there'}")

    def _holds(self, place: Path) -> bool:
        return place.is_symlink() and str(place.readlink()) == self.target


@dataclass(frozen=True, slots=True)
class RemovePath:
    """Nothing is at `path`. A fix-up states it only of what the inspection saw."""

    path: str
    what: str

    def change(self, task: Task, fixup: str) -> Change | None:
        """Always a change: it was there."""
        return Change(fixup, self.what, self.path, task.linux.files.get(self.path, "present"), None)

    def apply(self, session: Session) -> None:
        """Remove the file, link or folder."""
        place = _entry(session.guest, self.path)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)

    def check(self, session: Session, fixup: str) -> Check:
        """True when nothing is there."""
        place = _entry(session.guest, self.path)
        there = place.exists() or place.is_symlink()
        return Check(fixup, self.what, not there, f"{self.path}: {'there' if there else 'gone'}")


@dataclass(frozen=True, slots=True)
class UntilFirstBoot:
    """The file `path` holds `text` until the first boot, whose steps remove it."""

    path: str
    text: str
    what: str

    def change(self, task: Task, fixup: str) -> Change | None:
        """As for a file that stays."""
        return self._file().change(task, fixup)

    def apply(self, session: Session) -> None:
        """Write it."""
        self._file().apply(session)

    def check(self, session: Session, fixup: str) -> Check:
        """There as long as the runner waits, gone with it."""
        waiting = session.guest.find(runner.RUN) is not None
        if waiting:
            return self._file().check(session, fixup)
        there = session.guest.find(self.path) is not None
        return Check(fixup, self.what, not there, f"{self.path}: {'left' if there else 'gone'}")

    def _file(self) -> WriteText:
        return WriteText(self.path, self.text, self.what)


def _entry(guest: Guest, path: str) -> Path:
    """The directory entry itself: links are followed in the folders above it only."""
    whole = Path(path)
    return inside(guest.root, str(whole.parent)) / whole.name


def _difference(before: str, after: str) -> tuple[str, str]:
    """The lines that only one of the texts has, each side joined by line breaks."""
    old, new = before.splitlines(), after.splitlines()
    return (
        "\n".join(line for line in old if line not in new),
        "\n".join(line for line in new if line not in old),
    )
