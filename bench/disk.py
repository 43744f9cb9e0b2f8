"""Reading, hashing and converting disks beside qemu-img: `python bench/disk.py FOLDER [GIB]`.

Prints, for each case, the median of three runs in seconds, the ratio to qemu-img in the same
run (higher is better), the peak memory of the process, and the size of the file written.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from imageport.disk.base import MIB, DiskReader
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.open import open_disk
from imageport.disk.treehash import requests, tree_hash
from imageport.disk.workers import default_workers, run_parallel
from imageport.model.target import DiskFormat

RUNS = 3
SOURCES = (
    ("raw", "raw", ""),
    ("vhd", "vpc", "subformat=dynamic,force_size=on"),
    ("vhdx", "vhdx", ""),
    ("qcow2", "qcow2", ""),
    ("vmdk", "vmdk", "subformat=streamOptimized"),
)
TARGETS = (
    (DiskFormat.RAW, "raw", ""),
    (DiskFormat.VHD_FIXED, "vpc", "subformat=fixed,force_size=on"),
    (DiskFormat.VHD, "vpc", "subformat=dynamic,force_size=on"),
    (DiskFormat.VHDX, "vhdx", ""),
    (DiskFormat.QCOW2, "qcow2", ""),
    (DiskFormat.VMDK, "vmdk", "subformat=streamOptimized"),
)


def make_source(path: Path, gib: float) -> None:
    """A disk half full: text-like, noise and zeros in pieces of 256 KiB to 16 MiB."""
    source, size = random.Random(1), int(gib * 1024) * MIB
    words = [source.randbytes(source.randrange(3, 9)) for _ in range(4000)]
    text = b"".join(source.choice(words) for _ in range(400_000))
    with open(path, "wb") as file:
        file.truncate(size)
        at = 0
        while at < size:
            length = min(source.randrange(1, 64) * 256 * 1024, size - at)
            file.seek(at)
            match source.randrange(4):
                case 0:
                    file.write(source.randbytes(length))
                case 1:
                    start = source.randrange(len(text))
                    file.write((text[start:] + text * (length // len(text) + 1))[:length])
            at += length


def discard(reader: DiskReader) -> None:
    """Read all data to nowhere, on several threads."""

    def start_worker() -> Callable[[tuple[int, int]], None]:
        buffer = memoryview(bytearray(MIB))

        def work(task: tuple[int, int]) -> None:
            reader.read_into(task[0], buffer[: task[1]])

        return work

    run_parallel(requests(reader), start_worker, default_workers())


def in_child(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds and peak MiB of `work` in a process of its own."""
    started = time.monotonic()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return time.monotonic() - started, usage.ru_maxrss / 1024


def qemu(*argv: str | Path) -> Callable[[], None]:
    return lambda: subprocess.run(list(map(str, argv)), check=True, capture_output=True) and None


def compare(
    name: str, base: Callable[[], None], own: Callable[[], None], out: Path | None = None
) -> None:
    """Run both in turn and print one line."""
    times: dict[str, list[float]] = {"base": [], "own": []}
    sizes: dict[str, int] = {}
    peak = 0.0
    for _ in range(RUNS):
        for label, work in (("base", base), ("own", own)):
            if out is not None:
                out.unlink(missing_ok=True)
            seconds, memory = in_child(work)
            times[label].append(seconds)
            sizes[label] = out.stat().st_size if out is not None else 0
            peak = max(peak, memory) if label == "own" else peak
    base_time, own_time = (statistics.median(times[label]) for label in ("base", "own"))
    extra = f"  size x{sizes['own'] / sizes['base']:.2f}" if out is not None else ""
    ratio = base_time / own_time
    print(f"{name:28}{base_time:8.2f}{own_time:8.2f}{ratio:8.1f}x{peak:7.0f} MiB{extra}")


def main(folder: Path, gib: float) -> None:
    raw, out = folder / "bench.raw", folder / "bench.out"
    make_source(raw, gib)
    print(f"{'case':28}{'qemu s':>8}{'own s':>8}{'ratio':>9}{'peak':>7}")
    null = ("-n", "-O", "null-co", "null-co://")
    for suffix, driver, options in SOURCES:
        path = raw if driver == "raw" else folder / f"bench.{suffix}"
        if path != raw:
            argv = ["qemu-img", "convert", "-O", driver, *(["-o", options] if options else [])]
            subprocess.run([*argv, raw, path], check=True)
        own: dict[str, Callable[[DiskReader], object]] = {"read": discard, "hash": tree_hash}
        for verb, work in own.items():

            def run(path: Path = path, work: Callable[[DiskReader], object] = work) -> None:
                with open_disk(path) as reader:
                    work(reader)

            compare(f"{verb} {suffix}", qemu("qemu-img", "convert", "-f", driver, path, *null), run)
        if path != raw:
            path.unlink()
    for form, driver, options in TARGETS:

        def convert(form: DiskFormat = form) -> None:
            with open_disk(raw) as reader:
                copy(reader, create_disk(out, form, reader.size))

        argv = ["qemu-img", "convert", "-f", "raw", "-O", driver]
        base = qemu(*argv, *(["-o", options] if options else []), raw, out)
        compare(f"raw to {form}, hashed", base, convert, out)
    out.unlink(missing_ok=True)
    raw.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 2)
