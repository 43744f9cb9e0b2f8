"""Runs pieces of work side by side, each in a process of its own, and prints their ratios."""

from __future__ import annotations

import contextlib
import mmap
import os
import statistics
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imageport.disk.base import MIB, DiskReader
from imageport.disk.treehash import requests
from imageport.disk.workers import run_parallel, workers_for

RUNS = 3
_MEMORY = 6 << 30
"""More than any piece of work writes."""

Work = Callable[[], None]


@dataclass(frozen=True)
class Readied:
    """A piece of work, and what is done before each run of it, outside of its time."""

    ready: Work
    work: Work

    def __call__(self) -> None:
        self.work()


@dataclass(frozen=True)
class Run:
    """What a process took: seconds by the clock and of the processor, and peak MiB."""

    seconds: float
    cpu: float
    peak: float


def in_child(work: Work) -> Run:
    """Run `work` in a process of its own; what its children take counts, too."""
    started = time.monotonic()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001  # said here: the process ends below
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    seconds = time.monotonic() - started
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def shell(*argv: str | Path) -> Work:
    """A program to its end."""

    def work() -> None:
        subprocess.run(list(map(str, argv)), check=True, stdout=subprocess.DEVNULL)

    return work


def heading(title: str) -> None:
    """Begin a table; `x` is by medians, `x best` by the fastest run of each."""
    print(f"\n{title}")
    names = f"{'s':>8}{'cpu s':>8}{'x':>8}{'x best':>8}{'x cpu':>8}{'goal':>7}{'MiB':>7}{'size':>7}"
    print(f"  {'':34}{names}", flush=True)


def compare(
    name: str, others: Mapping[str, Work], own: Work, goals: Sequence[float], out: Path | None
) -> None:
    """Run `own` and the others in turn, and print a line for each other: own's ratio to it.

    Each runs once before it counts, and another one begins each round. `goals` are the ratios
    wanted, one for each of the others. `out` is removed before each run; its size is compared with
    the first other's.
    """
    works = {"own": own, **others}
    runs: dict[str, list[Run]] = {label: [] for label in works}
    sizes: dict[str, int] = {}
    for turn in range(-1, RUNS):
        order = list(works.items())
        for label, work in order[turn:] + order[:turn]:
            if out is not None:
                out.unlink(missing_ok=True)
                # What an earlier run wrote must not be written back during this one.
                os.sync()
                have_memory()
            if isinstance(work, Readied):
                work.ready()
            run = in_child(work)
            if turn >= 0:
                runs[label].append(run)
            sizes[label] = out.stat().st_blocks * 512 if out is not None and out.exists() else 0
    mine = _middle(runs["own"])
    print(f"  {name + ': own':34}{mine.seconds:8.2f}{mine.cpu:8.2f}{'':31}{mine.peak:7.0f}")
    for (label, found), goal in zip(list(runs.items())[1:], goals, strict=True):
        it = _middle(found)
        ratio = it.seconds / mine.seconds
        best = _fastest(found) / _fastest(runs["own"])
        size = f"{sizes['own'] / sizes[label]:7.2f}" if sizes[label] else ""
        mark = " " if ratio >= goal else "!"
        print(
            f"  {'    ' + label:34}{it.seconds:8.2f}{it.cpu:8.2f}{ratio:8.2f}"
            f"{best:8.2f}{it.cpu / mine.cpu:8.2f}{goal:6.2f}{mark}{it.peak:7.0f}{size}",
            flush=True,
        )


def have_memory() -> None:
    """Let a virtual computer have memory for the next file: the host takes back what is unused."""
    with mmap.mmap(-1, _MEMORY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE):
        pass


def forget_files() -> None:
    """Drop clean pages of files, so that memory is free; only root may."""
    with contextlib.suppress(PermissionError):
        Path("/proc/sys/vm/drop_caches").write_text("1", encoding="ascii")


def _fastest(runs: list[Run]) -> float:
    return min(run.seconds for run in runs)


def _middle(runs: list[Run]) -> Run:
    return Run(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.cpu for run in runs),
        max(run.peak for run in runs),
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

    run_parallel(requests(reader), start_worker, workers or workers_for(reader))
