"""What a share between source and target costs: `python -m bench.staging FOLDER [GIB]`.

An image goes from a disk file to another by a share, as `$export` and `$upload` do, and straight,
as `$migrate` does: each copy with its tree hash, and read back. Prints seconds, bytes that were
written, and the ratios. Both have to end with the same content hash.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

from bench.measure import RUNS, make_source
from imageport.disk.base import MIB
from imageport.disk.ends.open import Access
from imageport.jobs.copies import CopyRequest, copy_disk
from imageport.jobs.report import Silent
from tests.contract.ends.samba import Samba


def _copied(source: str, target: str, ends: tuple[Access, Access]) -> bytes:
    return copy_disk(CopyRequest(source, target, overwrite=True), *ends, Silent()).content.root


def _stored(*paths: Path) -> float:
    return sum(path.stat().st_blocks * 512 for path in paths) / MIB


def main(folder: Path, gib: float) -> None:
    """Measure and print."""
    os.environ["IMAGEPORT_HOME"] = str(folder / "home")
    samba = Samba(folder / "samba", "smb encrypt = required")
    here, share = Access(), Access(samba.account)
    source, target = folder / "source.raw", folder / "target.qcow2"
    make_source(source, gib)
    staged = f"smb://127.0.0.1:{samba.port}/data/staged.vhdx"
    took: dict[str, list[float]] = {"by a share": [], "straight": []}
    roots = set()
    for _ in range(RUNS):
        began = time.monotonic()
        roots.add(_copied(str(source), staged, (here, share)))
        roots.add(_copied(staged, str(target), (share, here)))
        took["by a share"].append(time.monotonic() - began)
        began = time.monotonic()
        roots.add(_copied(str(source), str(target), (here, here)))
        took["straight"].append(time.monotonic() - began)
    assert len(roots) == 1, "the same content, whichever way"
    written = {
        "by a share": _stored(samba.data / "staged.vhdx", target),
        "straight": _stored(target),
    }
    samba.kill()
    medians = {way: statistics.median(seconds) for way, seconds in took.items()}
    print(f"\nStaging: {gib:g} GiB of virtual size, the same content hash each time")
    for way, seconds in medians.items():
        print(f"  {way:12} {seconds:7.2f} s   {written[way]:8.0f} MiB written")
    gain = medians["by a share"] / medians["straight"]
    less = written["by a share"] / written["straight"]
    print(f"  straight is {gain:.1f} times as fast, and writes {less:.1f} times less")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), float(sys.argv[2]) if len(sys.argv) > 2 else 2)
