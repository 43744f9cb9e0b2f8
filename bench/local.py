"""Image files beside QEMU's tools and others: `python bench/local.py FOLDER [GiB [SECTION]...]`.

Sections: copy, write, archive, hash, sparse, share; all of them take more than an hour.

The disk is half full: of 8 GiB, 3.5 GiB of system files and 0.5 GiB of zeros. Prints medians of
three rounds, own and others in turn, and how many times as long the others took.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.measure import Work, compare, discard, forget_files, heading, make_source, shell
from imageport.disk.base import GIB, MIB
from imageport.disk.copy import copy, copy_unhashed
from imageport.disk.create import create_for
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import requests, tree_hash
from imageport.model.target import DiskFormat

DRIVERS = {
    DiskFormat.RAW: ("raw", ""),
    DiskFormat.VHD: ("vpc", "subformat=dynamic,force_size=on"),
    DiskFormat.VHD_FIXED: ("vpc", "subformat=fixed,force_size=on"),
    DiskFormat.VHDX: ("vhdx", ""),
    DiskFormat.QCOW2: ("qcow2", ""),
    DiskFormat.VMDK: ("vmdk", "subformat=streamOptimized"),
}
READ = {
    DiskFormat.RAW: 1.7,
    DiskFormat.QCOW2: 1.7,
    DiskFormat.VHD: 3.5,
    DiskFormat.VHDX: 3.5,
    DiskFormat.VMDK: 4.0,
}
COPY = {
    DiskFormat.RAW: 1.3,
    DiskFormat.QCOW2: 1.3,
    DiskFormat.VHD: 1.8,
    DiskFormat.VHDX: 1.8,
    DiskFormat.VMDK: 4.0,
}


def convert(source: Path, form: DiskFormat, out: Path) -> Work:
    """QEMU's conversion."""
    driver, options = DRIVERS[form]
    own = DRIVERS[_form(source)][0]
    argv = ["qemu-img", "convert", "-f", own, "-O", driver, *(["-o", options] if options else [])]
    return shell(*argv, source, out)


def own_copy(source: Path, form: DiskFormat, out: Path) -> Work:
    """Ours, without a hash and without waiting for the storage, as QEMU's is."""

    def work() -> None:
        with open_disk(source) as reader:
            place = LocalTarget(out, durable=False)
            copy_unhashed(reader, create_for(reader, place, form))

    return work


def nbdcopy(source: Path, out: str) -> Work:
    """The image through QEMU's server and libnbd's copier."""
    driver = DRIVERS[_form(source)][0]
    return shell("nbdcopy", "--", "[", "qemu-nbd", "-r", "-f", driver, source, "]", out)


def _form(source: Path) -> DiskFormat:
    return DiskFormat(source.suffix.removeprefix("."))


def own_read(source: Path) -> Work:
    def work() -> None:
        with open_disk(source) as reader:
            discard(reader)

    return work


def made(raw: Path, form: DiskFormat) -> Path:
    """The disk as another format, made by QEMU."""
    path = raw.with_suffix(f".{form}")
    if path != raw:
        convert(raw, form, path)()
    return path


def read_and_copy(raw: Path) -> None:
    """Of every format: to nowhere, and to raw and fixed VHD files."""
    heading("Reading to nowhere; copying")
    out = raw.with_name("out")
    for form, goal in READ.items():
        source = made(raw, form)
        null = ["qemu-img", "convert", "-f", DRIVERS[form][0], "-n", "--target-image-opts"]
        size = raw.stat().st_size
        others = {"qemu-img": shell(*null, source, f"driver=null-co,size={size}")}
        goals = [goal]
        if form in (DiskFormat.VHD, DiskFormat.VHDX):
            others["qemu-nbd, nbdcopy"] = nbdcopy(source, "null:")
            goals.append(10)
        compare(f"read {form}", others, own_read(source), goals, None)
        for target in (DiskFormat.RAW, DiskFormat.VHD_FIXED):
            others, goals = {"qemu-img": convert(source, target, out)}, [COPY[form]]
            if target is DiskFormat.RAW:
                others["qemu-nbd, nbdcopy"] = nbdcopy(source, str(out))
                goals.append(3)
            own = own_copy(source, target, out)
            compare(f"{form} to {target}", others, own, goals, out)
        if source != raw:
            source.unlink()
    out.unlink()


