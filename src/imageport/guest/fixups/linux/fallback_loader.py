"""A UEFI machine that never saw this disk starts EFI/BOOT/BOOTX64.EFI: it has to be there."""

from __future__ import annotations

from dataclasses import dataclass

from imageport.guest.esp import CopyOnEsp
from imageport.guest.fixup import Edit, FixUp, Task
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily
from imageport.model.target import Firmware

FALLBACK = "EFI/BOOT/BOOTX64.EFI"


@dataclass(frozen=True, slots=True)
class _Loader:
    folder: str
    shim: bool


class FallbackLoader(FixUp):
    """Copies the distribution's loader (shim and GRUB, or GRUB) to the fallback path."""

    name = "fallback-loader"
    family = OsFamily.LINUX
    order = 60

    def applies(self, task: Task) -> bool:
        """Only UEFI guests, and only those without a fallback loader."""
        return task.inspection.firmware is Firmware.UEFI and not _has(task, FALLBACK)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """No loader at all on the partition."""
        if not self.applies(task) or _loader(task):
            return ()
        return (
            Finding(
                "guest.no-efi-loader",
                Severity.BLOCKER,
                "The EFI system partition has no fallback loader, and none to make one from.",
                "Run grub-install --removable in the master machine, then take the image again.",
            ),
        )

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """shim starts grubx64.efi beside it; GRUB alone starts by itself."""
        loader = _loader(task)
        if loader is None:
            return ()
        grub = f"{loader.folder}/grubx64.efi"
        if not loader.shim:
            return (CopyOnEsp(grub, FALLBACK, "loader for machines that never saw this disk"),)
        return (
            CopyOnEsp(f"{loader.folder}/shimx64.efi", FALLBACK, "signed loader (shim) as fallback"),
            CopyOnEsp(grub, "EFI/BOOT/grubx64.efi", "GRUB beside shim"),
        )


def _has(task: Task, path: str) -> bool:
    return any(file.path.casefold() == path.casefold() for file in task.inspection.esp_files)


def _loader(task: Task) -> _Loader | None:
    for file in task.inspection.esp_files:
        folder, _, name = file.path.rpartition("/")
        if name.casefold() == "grubx64.efi" and folder.casefold() != "efi/boot":
            return _Loader(folder, _has(task, f"{folder}/shimx64.efi"))
    return None
