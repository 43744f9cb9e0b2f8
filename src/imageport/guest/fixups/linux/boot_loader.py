"""The kernel's command line: root by UUID, the target's arguments and serial console."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.linux import cmdline, fstab, grub
from imageport.guest.linux.edits import WriteText
from imageport.guest.linux.needs import kernel_arguments
from imageport.model.findings import Finding, Severity
from imageport.model.guest import OsFamily

_CONFIGURATIONS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_ENTRIES = "/boot/loader/entries/*.conf"
_BLOCKS = ("/boot/grub/grubenv", "/boot/grub2/grubenv")
_LATER = "/etc/kernel/cmdline"
"""What kernel-install(8) gives to kernels that are installed later."""
_DEFAULTS = "/etc/default/grub"
_FSTAB = "/etc/fstab"
NAMED_INTERFACE_MANAGERS = ("ifupdown", "wicked", "ifcfg")
"""Network managers that need an interface's name to configure it."""


class BootLoader(FixUp):
    """Edits grub.cfg, its entries and environment, and what those are made from."""

    name = "boot-loader"
    family = OsFamily.LINUX
    order = 20
    watches = (*_CONFIGURATIONS, _ENTRIES, *_BLOCKS, _LATER, _DEFAULTS, _FSTAB)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """A guest without a GRUB configuration boots in a way that is not known here."""
        if any(path in task.linux.files for path in _CONFIGURATIONS):
            return ()
        if task.linux.boot_loader == "systemd-boot":
            return (
                Finding(
                    "guest.systemd-boot",
                    Severity.BLOCKER,
                    "The guest is started by systemd-boot, whose kernels lie on the EFI system "
                    "partition.",
                    "Use a master machine that is started by GRUB.",
                ),
            )
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

        return (*_now(files, rewrite, clean), *_later(files, rewrite, clean))


def _now(files: dict[str, str], rewrite: grub.Rewrite, clean: grub.Rewrite) -> Iterator[Edit]:
    """The command lines of the kernels that are installed."""
    what = "kernel command line"
    for path, text in files.items():
        edited = text
        if path in _CONFIGURATIONS:
            edited = grub.with_kernel_words(text, rewrite)
        elif fnmatch(path, _ENTRIES):
            edited = grub.with_entry_words(text, rewrite, clean)
        elif path in _BLOCKS:
            edited = grub.with_environment_words(text, rewrite)
        if path in _CONFIGURATIONS or edited != text:
            yield WriteText(path, edited, what, None)


def _later(files: dict[str, str], rewrite: grub.Rewrite, clean: grub.Rewrite) -> Iterator[Edit]:
    """Those of kernels that are installed later."""
    what = "kernel command line of later kernels"
    if _DEFAULTS in files:
        defaults = grub.with_default_words(files[_DEFAULTS], rewrite, clean)
        yield WriteText(_DEFAULTS, defaults, what)
    if _LATER in files:
        words = rewrite(files[_LATER].split())
        yield WriteText(_LATER, " ".join(words) + "\n", what, None)
