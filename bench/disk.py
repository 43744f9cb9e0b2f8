"""Reading, hashing and converting disks beside qemu-img: `python bench/disk.py FOLDER [GIB]`.

Prints, for each case, the medians of three runs in seconds, the ratios to qemu-img in the same run
by the clock and by processor time (higher is better), the peak memory in MiB, and the size of the
file written as a ratio to qemu-img's.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


def system_files() -> Iterator[bytes]:
    """Pieces of 1 MiB of the files of this system, again and again: what real disks hold."""
    while True:
        for folder in ("/usr/lib", "/usr/bin", "/usr/share"):
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    data = path.read_bytes()
                    yield from (data[at : at + MIB] for at in range(0, len(data), MIB))


def make_source(path: Path, gib: float) -> None:
    """A disk half full of system files, in runs of 16 MiB with holes and zeros between them."""
    size = int(gib * 1024) * MIB
    with open(path, "wb") as file:
        file.truncate(size)
        pieces = system_files()
        for number, start in enumerate(range(0, size, 32 * MIB)):
            file.seek(start)
            while (room := min(start + 16 * MIB, size) - file.tell()) > 0:
                file.write(next(pieces)[:room])
            if number % 4 == 0:
                file.write(bytes(4 * MIB))


def discard(reader: DiskReader, workers: int | None = None) -> None:
    """Read all data to nowhere, on several threads."""

    def start_worker() -> Callable[[tuple[int, int]], None]:
        buffer = memoryview(bytearray(MIB))

        def work(task: tuple[int, int]) -> None:
            reader.read_into(task[0], buffer[: task[1]])

        return work

    run_parallel(requests(reader), start_worker, workers or default_workers())


@dataclass(frozen=True)
class Run:
    """What a process took: seconds by the clock and of the processor, and peak MiB."""

    seconds: float
    cpu: float
    peak: float


def in_child(work: Callable[[], None]) -> Run:
    """Run `work` in a process of its own."""
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
    seconds = time.monotonic() - started
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def qemu(*argv: str | Path) -> Callable[[], None]:
    def work() -> None:
        subprocess.run(list(map(str, argv)), check=True, capture_output=True)

    return work


def compare(
    name: str, base: Callable[[], None], own: Callable[[], None], out: Path | None = None
) -> None:
    """Run both in turn and print one line."""
    runs: dict[str, list[Run]] = {"base": [], "own": []}
    sizes: dict[str, int] = {}
    for _ in range(RUNS):
        for label, work in (("base", base), ("own", own)):
            if out is not None:
                out.unlink(missing_ok=True)
            runs[label].append(in_child(work))
            sizes[label] = out.stat().st_size if out is not None else 0
    one, two = (statistics.median(run.seconds for run in runs[label]) for label in runs)
    cpu_one, cpu_two = (statistics.median(run.cpu for run in runs[label]) for label in runs)
    peak = max(run.peak for run in runs["own"])
    size = f"{sizes['own'] / sizes['base']:8.2f}" if out is not None else ""
    ratios = f"{one / two:7.1f}{cpu_one / cpu_two:7.1f}"
    print(f"{name:28}{one:7.2f}{two:7.2f}{ratios}{peak:7.0f}{size}", flush=True)


def main(folder: Path, gib: float) -> None:
    raw, out = folder / "bench.raw", folder / "bench.out"
    make_source(raw, gib)
    print(f"{'case':28}{'qemu s':>7}{'own s':>7}{'x wall':>7}{'x cpu':>7}{'MiB':>7}{'x size':>8}")
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
