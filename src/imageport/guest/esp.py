"""Boot loaders on the EFI system partition: listing them, and copying one over another."""

from __future__ import annotations

import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

from imageport.guest.fixup import Task
from imageport.guest.guest import Guest
from imageport.guest.paths import folded_new
from imageport.guest.session import Session
from imageport.model.guest import Change, Check
from imageport.model.guest_facts import EspFile

_CHUNK = 1 << 20


def list_loaders(guest: Guest) -> tuple[EspFile, ...]:
    """Every `*.efi` below `EFI`, and configuration of theirs that moves with them, by path."""
    if guest.esp is None:
        return ()
    found = (path for path in guest.esp.rglob("*") if _concerns_loaders(path))
    return tuple(
        EspFile(path.relative_to(guest.esp).as_posix(), path.stat().st_size, checksum(path))
        for path in sorted(found)
        if path.is_file()
    )


def _concerns_loaders(path: Path) -> bool:
    return path.suffix.casefold() == ".efi" or path.name.casefold() == "grub.cfg"


def checksum(path: Path) -> str:
    """The file's CRC-32 as eight hex digits."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return f"{value:08x}"


def esp_file(task: Task, path: str) -> EspFile | None:
    """The loader that the inspection saw at `path`, in any case."""
    wanted = path.replace("\\", "/").casefold()
    return next((f for f in task.inspection.esp_files if f.path.casefold() == wanted), None)


@dataclass(frozen=True, slots=True)
class CopyOnEsp:
    """The loader `target` has the content of the loader `source`."""

    source: str
    target: str
    what: str

    def change(self, task: Task, fixup: str) -> Change | None:
        """None when the inspection saw equal files."""
        source, target = esp_file(task, self.source), esp_file(task, self.target)
        if source and target and (source.size, source.checksum) == (target.size, target.checksum):
            return None
        before = f"{target.size} bytes, CRC {target.checksum}" if target else None
        return Change(fixup, self.what, self.target, before, f"copy of {self.source}")

    def apply(self, session: Session) -> None:
        """Copy unless equal."""
        source = session.guest.find_esp(self.source)
        if source is None or session.guest.esp is None or self._equal(session):
            return
        target = folded_new(session.guest.esp, self.target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    def check(self, session: Session, fixup: str) -> Check:
        """True when both files have the same content."""
        equal = self._equal(session)
        return Check(fixup, self.what, equal, f"{self.target}: {'equal' if equal else 'differs'}")

    def _equal(self, session: Session) -> bool:
        source, target = session.guest.find_esp(self.source), session.guest.find_esp(self.target)
        return (
            source is not None
            and target is not None
            and source.stat().st_size == target.stat().st_size
            and _same_content(source, target)
        )


def _same_content(one: Path, other: Path) -> bool:
    with one.open("rb") as left, other.open("rb") as right:
        while chunk := left.read(_CHUNK):
            if chunk != right.read(_CHUNK):
                return False
    return True
