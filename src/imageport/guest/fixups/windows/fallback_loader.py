"""A UEFI machine that never saw this disk starts EFI/Boot/bootx64.efi: it has to be there."""

from __future__ import annotations

from imageport.guest.esp import CopyOnEsp, esp_file
from imageport.guest.fixup import Edit, FixUp, Task
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily
from imageport.model.target import Firmware

_MANAGER = "EFI/Microsoft/Boot/bootmgfw.efi"
_FALLBACK = "EFI/Boot/bootx64.efi"


class FallbackLoader(FixUp):
    """Copies Windows' boot manager to the fallback path."""

    name = "fallback-loader"
    family = OsFamily.WINDOWS
    order = 85

    def applies(self, task: Task) -> bool:
        """UEFI guests only."""
        return task.inspection.firmware is Firmware.UEFI

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """Neither of the two loaders is there."""
        if esp_file(task, _MANAGER) or esp_file(task, _FALLBACK):
            return ()
        return (
            Finding(
                "guest.no-efi-loader",
                Severity.BLOCKER,
                "The EFI system partition holds no boot loader of Windows.",
                "Repair it in the source machine (bcdboot C:\\Windows), then take the image again.",
            ),
        )

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """One copy."""
        if esp_file(task, _MANAGER) is None:
            return ()
        return (CopyOnEsp(_MANAGER, _FALLBACK, "loader for machines that never saw this disk"),)
