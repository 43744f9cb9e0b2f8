"""The kernel's command line: root by UUID, the target's arguments and serial console."""

from __future__ import annotations

from collections.abc import Sequence

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.linux import cmdline, fstab, grub
from imageport.guest.linux.edits import WriteText
from imageport.guest.linux.needs import kernel_arguments
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily

_CONFIGURATIONS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_DEFAULTS = "/etc/default/grub"
_FSTAB = "/etc/fstab"
NAMED_INTERFACE_MANAGERS = ("ifupdown", "ifcfg")
"""Network managers that need an interface's name to configure it."""


class BootLoader(FixUp):
    """Edits grub.cfg itself and the defaults it is generated from."""

    name = "boot-loader"
    family = OsFamily.LINUX
    order = 20
    watches = (*_CONFIGURATIONS, _DEFAULTS, _FSTAB)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """A guest without a GRUB configuration boots in a way that is not known here."""
        if any(path in task.linux.files for path in _CONFIGURATIONS):
            return ()
        return (
            Finding(
                "guest.no-grub",
                Severity.WARNING,
                "The guest has no GRUB configuration; its kernel command line stays as it is.",
                "Check that the guest's boot loader finds the root file system by UUID.",
            ),
        )

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """The texts with every kernel's command line rewritten."""
        files = task.linux.files
        added = kernel_arguments(
            task.target,
            kernel_names=task.linux.network_manager in NAMED_INTERFACE_MANAGERS,
        )
        serial = task.target.serial_port is not None
        root = fstab.root_source(fstab.parse(files.get(_FSTAB, "")))

        def rewrite(words: Sequence[str]) -> tuple[str, ...]:
            stable = cmdline.with_stable_root(words, task.linux.devices, root)
            return cmdline.retargeted(stable, added, serial=serial)

        def clean(words: Sequence[str]) -> tuple[str, ...]:
            return tuple(
                w for w in cmdline.retargeted(words, added, serial=serial) if w not in added
            )

        edits: list[Edit] = [
            WriteText(path, grub.with_kernel_words(files[path], rewrite), "kernel command line")
            for path in _CONFIGURATIONS
            if path in files
        ]
        if _DEFAULTS in files:
            defaults = grub.with_default_words(files[_DEFAULTS], rewrite, clean)
            edits.append(WriteText(_DEFAULTS, defaults, "kernel command line of later kernels"))
        return tuple(edits)
