"""Watching a boot: what the console says, and the pictures worth keeping."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

from PIL import Image

from imageport.model.proof import Verdict
from imageport.platforms.base import Console

_DOES_NOT_BOOT = (
    (re.compile(r"\*\*\* STOP: (0x[0-9A-Fa-f]+)[^\r\n]*"), "Windows stopped"),
    (re.compile(r"ALERT!\s+(\S+) does not exist[^\r\n]*"), "no root disk"),
    (re.compile(r"Kernel panic[^\r\n]*"), "kernel panic"),
    (re.compile(r"Warning: (\S+) does not exist[^\r\n]*"), "no root disk"),
    (re.compile(r"No bootable device[^\r\n]*"), "firmware found nothing to start"),
    (re.compile(r"BdsDxe: No bootable option[^\r\n]*"), "firmware found nothing to start"),
    (re.compile(r"grub rescue>"), "boot loader stopped"),
)
_BOOTS = (re.compile(r"(?m)^\S+ login: *$"), re.compile(r"SAC>"))

_CURSOR = 100
"""Pixels that a blinking cursor may have."""

_ESCAPES = re.compile(r"\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9])")


def plain(text: str) -> str:
    """Console text without terminal escapes."""
    return _ESCAPES.sub("", text).replace("\r", "")


def verdict_of(text: str) -> tuple[Verdict, str]:
    """What the (plain) serial text of a boot shows, and the line that shows it."""
    for pattern, meaning in _DOES_NOT_BOOT:
        match = pattern.search(text)
        if match:
            return Verdict.DOES_NOT_BOOT, f"{meaning}: {match[0].strip()}"
    for pattern in _BOOTS:
        match = pattern.search(text)
        if match:
            return Verdict.BOOTS, match[0].strip()
    return Verdict.UNDECIDED, "neither a failure nor a login was seen"


class Evidence:
    """Keeps the last picture that shows something, and the serial text, under one name.

    The text before `skip` characters is not the boot's; what comes after `until` neither, and the
    screen from then on neither. When the text has `last_words` the machine is about to restart: the
    screen is kept once more, before it shows firmware and boot loader again.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        skip: int = 0,
        until: str | None = None,
        last_words: str | None = None,
    ) -> None:
        self.picture = folder / f"{name}.png"
        self.serial = folder / f"{name}-serial.txt"
        self._skip = skip
        self._until = until
        self._last_words = last_words
        self._looked = 0.0
        # A process that goes on with a boot may come when all has been said, and seen.
        self._going = not self.picture.exists()
        self._shown: tuple[str, int] = ("", 0)
        self.changed = time.monotonic()
        """When text or screen last changed, by more than a cursor."""

    def look(self, console: Console, *, every: float = 1.0) -> str:
        """Keep what a console shows, pictures at most once in `every` seconds; returns its text."""
        text = plain(console.text[self._skip :])
        over = bool(self._until) and str(self._until) in text
        if over:
            text = text.partition(str(self._until))[0]
        self.serial.write_text(text)
        ending = bool(self._last_words) and str(self._last_words) in text
        if over or (ending and not self._going):
            return text
        due = ending or time.monotonic() - self._looked >= every
        self._going = not ending
        if due and console.picture:
            self._looked = time.monotonic()
            shown = ink(console.picture)
            if shown > _CURSOR:
                self.picture.write_bytes(console.picture)
            said, before = self._shown
            if said != text or abs(shown - before) > _CURSOR:
                self._shown, self.changed = (text, shown), self._looked
        return text


def ink(picture: bytes) -> int:
    """Pixels that stand out from the picture's most common shade: few on an empty screen."""
    with Image.open(io.BytesIO(picture)) as image:
        shades = image.convert("L").histogram()
        return image.width * image.height - max(shades)
