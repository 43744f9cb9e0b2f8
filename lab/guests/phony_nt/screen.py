"""The two places where a machine is watched: COM1, and the picture on its screen."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

_COM1: Final = "/dev/ttyS0"
_SCREEN: Final = "/dev/tty1"
_TIOCGWINSZ: Final = 0x5413
"""Of asm-generic/ioctls.h; the module `termios` is no part of the small Python in there."""
_CSI: Final = "\033["
BLUE: Final = "0078d7"
TEAL: Final = "004e63"
BLACK: Final = "000000"


def say(line: str) -> None:
    """One line on COM1; a machine without the port loses it."""
    _write(_COM1, f"{line}\n")


def paint(lines: list[str], colour: str) -> None:
    """Fill the screen with `colour` (RRGGBB) and show `lines`, in white, in its middle.

    Works alike on VGA text and on a UEFI framebuffer: both carry the kernel's console, of which
    palette entry 4 is redefined.
    """
    rows, columns = _size()
    top = max((rows - len(lines)) // 2, 1)
    left = max((columns - max(map(len, lines), default=0)) // 2, 1)
    palette = f"\033]P4{colour}\033]PF{'ffffff'}"
    start = f"{palette}{_CSI}0m{_CSI}?25l{_CSI}97;44m{_CSI}2J"
    body = (f"{_CSI}{top + i};{left}H{line[:columns]}" for i, line in enumerate(lines))
    _write(_SCREEN, start + "".join(body))


def _size() -> tuple[int, int]:
    try:
        descriptor = os.open(_SCREEN, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return 25, 80
    try:
        size = fcntl.ioctl(descriptor, _TIOCGWINSZ, bytes(8))
    finally:
        os.close(descriptor)
    rows, columns, _, _ = struct.unpack("4H", size)
    return rows or 25, columns or 80


def _write(device: str, text: str) -> None:
    try:
        descriptor = os.open(device, os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        return
    try:
        os.write(descriptor, text.encode("ascii", errors="replace"))
    except OSError:
        return
    finally:
        os.close(descriptor)
