"""Archives made by us and by GNU tar, unpacked; and damaged ones."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imageport.disk.base import GIB, MIB
from imageport.disk.copy import copy
from imageport.disk.errors import CorruptError, DiskError, NotADiskError
from imageport.disk.file import LocalFile
from imageport.disk.gcp import GcpArchiveWriter
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.treehash import tree_hash
from imageport.disk.unpack import ArchiveReader
from tests.contract.disk import qemu


def disk(path: Path, size: int = GIB, pieces: int = 60) -> None:
    noise = random.Random(size + pieces)
    with open(path, "wb") as file:
        file.truncate(size)
        for _ in range(pieces):
            file.seek(noise.randrange(size // 512 - 900) * 512)
            file.write(noise.randbytes(noise.randrange(1, 900) * 512))


def unpack(archive: Path, folder: Path) -> ArchiveReader:
    return ArchiveReader(LocalFile(archive), folder)


@pytest.mark.parametrize("size", [GIB, 9 * GIB])
def test_of_our_own_writer(size: int, tmp_path: Path) -> None:
    source, archive = tmp_path / "source.img", tmp_path / "image.tar.gz"
    disk(source, size)
    with open_disk(source) as reader:
        manifest = copy(reader, GcpArchiveWriter(LocalTarget(archive), reader))
    with unpack(archive, tmp_path) as reader:
        assert tree_hash(reader).root == manifest.root
        assert reader.fingerprint.startswith(str(archive))
        with unpack(archive, tmp_path) as again:
            assert again.fingerprint == reader.fingerprint
    assert sorted(each.name for each in tmp_path.iterdir()) == ["image.tar.gz", "source.img"]


@pytest.mark.parametrize("sparse", [["--sparse"], []], ids=["sparse", "whole"])
def test_of_gnu_tar(sparse: list[str], tmp_path: Path) -> None:
    source, archive = tmp_path / "disk.raw", tmp_path / "image.tar.gz"
    disk(source, 64 * MIB)
    argv = ["--create", "--gzip", "--format=oldgnu", *sparse, "--directory", str(tmp_path)]
    qemu.run("tar", *argv, "--file", archive, "disk.raw")
    with open_disk(source) as reader:
        root = tree_hash(reader).root
    with unpack(archive, tmp_path) as reader:
        assert tree_hash(reader).root == root
        allocated = sum(each.length for each in reader.extents() if each.kind == "data")
        assert allocated < 50 * MIB, "holes stay holes"


def packed(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        packed("other.raw", bytes(1024)),
        packed("disk.raw", bytes(1000)),
        packed("disk.raw", b""),
        gzip.compress(b"no archive" * 100),
    ],
    ids=["other", "odd", "empty", "no tar"],
)
def test_what_is_no_image_archive(content: bytes, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(NotADiskError):
        unpack(archive, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["image.tar.gz"]


def test_cut_and_flipped(tmp_path: Path) -> None:
    archive = tmp_path / "image.tar.gz"
    content = packed("disk.raw", random.Random(1).randbytes(MIB))
    for damaged in (content[: len(content) // 2], content[:-4], b"", content[:10]):
        archive.write_bytes(damaged)
        with pytest.raises(CorruptError) as caught:
            unpack(archive, tmp_path)
        assert caught.value.data["file"] == str(archive)
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 1
    archive.write_bytes(flipped)
    with pytest.raises(CorruptError):
        unpack(archive, tmp_path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("plain")
    disk(folder / "s.img", GIB, 40)
    with open_disk(folder / "s.img") as reader:
        copy(reader, GcpArchiveWriter(LocalTarget(folder / "a.tar.gz"), reader))
    return gzip.decompress((folder / "a.tar.gz").read_bytes())[: 64 * 1024]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=st.lists(st.tuples(st.integers(0, 2047), st.binary(min_size=1, max_size=12))))
def test_any_header(plain: bytes, edits: list[tuple[int, bytes]], tmp_path: Path) -> None:
    """Whatever the header says, with its checksum made right: a disk, or an error of ours."""
    data = bytearray(plain)
    for at, text in edits:
        data[at : at + len(text)] = text
    data[148:156] = b"%06o\0 " % sum(data[:148] + b" " * 8 + data[156:512])
    archive = tmp_path / "fuzz.tar.gz"
    archive.write_bytes(gzip.compress(bytes(data), 1))
    try:
        unpack(archive, tmp_path).close()
    except DiskError as error:
        assert error.data["file"] == str(archive)
