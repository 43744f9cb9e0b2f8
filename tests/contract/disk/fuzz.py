"""Mutates one image again and again in a process of bounded memory; every outcome but a `DiskError`
or a read is a failure. Run as `python -m tests.contract.disk.fuzz IMAGE SEED SECONDS`.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import time
from pathlib import Path

from imageport.disk.base import ExtentKind
from imageport.disk.errors import DiskError
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk

MIB = 1024 * 1024
MEMORY = 256 * MIB
CASE_SECONDS = 10
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def _bound_memory() -> None:
    """Allow what the interpreter has mapped already, and 256 MiB more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _places(data: bytes) -> list[int]:
    """Offsets of metadata: bytes in 512-byte sectors that are not mostly noise, and both ends."""
    places = []
    for start in range(0, len(data), 512):
        sector = data[start : start + 512]
        if any(sector) and len(set(sector)) < 150:
            places += [start + at for at, byte in enumerate(sector) if byte]
    return places or [0]


def _mutate(data: bytearray, places: list[int], source: random.Random) -> None:
    for _ in range(source.choice((1, 1, 2, 4, 16))):
        at = source.choice(places[:4096] if source.random() < 0.7 else places)
        at = min(max(0, at + source.randrange(-4, 5)), len(data) - 1)
        match source.randrange(4):
            case 0:
                data[at] ^= 1 << source.randrange(8)
            case 1:
                data[at] = source.choice(INTERESTING)
            case 2:
                width = source.choice((2, 4, 8))
                data[at : at + width] = source.choice((b"\xff", b"\0")) * width
            case 3:
                other = source.choice(places)
                data[at : at + 8] = data[other : other + 8]
    if source.random() < 0.1:
        del data[source.randrange(len(data)) :]


def _exercise(reader: MappedReader) -> None:
    buffer = bytearray(64 * 1024)
    for count, extent in enumerate(reader.extents()):
        if count < 50 and extent.kind is ExtentKind.DATA:
            reader.read_into(extent.offset, buffer)


def main(image: str, seed: str, seconds: str) -> None:
    original = Path(image)
    pristine = original.read_bytes()
    places = _places(pristine)
    mutant = original.with_name("mutant" + original.suffix)
    source = random.Random(seed)
    _bound_memory()
    deadline = time.monotonic() + float(seconds)
    cases = refused = 0
    while time.monotonic() < deadline:
        data = bytearray(pristine)
        _mutate(data, places, source)
        mutant.write_bytes(data)
        signal.alarm(CASE_SECONDS)
        try:
            with open_disk(mutant) as reader:
                _exercise(reader)
        except DiskError as error:
            error.as_dict()
            refused += 1
        cases += 1
    signal.alarm(0)
    mutant.unlink()
    print(f"{cases} cases, {refused} refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
