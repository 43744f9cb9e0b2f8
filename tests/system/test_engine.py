"""The engine image by itself: firmware that checks signatures starts it."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from imageport.engine.image.build import engine_image
from imageport.model.target import Firmware
from lab.guests import WindowsMaster, master

_OVMF = Path("/usr/share/OVMF")
_SECONDS = 180.0


def _starts(disk: Path, folder: Path, words: str) -> str:
    """Start `disk` with Microsoft's keys enrolled and enforced; its serial text up to `words`."""
    shutil.copy(_OVMF / "OVMF_VARS_4M.ms.fd", folder / "vars.fd")
    serial = folder / "serial.log"
    code = _OVMF / "OVMF_CODE_4M.ms.fd"
    argv = [
        *("qemu-system-x86_64", "-machine", "q35,smm=on", "-accel", "tcg,tb-size=256"),
        *("-cpu", "max", "-m", "1024", "-nodefaults", "-display", "none", "-device", "VGA"),
        *("-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={folder / 'vars.fd'}"),
        *("-drive", f"if=none,id=disk,file={disk},format=qcow2,snapshot=on"),
        *("-device", "nvme,drive=disk,serial=1", "-serial", f"file:{serial}"),
    ]
    with subprocess.Popen(argv) as machine:
        deadline = time.monotonic() + _SECONDS
        said = ""
        while words not in said and time.monotonic() < deadline:
            time.sleep(0.2)
            said = serial.read_text(errors="replace") if serial.exists() else ""
        machine.kill()
    return said


def test_secure_boot_starts_the_engine(tmp_path: Path) -> None:
    said = _starts(engine_image(print).disk, tmp_path, "imageport engine:")
    assert "found no boot data" in said
    assert "Access Denied" not in said


@pytest.mark.slow
def test_that_firmware_refuses_what_is_not_signed(tmp_path: Path) -> None:
    said = _starts(master(WindowsMaster(Firmware.UEFI)), tmp_path, "Access Denied")
    assert "Access Denied" in said
