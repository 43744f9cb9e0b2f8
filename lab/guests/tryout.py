"""Boot an image once in QEMU, on one firmware and one disk controller, and look at it.

A tool for those who work on the guests; the disk is opened as a snapshot and stays unchanged
unless it is told to keep what the guest writes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.model.target import Controller, Firmware, Nic
from imageport.platforms.local.qmp import Qmp

_CONTROLLERS: Final[dict[Controller, tuple[str, ...]]] = {
    Controller.PVSCSI: ("pvscsi,id=s", "scsi-hd,drive=d,bus=s.0,bootindex=1"),
    Controller.VIRTIO_SCSI: ("virtio-scsi-pci,id=s", "scsi-hd,drive=d,bus=s.0,bootindex=1"),
    Controller.NVME: ("nvme,drive=d,serial=lab,bootindex=1",),
    Controller.AHCI: ("ich9-ahci,id=s", "ide-hd,drive=d,bus=s.0,bootindex=1"),
    Controller.IDE: ("ide-hd,drive=d,bus=ide.0,bootindex=1",),
}
_NICS: Final = {Nic.VMXNET3: "vmxnet3", Nic.VIRTIO_NET: "virtio-net-pci", Nic.E1000E: "e1000e"}
_OVMF: Final = Path("/usr/share/OVMF")
_POLL: Final = 0.1


@dataclass(frozen=True)
class Seen:
    """What a boot showed: its serial text, the seconds it took, whether the awaited text came."""

    serial: str
    seconds: float
    found: bool


@dataclass(frozen=True)
class Machine:
    """The machine to boot on. `chained` gives a boot disk whose GRUB starts the image instead."""

    firmware: Firmware
    controller: Controller
    nic: Nic = Nic.VMXNET3
    mac: str = "00:50:56:1a:b2:c3"
    memory: int = 1024
    """MiB."""
    keep: bool = False
    chained: Path | None = None

    def command(self, image: Path, work: Path) -> list[str]:
        """QEMU's command line; firmware variables, serial log and QMP socket lie in `work`."""
        q35 = self.firmware is Firmware.UEFI or self.controller is Controller.AHCI
        drive = f"if=none,id=d,file={image},format=qcow2"
        command = ["qemu-system-x86_64", "-machine", "q35" if q35 else "pc"]
        command += ["-accel", "tcg,thread=multi,tb-size=256", "-smp", "1", "-m", str(self.memory)]
        command += ["-nodefaults", "-display", "none", "-device", "VGA"]
        command += ["-serial", f"file:{work}/serial", "-qmp", f"unix:{work}/qmp,server,nowait"]
        command += ["-drive", drive if self.keep else f"{drive},snapshot=on"]
        for device in _CONTROLLERS[self.controller]:
            command += ["-device", device]
        command += ["-netdev", "user,id=n"]
        command += ["-device", f"{_NICS[self.nic]},netdev=n,mac={self.mac},romfile="]
        if self.chained:
            command += ["-drive", f"if=none,id=c,file={self.chained},format=raw,snapshot=on"]
            command += ["-device", "virtio-blk-pci,drive=c,bootindex=0"]
        return command + (_firmware(work) if self.firmware is Firmware.UEFI else [])


def _firmware(work: Path) -> list[str]:
    variables = work / "vars"
    shutil.copyfile(_OVMF / "OVMF_VARS_4M.fd", variables)
    code = f"if=pflash,format=raw,unit=0,readonly=on,file={_OVMF}/OVMF_CODE_4M.fd"
    return ["-drive", code, "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]


def boot(
    image: Path, machine: Machine, until: str, seconds: float, picture: Path | None = None
) -> Seen:
    """Boot until the serial text matches `until`, QEMU ends, or `seconds` are over.

    Takes a PNG of the screen just before the machine is stopped.
    """
    with tempfile.TemporaryDirectory(prefix="tryout-") as name:
        work = Path(name)
        serial = work / "serial"
        start = time.monotonic()
        with _running(machine.command(image, work)) as process:
            found = False
            while not found and process.poll() is None and time.monotonic() - start < seconds:
                time.sleep(_POLL)
                found = bool(re.search(until, _text(serial)))
            took = time.monotonic() - start
            if picture and process.poll() is None:
                time.sleep(1)
                with Qmp(work / "qmp") as qmp:
                    qmp("screendump", filename=str(picture.resolve()), format="png")
        return Seen(_text(serial), took, found)


def _text(serial: Path) -> str:
    return serial.read_text(errors="replace") if serial.exists() else ""


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)
