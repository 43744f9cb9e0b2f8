"""Google Cloud's archive, unpacked by GNU tar and gzip."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.errors import UnwritableError
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import tree_hash
from tests.contract.disk import qemu

GIB = 1 << 30


@pytest.mark.parametrize(("size", "pieces"), [(GIB, 1), (GIB - 512, 3), (9 * GIB, 60), (512, 1)])
def test_gnu_tar_unpacks_it(size: int, pieces: int, tmp_path: Path) -> None:
    path, archive = tmp_path / "source.img", tmp_path / "image.tar.gz"
    source = random.Random(size)
    with open(path, "wb") as file:
        file.truncate(size)
        for _ in range(pieces):
            length = min(size, source.randrange(1, 900) * 512)
            file.seek(source.randrange(0, (size - length) // 512 + 1) * 512)
            file.write(source.randbytes(length))
        file.seek(size - 512)
        file.write(b"e" * 512)
    with open_disk(path) as reader:
        manifest = copy(reader, GcpArchiveWriter(LocalTarget(archive), reader))
    qemu.run("gzip", "-t", archive)
    said = qemu.run("tar", "--list", "--verbose", "--file", archive).split()
    assert said[5] == "disk.raw"
    assert int(said[2]) == -(-size // GIB) * GIB
    qemu.run("tar", "--extract", "--sparse", "--file", archive, "--directory", tmp_path)
    with open_disk(tmp_path / "disk.raw") as reader:
        assert reader.size == int(said[2])
        assert tree_hash(reader).root == manifest.padded(reader.size).root
    assert archive.stat().st_size < pieces * 900 * 512 * 1.01 + 200_000


def test_of_an_empty_disk(tmp_path: Path) -> None:
    path, archive = tmp_path / "source.img", tmp_path / "image.tar.gz"
    with open(path, "wb") as file:
        file.truncate(GIB)
    with open_disk(path) as reader:
        copy(reader, GcpArchiveWriter(LocalTarget(archive), reader))
    qemu.run("tar", "--extract", "--sparse", "--file", archive, "--directory", tmp_path)
    assert (tmp_path / "disk.raw").stat().st_size == GIB
    assert archive.stat().st_size < 1000


def test_source_that_grew_data(tmp_path: Path) -> None:
    """The map was written before: it must not lie."""
    path, archive = tmp_path / "source.img", tmp_path / "image.tar.gz"
    with open(path, "wb") as file:
        file.truncate(GIB)
    with open_disk(path) as reader:
        target = GcpArchiveWriter(LocalTarget(archive), reader)
        with open(path, "r+b") as file:
            file.write(b"late" * 1000)
        os.sync()
        with pytest.raises(UnwritableError):
            copy(reader, target)
    assert not archive.exists()
