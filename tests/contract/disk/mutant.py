"""Files that are damaged in place, again and again, and mended each time."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Self

from imageport.disk.vhdx.crc32c import crc32c
from tests.unit.disk.builders import vhd_checksum

KIB = 1024
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
VHDX_SEALS = (
    (64 * KIB, 4 * KIB),
    (128 * KIB, 4 * KIB),
    (192 * KIB, 64 * KIB),
    (256 * KIB, 64 * KIB),
)
"""(offset, length) of what VHDX has checksums of, but for its log."""


class Mutant:
    """One file; only what is changed is written, so that a case costs next to nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pristine = path.read_bytes()
        self.data = bytearray(self._pristine)
        self._touched: list[tuple[int, int]] = []
        self._fd = os.open(path, os.O_RDWR)
        self.places = list(self._metadata())

    def damage(self, source: random.Random) -> Self:
        """Change the file at random; sometimes make its checksums right again, sometimes cut it."""
        for _ in range(source.choice((1, 1, 2, 4, 16))):
            at = source.choice(self.places[:4096] if source.random() < 0.7 else self.places)
            at = min(max(0, at + source.randrange(-4, 5)), len(self.data) - 1)
            self._poke(at, self._change(at, source))
        if source.random() < 0.7:
            self._seal()
        for at, length in self._touched:
            os.pwrite(self._fd, self.data[at : at + length], at)
        if source.random() < 0.1:
            os.ftruncate(self._fd, source.randrange(len(self.data)))
        return self

    def mend(self) -> None:
        """Make the file what it was."""
        size = os.fstat(self._fd).st_size
        if size != len(self._pristine):
            os.ftruncate(self._fd, min(size, len(self._pristine)))
            os.pwrite(self._fd, self._pristine[size:], size)
        for at, length in self._touched:
            self.data[at : at + length] = self._pristine[at : at + length]
            os.pwrite(self._fd, self.data[at : at + length], at)
        self._touched.clear()

    def _change(self, at: int, source: random.Random) -> bytes:
        match source.randrange(4):
            case 0:
                return bytes([self.data[at] ^ 1 << source.randrange(8)])
            case 1:
                return bytes([source.choice(INTERESTING)])
            case 2:
                return source.choice((b"\xff", b"\0")) * source.choice((2, 4, 8))
        other = source.choice(self.places)
        return bytes(self.data[other : other + source.choice((4, 8, 16))])

    def _poke(self, at: int, what: bytes) -> None:
        what = what[: len(self.data) - at]
        self.data[at : at + len(what)] = what
        self._touched.append((at, len(what)))

    def _seal(self) -> None:
        """Let damage reach what is behind the checksums of VHD and VHDX."""
        touched = list(self._touched)
        if self._pristine.startswith(b"vhdxfile"):
            for start, length in VHDX_SEALS:
                if any(start <= at < start + length for at, _ in touched):
                    plain = bytes(self.data[start : start + length])
                    sealed = crc32c(plain[:4] + bytes(4) + plain[8:])
                    self._poke(start + 4, sealed.to_bytes(4, "little"))
        for magic, length, field in ((b"conectix", 512, 64), (b"cxsparse", 1024, 36)):
            for start in (0, 512, len(self.data) - 512):
                if self._pristine.startswith(magic, start):
                    plain = bytes(self.data[start : start + length])
                    checksum = vhd_checksum(plain[:field] + plain[field + 4 :])
                    self._poke(start + field, checksum.to_bytes(4, "big"))

    def _metadata(self) -> list[int]:
        """Offsets of bytes in 512-byte sectors that are not mostly noise; the first, if none."""
        places = []
        for start in range(0, len(self._pristine), 512):
            sector = self._pristine[start : start + 512]
            if any(sector) and len(set(sector)) < 150 and b"imageportimageport" not in sector:
                places += [start + at for at, byte in enumerate(sector) if byte]
        return places or [0]
