"""Writing a page blob beside a bare loop and Microsoft's client: `python bench/pageblob.py FOLDER`.

All send the same noise over TLS to a sink on this computer that hashes and discards. The bare loop
does what cannot be left out: it reads the file, hashes it as a tree hash does, computes the CRC-64
of each page, and writes requests to its own connections, on as many threads as serve it best.
Prints the medians of three rounds, and ratios to the best of the bare loops; each round runs every
case once, in turn.
"""

from __future__ import annotations

import hashlib
import os
import queue
import socket
import ssl
import statistics
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from azure.storage.blob import BlobClient

from bench.measure import in_child
from bench.sink import sink
from imageport.disk.base import MIB
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.ends.pageblob.checksum import Checksum
from imageport.disk.ends.pageblob.service import API_VERSION, Options
from imageport.disk.ends.pageblob.target import PageBlobTarget
from imageport.disk.manifest import BLOCK
from imageport.disk.open import open_disk
from imageport.model.credentials import AzureSas
from imageport.model.target import DiskFormat
from lab.certificates import LabAuthority

RUNS = 3
SIZE = 1024 * MIB
ANSWER = {
    "x-ms-blob-type": "PageBlob",
    "x-ms-lease-id": "0",
    "ETag": '"0x1"',
    "Last-Modified": "Wed, 25 Nov 2026 00:00:00 GMT",
    "x-ms-version": API_VERSION,
    "Content-Type": "application/octet-stream",
}
SAS = AzureSas("sv=2023-11-03&sr=b&sp=rcwd&sig=none")


def bare(raw: Path, port: int, ca: Path, threads: int) -> None:
    """Requests of 1 MiB, the same bytes and sums, and nothing else."""
    context = ssl.create_default_context(cafile=str(ca))
    tasks: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    for offset in range(0, SIZE, MIB):
        tasks.put(offset)
    failed: list[bytes] = []

    def work() -> None:
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        file = os.open(raw, os.O_RDONLY)
        view = memoryview(bytearray(MIB))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as peer:
            while (offset := tasks.get()) is not None:
                os.preadv(file, [view], offset)
                for start in range(0, MIB, BLOCK):
                    hashlib.sha256(view[start : start + BLOCK]).digest()
                head = (
                    f"PUT /c/b?comp=page&{SAS.sas} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    f"x-ms-page-write: update\r\nx-ms-version: {API_VERSION}\r\n"
                    f"x-ms-range: bytes={offset}-{offset + MIB - 1}\r\n"
                    f"x-ms-content-crc64: {Checksum.CRC64.of(view)}\r\n"
                    f"Content-Length: {MIB}\r\n\r\n"
                )
                peer.sendall(head.encode())
                peer.sendall(view)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    answer += peer.recv(4096)
                if not answer.startswith(b"HTTP/1.1 201"):
                    failed.append(answer)
        os.close(file)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        tasks.put(None)
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed


def own(raw: Path, port: int, ca: Path, threads: int, checksum: str) -> None:
    place = PageBlobTarget(
        f"https://127.0.0.1:{port}/c/b",
        SAS,
        state=raw.with_suffix(".state"),
        overwrite=True,
        options=Options(ca=ca, checksum=Checksum(checksum)),
    )
    with open_disk(raw) as reader:
        copy(reader, create_disk(place, DiskFormat.VHD_FIXED, reader.size), workers=threads)


def plain(raw: Path, port: int, ca: Path, threads: int) -> None:
    """Microsoft's client as its manual shows it; 1 thread is its default."""
    client = BlobClient.from_blob_url(
        f"https://127.0.0.1:{port}/c/b?{SAS.sas}",
        connection_verify=str(ca),
        api_version=API_VERSION,
    )
    with open(raw, "rb") as file:
        client.upload_blob(
            file, blob_type="PageBlob", length=SIZE, overwrite=True, max_concurrency=threads
        )
    client.close()


class Run(NamedTuple):
    """MiB for each second by the clock and of the processor, and peak MiB of memory."""

    rate: float
    cpu: float
    peak: float


def timed(work: Callable[[], None]) -> Run:
    """Run `work` in a process of its own."""
    run, mib = in_child(work), SIZE / MIB
    return Run(mib / run.seconds, mib / run.cpu, run.peak)


def main(folder: Path) -> None:
    raw = folder / "bench.raw"
    with open(raw, "wb") as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
    authority = LabAuthority(folder / "ca")
    okay = (b"comp=metadata", b"comp=properties")
    with sink(*authority.sign("server"), ANSWER, not_created=okay) as port:
        where = (raw, port, authority.path)
        bares = {f"bare loop, {n} threads": partial(bare, *where, n) for n in (2, 4, 8, 16)}
        owns = {
            f"own, {n} threads, {kind}": partial(own, *where, n, kind)
            for n, kind in ((2, "crc64"), (4, "crc64"), (16, "crc64"), (4, "md5"), (4, "none"))
        }
        plains = {f"azure-storage-blob, {n}": partial(plain, *where, n) for n in (1, 4, 16)}
        cases: dict[str, Callable[[], None]] = {**bares, **owns, **plains}
        runs: dict[str, list[Run]] = {name: [] for name in cases}
        for _ in range(RUNS):
            for name, work in cases.items():
                runs[name].append(timed(work))
    middle = {
        name: Run(*(statistics.median(column) for column in zip(*found, strict=True)))
        for name, found in runs.items()
    }
    best = Run(*(max(column) for column in zip(*(middle[name] for name in bares), strict=True)))
    print(f"{'case':28}{'MiB/s':>8}{'/cpu s':>8}{'x bare':>8}{'x cpu':>8}{'peak':>8}")
    for name, run in middle.items():
        ratios = f"{run.rate / best.rate:8.2f}{run.cpu / best.cpu:8.2f}"
        print(f"{name:28}{run.rate:8.0f}{run.cpu:8.0f}{ratios}{run.peak:8.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
