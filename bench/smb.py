"""An image to and from a share, encrypted, beside smbclient: `python bench/smb.py FOLDER [GIB]`.

The server is a Samba of our own on this computer, its share below FOLDER. Prints medians of three
runs of each, taken in turn, in MiB/s, and the ratios to smbclient (higher is better), by the clock
and by the processor time of the client. "hashed" is `copy` with the tree hash on the way.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.measure import RUNS, Run, discard, in_child, make_source
from imageport.disk.base import MIB, DiskReader, data_bytes
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.smb import SmbFile, SmbLocation, SmbTarget
from imageport.disk.open import open_disk
from imageport.disk.treehash import requests, tree_hash
from imageport.disk.workers import run_parallel
from imageport.model.target import DiskFormat
from tests.contract.ends.samba import Samba


def transfer(source: DiskReader, target: SmbTarget, workers: int) -> None:
    """Write all data without looking at it."""
    writer = create_disk(target, DiskFormat.RAW, source.size)

    def start_worker() -> Callable[[tuple[int, int]], None]:
        buffer = memoryview(bytearray(MIB))

        def work(task: tuple[int, int]) -> None:
            offset, length = task
            source.read_into(offset, buffer[:length])
            writer.write(offset, buffer[:length])

        return work

    run_parallel(requests(source), start_worker, workers)
    writer.finish()


class Bench:
    def __init__(self, folder: Path, gib: float, workers: int) -> None:
        self.workers = workers
        self.samba = Samba(folder / "samba", "smb encrypt = required")
        self.disk = folder / "source.raw"
        make_source(self.disk, gib)
        # smbclient moves holes as data: it gets a file of the data alone.
        self.plain = folder / "plain"
        with open_disk(self.disk) as reader, open(self.plain, "wb") as file:
            buffer = bytearray(MIB)
            for offset, length in requests(reader):
                reader.read_into(offset, memoryview(buffer)[:length])
                file.write(memoryview(buffer)[:length])
            self.mib = data_bytes(reader) / MIB
        self.location = SmbLocation("127.0.0.1", "data", "ours.raw", self.samba.port)

    def target(self) -> SmbTarget:
        state = self.samba.work / "record"
        return SmbTarget(self.location, self.samba.account, state=state, overwrite=True)

    def write(self) -> None:
        with open_disk(self.disk) as reader:
            transfer(reader, self.target(), self.workers)

    def write_hashed(self) -> None:
        with open_disk(self.disk) as reader:
            writer = create_disk(self.target(), DiskFormat.RAW, reader.size)
            copy(reader, writer, workers=self.workers)

    def read(self) -> None:
        with open_disk(SmbFile(self.location, self.samba.account)) as reader:
            discard(reader, self.workers)

    def read_hashed(self) -> None:
        with open_disk(SmbFile(self.location, self.samba.account)) as reader:
            tree_hash(reader, workers=self.workers)

    def put(self) -> None:
        self.samba.client("data", f'put "{self.plain}" theirs.raw')

    def get(self) -> None:
        self.samba.client("data", "get theirs.raw /dev/null")

    def compare(self, name: str, base: Callable[[], None], *ours: Callable[[], None]) -> None:
        runs: list[list[Run]] = [[] for _ in (base, *ours)]
        for _ in range(RUNS):
            for number, work in enumerate((base, *ours)):
                runs[number].append(in_child(work))
        clock = [statistics.median(run.seconds for run in each) for each in runs]
        cpu = [statistics.median(run.cpu for run in each) for each in runs]
        peak = max(run.peak for each in runs[1:] for run in each)
        line = f"{name:6} smbclient {self.mib / clock[0]:5.0f} MiB/s"
        for label, seconds, used in zip(("plain", "hashed"), clock[1:], cpu[1:], strict=False):
            speed, ratio = self.mib / seconds, clock[0] / seconds
            line += f" | {label} {speed:5.0f} MiB/s {ratio:4.2f}x, cpu {cpu[0] / used:4.2f}x"
        print(f"{line} | {peak:.0f} MiB", flush=True)


def main(folder: Path, gib: float, workers: int = SmbFile.workers) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        bench = Bench(Path(name), gib, workers)
        try:
            print(f"{bench.mib:.0f} MiB of data, {workers} workers, medians of {RUNS} runs")
            bench.compare("write", bench.put, bench.write, bench.write_hashed)
            bench.compare("read", bench.get, bench.read, bench.read_hashed)
        finally:
            bench.samba.kill()


if __name__ == "__main__":
    main(
        Path(sys.argv[1]).resolve(),
        float(sys.argv[2]) if len(sys.argv) > 2 else 2.0,
        *map(int, sys.argv[3:4]),
    )
