"""A unified kernel image: one EFI program that is systemd's stub, a kernel and an initramfs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imageport.host.run import run

_STUB: Final = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
_ADDRESSES: Final = {
    ".osrel": 0x20000,
    ".cmdline": 0x30000,
    ".linux": 0x2000000,
    ".initrd": 0x4000000,
}
"""Section addresses of systemd-stub(7) before 254: anywhere above the stub, none overlapping."""


def build_uki(made: Path, kernel: Path, initramfs: Path, command_line: str) -> None:
    """Write the EFI program `made`."""
    release, arguments = made.with_suffix(".osrel"), made.with_suffix(".cmdline")
    release.write_text("ID=phony-windows\nVERSION_ID=1\n")
    arguments.write_text(command_line)
    sections = {".osrel": release, ".cmdline": arguments, ".linux": kernel, ".initrd": initramfs}
    options: list[str] = []
    for name, file in sections.items():
        options += ["--add-section", f"{name}={file}"]
        options += ["--change-section-vma", f"{name}={_ADDRESSES[name]:#x}"]
    run(["objcopy", *options, _STUB, made])