def write(raw: Path) -> None:
    """From raw to formats with tables, and to compressed ones."""
    heading("Writing")
    out = raw.with_name("out")
    for form, goal in ((DiskFormat.VHDX, 1.8), (DiskFormat.VHD, 1.8), (DiskFormat.QCOW2, 1.3)):
        others = {"qemu-img": convert(raw, form, out)}
        compare(f"raw to {form}", others, own_copy(raw, form, out), [goal], out)
    others = {"qemu-img": convert(raw, DiskFormat.VMDK, out)}
    compare("raw to vmdk", others, own_copy(raw, DiskFormat.VMDK, out), [20], out)
    out.unlink()


def archives(raw: Path) -> None:
    """To Google's archive: minutes for each run of gzip."""
    heading("Archives")
    archive = raw.with_name("out.tar.gz")
    pack = ["tar", "--create", "--sparse", "--format=oldgnu", f"--directory={raw.parent}"]
    to = [f"--file={archive}", raw.name]
    tools = {
        "tar, gzip": shell(*pack, "--gzip", *to),
        "tar, pigz": shell(*pack, "--use-compress-program=pigz", *to),
    }
    own = own_copy(raw, DiskFormat.TAR_GZ, archive)
    compare("raw to tar.gz", tools, own, [5, 1], archive)
    archive.unlink()


def only_hashed(path: Path) -> Work:
    def work() -> None:
        with open_disk(path) as reader:
            tree_hash(reader)

    return work


def hashed(raw: Path) -> None:
    """The tree hash on the way, beside sha256sum of the data alone on two cores."""
    heading("With the tree hash")
    out, halves = raw.with_name("out"), [raw.with_name(f"half{number}") for number in (0, 1)]
    with open_disk(raw) as reader, contextlib.ExitStack() as files:
        outs = [files.enter_context(open(half, "wb")) for half in halves]
        buffer = bytearray(MIB)
        for number, (offset, length) in enumerate(requests(reader)):
            reader.read_into(offset, memoryview(buffer)[:length])
            outs[number % 2].write(memoryview(buffer)[:length])
    sums = shell("sh", "-c", 'sha256sum "$1" & sha256sum "$2"; wait', "sh", *halves)

    def copied() -> None:
        with open_disk(raw) as reader:
            place = LocalTarget(out, durable=False)
            copy(reader, create_for(reader, place, DiskFormat.RAW))

    compare("tree hash alone", {"2 x sha256sum": sums}, only_hashed(raw), [1], None)
    compare("raw to raw, hashed", {"2 x sha256sum": sums}, copied, [1], out)
    for path in (out, *halves):
        # Whoever came last has written none.
        path.unlink(missing_ok=True)


def sparse(raw: Path) -> None:
    """A disk of 1 TiB with little in it: the time of the data alone."""
    heading("A large disk")
    small, large = raw.with_name("small.raw"), raw.with_name("large.raw")
    make_source(small, 2)
    subprocess.run(["cp", "--sparse=always", small, large], check=True)
    with open(large, "r+b") as file:
        file.truncate(1024 * GIB)
    name = "tree hash of 1 TiB with 1 GiB"
    compare(name, {"of the 1 GiB alone": only_hashed(small)}, only_hashed(large), [0], None)
    small.unlink()
    large.unlink()


@contextlib.contextmanager
def sharing_folder(folder: Path) -> Iterator[Path]:
    """A file system that can share blocks (XFS), in a file; needs root."""
    image, mount = folder / "xfs.img", folder / "xfs"
    with open(image, "wb") as file:
        file.truncate(48 * GIB)
    mount.mkdir()
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)
        mount.rmdir()
        image.unlink()


def share(folder: Path, gib: float) -> None:
    """Where the file system can share blocks."""
    heading("On a file system with reflinks")
    with sharing_folder(folder) as mount:
        raw, out = mount / "disk.raw", mount / "out"
        make_source(raw, gib)
        for form in (DiskFormat.RAW, DiskFormat.VHDX, DiskFormat.QCOW2):
            source = made(raw, form)
            for target in (DiskFormat.RAW, DiskFormat.VHDX):
                others = {"qemu-img": convert(source, target, out)}
                own = own_copy(source, target, out)
                compare(f"{form} to {target}", others, own, [20], out)


SECTIONS: dict[str, Callable[[Path], None]] = {
    "copy": read_and_copy,
    "write": write,
    "archive": archives,
    "hash": hashed,
    "sparse": sparse,
}


def main(folder: Path, gib: float, wanted: Sequence[str]) -> None:
    """The sections that are wanted, or all."""
    raw = folder / "disk.raw"
    forget_files()
    make_source(raw, gib)
    for name, section in SECTIONS.items():
        if not wanted or name in wanted:
            section(raw)
    raw.unlink()
    if not wanted or "share" in wanted:
        share(folder, gib)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 8, sys.argv[3:])
