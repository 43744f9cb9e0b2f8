"""Every parser, fed with damage: no crash, no hang, 256 MiB at most, and errors that say where.

The seeds are made, and always the same: every kind of image that is read, chains, a VHDX whose log
is to be replayed, manifests, an archive, and the journal of a copy that was cut off.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import tree_hash
from tests.contract.disk import chains, qemu
from tests.contract.disk.fuzz import FUZZ_FORMAT
from tests.unit.disk import builders

MIB = qemu.MIB
SIZE = 6 * MIB + 7 * 512
SECONDS, SLOW_SECONDS = 2, 45
SOURCES = ["vhdx-dirty", "text", *chains.MAKERS, *(n for n in qemu.BY_NAME if n != "raw")]
SLOW = pytest.param(SLOW_SECONDS, marks=[pytest.mark.slow, pytest.mark.timeout(300)])


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "small.raw"
    qemu.make_pieces(path, SIZE)
    return path


def _run(parser: str, path: Path, seed: str, seconds: int) -> tuple[int, int]:
    """How many cases there were, and how many of them were refused."""
    module = "tests.contract.disk.fuzz"
    argv = [sys.executable, "-m", module, parser, str(path), seed, str(seconds)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cases, refused = (int(word) for word in done.stdout.split() if word.isdigit())
    return cases, refused


@pytest.mark.parametrize("seconds", [SECONDS, SLOW])
@pytest.mark.parametrize("name", SOURCES)
def test_disks(name: str, seconds: int, small: Path, tmp_path: Path) -> None:
    maker = _MAKERS.get(name)
    path = maker(small, tmp_path) if maker else chains.make(name, small, tmp_path)
    cases, refused = _run("disk", path, name, seconds)
    assert cases > refused > 0, "some damage is harmless, some is not"


@pytest.mark.parametrize("seconds", [SECONDS, SLOW])
def test_manifests(seconds: int, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    with open_disk(small) as reader:
        tree_hash(reader).save(path)
    cases, refused = _run("manifest", path, "manifest", seconds)
    assert cases >= refused > 0


@pytest.mark.parametrize("seconds", [SECONDS, SLOW])
def test_archives(seconds: int, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.tar"
    with open_disk(small) as reader:
        writer = GcpArchiveWriter(LocalTarget(tmp_path / "image.tar.gz"), reader)
        copy(reader, writer)
    path.write_bytes(gzip.decompress((tmp_path / "image.tar.gz").read_bytes()))
    cases, refused = _run("archive", path, "archive", seconds)
    assert cases > refused > 0


@pytest.mark.parametrize("seconds", [SECONDS, SLOW])
@pytest.mark.parametrize("name", ["journal", "out.img.partial.blocks"])
def test_journals(name: str, seconds: int, small: Path, tmp_path: Path) -> None:
    """A copy that was cut off, whose journal or record of blocks is damaged, still comes right."""
    source = tmp_path / "source.raw"
    source.write_bytes(small.read_bytes())
    with open_disk(source) as reader:
        tree_hash(reader).save(tmp_path / "expected.manifest")
        writer = create_disk(tmp_path / "out.img", FUZZ_FORMAT, reader.size, resume=True)
        with pytest.raises(InterruptedError):
            copy(reader, writer, workers=1, progress=_cut_off, journal=tmp_path / "journal")
    cases, refused = _run("journal", tmp_path / name, name, seconds)
    assert cases > refused == 0


def _cut_off(done: int, total: int) -> None:
    if done * 2 > total:
        raise InterruptedError


def _dirty(_: Path, folder: Path) -> Path:
    """A VHDX whose log has a sector of the table and zeros."""
    path, log_id = folder / "dirty.vhdx", uuid.UUID(int=2)
    blocks = {0: b"x" * MIB, 1: b"y" * MIB}
    builders.vhdx(path, 4 * MIB, blocks, uuid.UUID(int=1))
    sector = path.read_bytes()[3 * MIB : 3 * MIB + 4096]
    log = builders.log_entry(log_id, 5, 0, {3 * MIB: sector, 3 * MIB + 4096: 8192}, MIB)
    log += builders.log_entry(log_id, 6, 0, {3 * MIB: sector}, 6 * MIB)
    builders.vhdx(path, 4 * MIB, blocks, uuid.UUID(int=1), log_id=log_id, log=log)
    return path


def _text(_: Path, folder: Path) -> Path:
    """Sectors of text, of which damage makes the magic numbers of other formats and odd ends."""
    path = folder / "disk.img"
    path.write_bytes(b"QFI\xfb vhdxfile KDMV conectix # Disk DescriptorFile".ljust(512) * 64)
    return path


_MAKERS: dict[str, Callable[[Path, Path], Path]] = {"vhdx-dirty": _dirty, "text": _text}
