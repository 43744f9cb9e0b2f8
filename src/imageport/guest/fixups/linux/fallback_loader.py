"""A UEFI machine that never saw this disk starts EFI/BOOT/BOOTX64.EFI: it has to be there."""

from __future__ import annotations

from dataclasses import dataclass

from imageport.guest.esp import CopyOnEsp
from imageport.guest.fixup import Edit, FixUp, Task
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily
from imageport.model.target import Firmware

FALLBACK = "EFI/BOOT/BOOTX64.EFI"


_SHIMS = {"shimx64.efi": "grubx64.efi", "shim.efi": "grub.efi"}
"""What each distribution's shim starts from its own folder: SUSE has names of its own."""


@dataclass(frozen=True, slots=True)
class _Loader:
    """Files of one folder: shim (or None) and GRUB, and its configuration beside them."""

    folder: str
    shim: str | None
    grub: str
    configured: bool


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
        """shim starts GRUB beside it; GRUB alone starts by itself.

        Debian's and Red Hat's GRUB have their own folder's name built in, SUSE's reads the
        configuration beside it.
        """
        loader = _loader(task)
        if loader is None:
            return ()
        grub = f"{loader.folder}/{loader.grub}"
        if loader.shim is None:
            return (CopyOnEsp(grub, FALLBACK, "loader for machines that never saw this disk"),)
        edits = [
            CopyOnEsp(
                f"{loader.folder}/{loader.shim}", FALLBACK, "signed loader (shim) as fallback"
            ),
            CopyOnEsp(grub, f"EFI/BOOT/{loader.grub}", "GRUB beside shim"),
        ]
        if loader.configured and loader.grub == "grub.efi":
            beside = f"{loader.folder}/grub.cfg"
            edits.append(CopyOnEsp(beside, "EFI/BOOT/grub.cfg", "GRUB's configuration beside it"))
        return tuple(edits)


def _has(task: Task, path: str) -> bool:
    return any(file.path.casefold() == path.casefold() for file in task.inspection.esp_files)


def _loader(task: Task) -> _Loader | None:
    for file in task.inspection.esp_files:
        folder, _, name = file.path.rpartition("/")
        if name.casefold() not in _SHIMS.values() or folder.casefold() == "efi/boot":
            continue
        shims = (each for each, grub in _SHIMS.items() if grub == name.casefold())
        shim = next((each for each in shims if _has(task, f"{folder}/{each}")), None)
        return _Loader(folder, shim, name, _has(task, f"{folder}/grub.cfg"))
    return None
