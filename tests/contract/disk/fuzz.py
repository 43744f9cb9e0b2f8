"""Damages one image, manifest, archive or journal again and again in a process of bounded memory.

Every outcome but a `DiskError` that says where, or the right content, is a failure. Run as
`python -m tests.contract.disk.fuzz disk|manifest|archive|journal FILE SEED SECONDS [CASE]`.
"""

from __future__ import annotations

import gzip
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from imageport.disk.base import ExtentKind
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import CorruptError, DiskError, TruncatedError, UnwritableError
from imageport.disk.file import LocalFile
from imageport.disk.manifest import Manifest
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.disk.unpack import ArchiveReader
from imageport.model.target import DiskFormat
from tests.contract.disk.mutant import Mutant

MIB = 1024 * 1024
MEMORY = 256 * MIB
CASE_SECONDS = 10
FUZZ_FORMAT = DiskFormat.VHDX
"""Of the copies whose journals are damaged."""


class Stuck(BaseException):
    """A case took too long. No `Exception`, so that nothing mistakes it for an error of a file."""


def _bound_memory() -> None:
    """Allow what the interpreter has mapped already, and 256 MiB more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def read_disk(path: Path) -> None:
    """Look at the whole map of a disk, and at the start of its first pieces of data."""
    buffer = bytearray(64 * 1024)
    with open_disk(path) as reader:
        for count, extent in enumerate(reader.extents()):
            if count < 50 and extent.kind is ExtentKind.DATA:
                reader.read_into(extent.offset, buffer)


def read_manifest(path: Path) -> None:
    """A manifest that is read is one whose root is right."""
    manifest = Manifest.load(path)
    assert manifest.leaves.root() == manifest.root


def read_archive(path: Path) -> None:
    """A tar archive is damaged before it is packed, since its gzip has a checksum."""
    archive = path.parent / "out.img"
    archive.write_bytes(gzip.compress(path.read_bytes(), 1))
    with ArchiveReader(LocalFile(archive), path.parent) as reader:
        list(reader.extents())


def resume_copy(path: Path) -> None:
    """A copy is gone on with; whatever its journal says, the content is right at the end."""
    folder = path.parent
    target, expected = folder / "out.img", Manifest.load(folder / "expected.manifest")
    with open_disk(folder / "source.raw") as reader:
        writer = create_disk(target, FUZZ_FORMAT, reader.size, resume=True)
        copy(reader, writer, workers=1, journal=folder / "journal")
    with open_disk(target) as reader:
        assert tree_hash(reader, workers=1).root == expected.root


def _assert_clear(error: DiskError, names: set[str]) -> None:
    """The error names one of the files; of damage also the structure and the offset."""
    if isinstance(error, UnwritableError):
        return  # A disk of some TiB, for which this computer has no room.
    data = error.as_dict()["data"]
    assert isinstance(data, dict)
    assert data["file"] in names, data
    if isinstance(error, CorruptError | TruncatedError):
        assert data["structure"]
        assert data["offset"] >= 0


PARSERS: dict[str, Callable[[Path], None]] = {
    "disk": read_disk,
    "manifest": read_manifest,
    "archive": read_archive,
    "journal": resume_copy,
}


def _stop(*_: object) -> None:
    raise Stuck


class _Folder:
    """The files beside the one that is read, as they were."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contents = {path: path.read_bytes() for path in folder.iterdir()}

    def restore(self) -> None:
        for path in self._folder.iterdir():
            if path not in self._contents:
                path.unlink()
        for path, content in self._contents.items():
            if not path.exists() or path.suffix != ".raw":
                path.write_bytes(content)


def main(parser: str, image: str, seed: str, seconds: str, only: str = "") -> None:
    path, parse = Path(image), PARSERS[parser]
    files = sorted(other for other in path.parent.iterdir() if other.suffix != ".raw")
    before = _Folder(path.parent) if parser == "journal" else None
    mutants = [Mutant(file) for file in files if parser == "disk" or file == path]
    names = {str(file) for file in path.parent.iterdir()} | {str(path.parent / "out.img")}
    signal.signal(signal.SIGALRM, _stop)
    _bound_memory()
    deadline = time.monotonic() + float(seconds)
    cases = refused = 0
    while time.monotonic() < deadline:
        number = int(only) if only else cases
        source = random.Random(f"{seed} {number}")
        mutant = source.choice(mutants).damage(source)
        signal.alarm(CASE_SECONDS)
        try:
            parse(path)
        except DiskError as error:
            _assert_clear(error, names)
            refused += 1
        except BaseException:
            print(f"case {number} of {mutant.path.name}", file=sys.stderr)
            raise
        signal.alarm(0)
        mutant.mend()
        if before is not None:
            before.restore()
        cases += 1
        if only:
            break
    print(f"{cases} cases, {refused} refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
