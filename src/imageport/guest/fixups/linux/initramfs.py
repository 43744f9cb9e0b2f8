"""The initramfs holds the drivers of every controller and network device of the target."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.linux import initramfs as archive
from imageport.guest.linux import selinux
from imageport.guest.linux.edits import WriteText
from imageport.guest.linux.needs import CONTROLLER_MODULES, NIC_MODULES, needed_modules
from imageport.guest.linux.overlay import add_modules
from imageport.guest.session import Session
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Check, OsFamily
from imageport.model.guest_facts import LinuxKernel
from imageport.model.target import Target

_MODULES_FILE: Final = "/etc/initramfs-tools/modules"
_DRACUT_FILE: Final = "/etc/dracut.conf.d/imageport.conf"
_BEGIN: Final = "# imageport: drivers of the platform this image was prepared for"
_END: Final = "# imageport: end"


class Initramfs(FixUp):
    """Adds missing drivers to each kernel's initramfs, and to the configuration of later ones.

    They are added as an archive behind the existing one, which is the same for dracut's: both
    tools' initramfs load drivers through udev, by the hardware's alias in the modules' index. Only
    where the compression has no end of its own (lz4) is it rebuilt by the guest's tool.
    """

    name = "initramfs"
    family = OsFamily.LINUX
    order = 50
    watches = (_MODULES_FILE, _DRACUT_FILE)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """Kernels that cannot be made to boot, or lack a driver."""
        if not task.linux.kernels:
            return (_finding("guest.no-kernel", Severity.BLOCKER, "The guest has no kernel."),)
        kernel = _newest(task)
        if kernel.initramfs is None:
            sentence = f"Kernel {kernel.version} has no readable initramfs."
            return (_finding("guest.no-initramfs", Severity.BLOCKER, sentence),)
        return (*_controller_findings(task, kernel), *_nic_findings(task, kernel))

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Later initramfs get the drivers too."""
        names = needed_modules(task.target)
        what = "drivers of initramfs made later"
        if task.linux.initramfs_tool == "initramfs-tools":
            text = _without_block(task.linux.files.get(_MODULES_FILE, ""))
            block = "\n".join((_BEGIN, *_loadable(task, names), _END))
            return (WriteText(_MODULES_FILE, f"{text}{block}\n", what),)
        if task.linux.initramfs_tool == "dracut":
            text = f'{_BEGIN}\nadd_drivers+=" {" ".join(_loadable(task, names))} "\n'
            return (WriteText(_DRACUT_FILE, text, what),)
        return ()

    def plan(self, task: Task) -> tuple[Change, ...]:
        """The files' changes, then one for each initramfs that lacks drivers."""
        changes = [
            Change(
                self.name,
                f"drivers of kernel {kernel.version}",
                kernel.initramfs or "",
                " ".join(kernel.initramfs_modules),
                " ".join(sorted({*kernel.initramfs_modules, *_missing(task, kernel)})),
            )
            for kernel in _bootable(task)
            if _missing(task, kernel)
        ]
        return (*super().plan(task), *changes)

    def apply(self, session: Session, task: Task) -> None:
        """Write the files, then add to (or rebuild) each initramfs that lacks drivers."""
        super().apply(session, task)
        for kernel in _bootable(task):
            image = session.guest.find(kernel.initramfs or "")
            folder = session.guest.find(f"/lib/modules/{kernel.version}")
            missing = _missing(task, kernel)
            if not missing or image is None or folder is None:
                continue
            if kernel.compression in archive.ENDLESS:
                self._rebuild(session, task, kernel)
            else:
                add_modules(image, folder, missing)

    def _rebuild(self, session: Session, task: Task, kernel: LinuxKernel) -> None:
        image = kernel.initramfs or ""
        commands = {
            "initramfs-tools": ["update-initramfs", "-u", "-k", kernel.version],
            # Without its path, dracut would choose one by the rules of this machine's boot loader.
            "dracut": ["dracut", "--force", "--no-hostonly", image, kernel.version],
        }
        command = commands.get(task.linux.initramfs_tool or "")
        place = session.guest.find(image)
        if command and place:
            label = selinux.label_of(place)
            session.chroot.run(command)
            selinux.set_label(place, label)

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """List each initramfs and look for the drivers."""
        checks = []
        for kernel in _bootable(task):
            wanted = {name for name in needed_modules(task.target) if name in kernel.modules}
            image = session.guest.find(kernel.initramfs or "")
            held = archive.read(Path(image)).modules if image else frozenset()
            absent = sorted(wanted - held - set(kernel.builtin))
            seen = f"lacks {' '.join(absent)}" if absent else f"holds {' '.join(sorted(wanted))}"
            checks.append(Check(self.name, f"drivers of kernel {kernel.version}", not absent, seen))
        return (*super().verify(session, task), *checks)


def _bootable(task: Task) -> tuple[LinuxKernel, ...]:
    return tuple(kernel for kernel in task.linux.kernels if kernel.initramfs)


def _newest(task: Task) -> LinuxKernel:
    """The kernel that GRUB starts: the one of the highest version."""

    def key(kernel: LinuxKernel) -> tuple[tuple[int, str], ...]:
        words = kernel.version.replace("-", ".").replace("+", ".").split(".")
        return tuple((int(word), "") if word.isdigit() else (-1, word) for word in words)

    return max(task.linux.kernels, key=key)


def _loadable(task: Task, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that some kernel has as files: a name without one makes the tools complain."""
    present = {name for kernel in task.linux.kernels for name in kernel.modules}
    return tuple(name for name in names if name in present)


def _missing(task: Task, kernel: LinuxKernel) -> tuple[str, ...]:
    held = {*kernel.initramfs_modules, *kernel.builtin}
    return tuple(
        name for name in needed_modules(task.target) if name in kernel.modules and name not in held
    )


def _without_block(text: str) -> str:
    head, found, rest = text.partition(_BEGIN)
    if not found:
        return text if not text or text.endswith("\n") else f"{text}\n"
    return head + rest.partition(f"{_END}\n")[2]


def _lacks(kernel: LinuxKernel, names: tuple[str, ...]) -> bool:
    return not set(names) <= {*kernel.modules, *kernel.builtin}


def _controller_findings(task: Task, kernel: LinuxKernel) -> tuple[Finding, ...]:
    lacking = [each for each in task.target.controllers if _lacks(kernel, CONTROLLER_MODULES[each])]
    usual = task.target.controllers[0]
    # A PVS image may boot on any hypervisor: it is lost only when it can boot on none.
    none_left = len(lacking) == len(task.target.controllers)
    lost = none_left if task.target.target is Target.PVS else usual in lacking
    return tuple(
        _finding(
            "guest.no-controller-driver",
            Severity.BLOCKER if lost and (none_left or each is usual) else Severity.WARNING,
            f"Kernel {kernel.version} has no driver for the disk controller {each}.",
        )
        for each in lacking
    )


def _nic_findings(task: Task, kernel: LinuxKernel) -> tuple[Finding, ...]:
    lacking = [each for each in task.target.nics if _lacks(kernel, NIC_MODULES[each])]
    return tuple(
        _finding(
            "guest.no-nic-driver",
            Severity.WARNING,
            f"Kernel {kernel.version} has no driver for the network device {each}.",
        )
        for each in lacking
    )


def _finding(code: str, severity: Severity, sentence: str) -> Finding:
    remedy = "Install a generic kernel (linux-image-amd64) in the master machine, take a new image."
    return Finding(code, severity, sentence, remedy)
