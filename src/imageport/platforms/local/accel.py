"""Whether this computer can run machines with KVM: only believed when a guest really started.

A naive probe is fooled where KVM is there but cannot run ordinary kernels (paravirtual KVM inside
another machine: /dev/kvm opens, a machine is made, its firmware prints, and the kernel never
comes up). So the engine's own kernel is started once, for a few seconds.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from imageport.host.errors import ToolFailed, ToolTimeout
from imageport.host.home import subfolder
from imageport.host.run import run

QEMU = "qemu-system-x86_64"
PROBE_SECONDS = 20.0

_SAYS_IT_WORKS = "imageport probe: a kernel started"


class Accelerator(StrEnum):
    """QEMU's ways to run a guest."""

    KVM = "kvm"
    TCG = "tcg"

    @property
    def argument(self) -> str:
        """QEMU's `-accel` argument. TCG's translation cache is bounded: it would take 800 MB."""
        return "kvm" if self is Accelerator.KVM else "tcg,thread=multi,tb-size=256"


def accelerator(kernel: Path, initrd: Path) -> Accelerator:
    """KVM where a guest has started with it, else TCG; asked once per boot of this computer.

    `kernel` and `initrd` are the engine's; its initramfs answers a probe and stops.
    """
    if not kvm_may_work():
        return Accelerator.TCG
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    answer = subfolder("cache") / f"kvm-{boot_id}-{kernel.name}"
    if not answer.exists():
        for old in answer.parent.glob("kvm-*"):
            old.unlink()
        works = _a_guest_starts(kernel, initrd)
        answer.write_text(Accelerator.KVM if works else Accelerator.TCG)
    return Accelerator(answer.read_text())


def kvm_may_work() -> bool:
    """Whether KVM is worth a try: the device can be opened and the processor has the extension."""
    flags = Path("/proc/cpuinfo").read_text()
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and (" vmx " in flags or " svm " in flags)


def _a_guest_starts(kernel: Path, initrd: Path) -> bool:
    try:
        said = run(
            [
                *(QEMU, "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults", "-no-reboot"),
                *("-display", "none", "-serial", "stdio", "-kernel", kernel, "-initrd", initrd),
                *("-append", "console=ttyS0 quiet panic=-1 imageport.probe"),
            ],
            timeout=PROBE_SECONDS,
        )
    except (ToolFailed, ToolTimeout):
        return False
    return _SAYS_IT_WORKS in said
