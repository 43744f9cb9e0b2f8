"""Google Cloud's archive, unpacked by GNU tar and gzip."""

from __future__ import annotations

import gzip
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


def test_fields_of_the_header(tmp_path: Path) -> None:
    """As `tar --format=oldgnu --sparse` has them (GNU tar manual, "Old GNU Format")."""
    path, archive = tmp_path / "source.img", tmp_path / "image.tar.gz"
    starts = [number * 64 * qemu.MIB for number in range(12)]
    with open(path, "wb") as file:
        file.truncate(GIB - qemu.MIB)
        for start in starts:
            file.seek(start)
            file.write(b"piece of data" * 1000)
    with open_disk(path) as reader:
        copy(reader, GcpArchiveWriter(LocalTarget(archive), reader))
    plain = gzip.decompress(archive.read_bytes())
    head, extension = plain[:512], plain[512:1024]
    assert head[:100].rstrip(b"\0") == b"disk.raw"
    assert head[156:157] == b"S"
    assert head[257:265] == b"ustar  \0"
    assert int(head[148:154], 8) == sum(head[:148]) + 8 * 32 + sum(head[156:])
    assert int(head[483:494], 8) == GIB, "whole GiB"
    assert head[482] == 1
    assert extension[504] == 0
    entries = head[386:482] + extension[: 9 * 24]
    pairs = [entries[at : at + 24] for at in range(0, len(entries), 24)]
    ranges = [(int(pair[:11], 8), int(pair[12:23], 8)) for pair in pairs]
    assert [start for start, _ in ranges[:-1]] == starts
    assert ranges[-1] == (GIB, 0), "the end of the disk"
    assert int(head[124:135], 8) == sum(length for _, length in ranges)
    assert not any(extension[9 * 24 : 504])
    assert len(plain) % (20 * 512) == 0
