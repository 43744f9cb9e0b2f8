"""Uploading to a Cloud Storage that only hashes and discards: `python -m bench.gcs FOLDER [MIB]`.

Each case runs three times in a process of its own, in turns; printed are the median rate in MiB/s
by the clock and by the sender's processor time, each one's ratio to the bare loop and to Google's
client used plainly (higher is better), and the peak memory in MiB. Clocks say little on a busy
computer, where processor time still does. The bytes do not compress, as those of an archive. Every
case hashes them with CRC-32C, and so does the sink. The second table is of a sink whose connections
are slow, as over a long distance.
"""

from __future__ import annotations

import http.client
import io
import os
import resource
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import google_crc32c

from imageport.disk.base import MIB
from imageport.disk.copy import copy
from imageport.disk.ends.gcs import GcsMethod, GcsPlace, GcsTarget
from imageport.disk.ends.gcs.target import PART, SENDERS
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.open import open_disk
from imageport.disk.workers import run_parallel

RUNS = 3
SLOW = 25
"""MiB/s of a slow connection."""
PIECE = 700_000
"""Bytes of what the archive's writer hands over at once: a deflated MiB."""
POOL = os.urandom(PIECE * 24)


class Sink:
    """Where a case sends to."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder, self.ca = port, folder, folder / "ca-cert.pem"
        self.endpoint = f"https://127.0.0.1:{port}"

    def target(self, method: GcsMethod) -> GcsTarget:
        place = GcsPlace("bucket", f"{method}.tar.gz", endpoint=self.endpoint, ca=self.ca)
        return GcsTarget(place, state=self.folder / f"{method}.json", method=method)


def pieces(total: int) -> Iterator[bytes]:
    for number in range(total // PIECE):
        at = number % 24 * PIECE
        yield POOL[at : at + PIECE]


def bare(sink: Sink, total: int) -> None:
    """Requests of `PART` bytes on as many connections as ours, and nothing else."""

    def bodies() -> Iterator[tuple[int, list[bytes]]]:
        held: list[bytes] = []
        for number, piece in enumerate(pieces(total)):
            held.append(piece)
            if len(held) == PART // PIECE:
                yield number, held
                held = []
        if held:
            yield 0, held

    def start_worker() -> Callable[[tuple[int, list[bytes]]], None]:
        context = ssl.create_default_context(cafile=str(sink.ca))
        peer = http.client.HTTPSConnection("127.0.0.1", sink.port, context=context)

        def send(task: tuple[int, list[bytes]]) -> None:
            number, body = task
            crc = 0
            for piece in body:
                crc = google_crc32c.extend(crc, piece)
            headers = {"Content-Length": str(sum(map(len, body)))}
            path = f"/upload/storage/v1/b/bucket/o?uploadType=media&name=bare{number}"
            peer.request("POST", path, iter(body), headers)
            peer.getresponse().read()

        return send

    run_parallel(bodies(), start_worker, SENDERS)


def stream(sink: Sink, total: int, method: GcsMethod) -> None:
    target = sink.target(method)
    target.open()
    at = 0
    for piece in pieces(total):
        target.write(at, piece)
        at += len(piece)
    target.complete()


def plain_sdk(sink: Sink, total: int) -> tuple[float, float]:
    """google-cloud-storage as its documentation shows it."""
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415  # others' memory
    from google.cloud import storage  # noqa: PLC0415

    os.environ["REQUESTS_CA_BUNDLE"] = str(sink.ca)
    client = storage.Client(
        project="p",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": sink.endpoint},
    )
    source = io.BytesIO(b"".join(pieces(total)))
    size = source.getbuffer().nbytes
    # Its bytes had to be put together first: that does not count.
    marks = time.monotonic(), time.process_time()
    client.bucket("bucket").blob("sdk").upload_from_file(source, size=size)
    return marks


def archive(sink: Sink, total: int) -> None:
    """A whole copy: read, hash, deflate, upload."""
    path = sink.folder / "disk.raw"
    with open_disk(path) as reader:
        target = sink.target(GcsMethod.COMPOSITE)
        copy(reader, GcpArchiveWriter(target, reader))


CASES: dict[str, Callable[[Sink, int], tuple[float, float] | None]] = {
    "bare loop": bare,
    "composite": lambda sink, total: stream(sink, total, GcsMethod.COMPOSITE),
    "resumable": lambda sink, total: stream(sink, total, GcsMethod.RESUMABLE),
    "plain SDK": plain_sdk,
    "copy to archive": archive,
}


def run_case(name: str, port: int, folder: Path, mib: int) -> None:
    """In the child: prints seconds by clock and processor, and peak KiB."""
    sink = Sink(port, folder)
    clock, processor = time.monotonic(), time.process_time()
    marks = CASES[name](sink, mib * MIB)
    if marks is not None:
        clock, processor = marks
    took = time.monotonic() - clock, time.process_time() - processor
    print(*took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def measure(name: str, port: int, folder: Path, mib: int) -> tuple[float, float, int]:
    command = [sys.executable, "-m", "bench.gcs", "--case", name, str(port), str(folder), str(mib)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(said[0]), float(said[1]), int(said[2])


def make_disk(path: Path, size: int) -> None:
    with open(path, "wb") as file:
        for at in range(0, size, 4 * MIB):
            # Half noise, half text: it deflates to half.
            file.seek(at)
            file.write(os.urandom(2 * MIB) + b"a line of text that repeats\n" * (2 * MIB // 28))
        file.truncate(size)


def table(folder: Path, mib: int, rate: float) -> None:
    argv = [sys.executable, "-m", "bench.gcs_sink", str(folder), str(rate)]
    sink = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    port = int(sink.stdout.readline())
    try:
        taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in CASES}
        for _ in range(RUNS):
            for name, results in taken.items():
                results.append(measure(name, port, folder, mib))
    finally:
        sink.kill()
        sink.wait()
    rates = [
        {name: mib / statistics.median(run[kind] for run in runs) for name, runs in taken.items()}
        for kind in (0, 1)
    ]
    title = f"{'':<16}" + f"{'MiB/s':>8} {'to bare':>7} {'to SDK':>7}" * 2 + f"{'MiB':>6}   clock"
    print(f"{'':<16}{'by the clock':>24}{'by processor time':>24}", title, sep="\n")
    for name, runs in taken.items():
        cells = "".join(
            f"{rate[name]:8.0f} {rate[name] / rate['bare loop']:7.2f} "
            f"{rate[name] / rate['plain SDK']:7.2f}"
            for rate in rates
        )
        peak = max(run[2] for run in runs) // 1024
        print(f"{name:<16}{cells}{peak:6}  ", *(f"{mib / run[0]:.0f}" for run in runs))


def main(folder: Path, mib: int) -> None:
    make_disk(folder / "disk.raw", mib * MIB)
    print("connections as fast as they can")
    table(folder, mib, 0)
    print(f"connections of {SLOW} MiB/s")
    table(folder, mib, SLOW)


if __name__ == "__main__":
    if sys.argv[1] == "--case":
        run_case(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
    else:
        place = Path(sys.argv[1])
        place.mkdir(parents=True, exist_ok=True)
        main(place.absolute(), int(sys.argv[2]) if len(sys.argv) > 2 else 1024)
