"""The copy: what it leaves out, how it ends early, and how it goes on."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.base import MIB, DiskReader, ResumableWriter
from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import (
    CopyCancelledError,
    TargetTooSmallError,
    TruncatedError,
    UnsupportedError,
    UnwritableError,
)
from imageport.disk.manifest import BLOCK
from imageport.disk.open import open_disk
from imageport.disk.sharing import Sharing
from imageport.disk.treehash import tree_hash
from imageport.model.target import DiskFormat

SIZE = 40 * MIB + 512
FORMATS = [form for form in DiskFormat if form is not DiskFormat.TAR_GZ]
RESUMABLE = [form for form in FORMATS if form is not DiskFormat.VMDK]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[DiskReader]:
    path = tmp_path / "source.img"
    noise = random.Random(3)
    with open(path, "wb") as file:
        file.truncate(SIZE)
        for at in (0, 3 * MIB, 4 * MIB + 70_000, 20 * MIB, 33 * MIB):
            file.seek(at)
            file.write(noise.randbytes(2 * MIB - 1000))
        file.write(bytes(3 * MIB))
    with open_disk(path) as reader:
        yield reader


class Memory:
    """A target in memory that is full of noise until it is written to."""

    name, zeroed, ordered = "memory", False, False

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = bytearray(b"\xdd" * size)
        self.ended = ""

    def write(self, offset: int, data: memoryview) -> None:
        self.data[offset : offset + len(data)] = data

    def zero(self, offset: int, length: int) -> None:
        self.data[offset : offset + length] = bytes(length)

    def finish(self) -> None:
        self.ended = "finished"

    def abort(self) -> None:
        self.ended = "aborted"


def _content(reader: DiskReader) -> bytes:
    buffer = bytearray(reader.size)
    reader.read_into(0, buffer)
    return bytes(buffer)


def test_target_that_is_not_zeroed(source: DiskReader) -> None:
    target = Memory(SIZE + 3 * MIB)
    copy(source, target)
    assert target.data == _content(source).ljust(target.size, b"\0")
    assert target.ended == "finished"


def test_zeros_are_left_out(source: DiskReader, tmp_path: Path) -> None:
    path = tmp_path / "out.raw"
    copy(source, create_disk(path, DiskFormat.RAW, SIZE))
    assert path.read_bytes() == _content(source)
    assert path.stat().st_blocks * 512 <= 5 * 2 * MIB + 10 * 64 * 1024


def test_target_too_small(source: DiskReader) -> None:
    target = Memory(SIZE - 512)
    with pytest.raises(TargetTooSmallError):
        copy(source, target)
    assert target.ended == "aborted"


def test_progress_reaches_the_total(source: DiskReader) -> None:
    calls: list[tuple[int, int]] = []
    copy(source, Memory(SIZE), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1] == max(done for done, _ in calls)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.timeout(20)
def test_cancel_leaves_nothing_behind(form: DiskFormat, source: DiskReader, tmp_path: Path) -> None:
    cancel = threading.Event()
    before, threads = set(tmp_path.iterdir()), set(threading.enumerate())
    target = create_disk(tmp_path / "out.img", form, SIZE)
    with pytest.raises(CopyCancelledError):
        copy(source, target, cancel=cancel, progress=lambda done, total: cancel.set())
    assert set(tmp_path.iterdir()) == before
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.timeout(20)
def test_source_that_fails(form: DiskFormat, tmp_path: Path) -> None:
    """Threads that wait for a failed one's turn in a stream must not wait for ever."""
    path = tmp_path / "source.img"
    path.write_bytes(os.urandom(20 * MIB))
    with open_disk(path) as reader:
        target = create_disk(tmp_path / "out.img", form, reader.size)

        def cut(done: int, total: int) -> None:
            os.truncate(path, 10 * MIB)

        with pytest.raises(TruncatedError):
            copy(reader, target, workers=4, progress=cut)
    assert list(tmp_path.iterdir()) == [path]


def test_target_that_is_full(source: DiskReader, tmp_path: Path) -> None:
    class Full(Memory):
        def write(self, offset: int, data: memoryview) -> None:
            raise UnwritableError(file="memory", offset=offset, detail="No space left on device")

    target = Full(SIZE)
    with pytest.raises(UnwritableError):
        copy(source, target)
    assert target.ended == "aborted"


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def _interrupted(source: DiskReader, path: Path, form: DiskFormat, after: int) -> Path:
    """Copy until `after` bytes are done, then fail; the journal's path."""
    journal = path.with_name("journal")

    def stop(done: int, total: int) -> None:
        if done >= after:
            raise Interrupted

    target = create_disk(path, form, SIZE, resume=True)
    with pytest.raises(Interrupted):
        copy(source, target, progress=stop, journal=journal, workers=1)
    assert journal.exists()
    assert not path.exists()
    return journal


@pytest.mark.parametrize("form", RESUMABLE)
def test_resume(
    form: DiskFormat, source: DiskReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.img"
    journal = _interrupted(source, path, form, 4 * MIB)
    journal = _interrupted(source, path, form, 8 * MIB)
    written: list[int] = []
    target = create_disk(path, form, SIZE, resume=True)
    assert isinstance(target, ResumableWriter)
    original = target.write

    def counted(offset: int, data: memoryview) -> None:
        written.append(len(data))
        original(offset, data)

    monkeypatch.setattr(target, "write", counted)
    monkeypatch.setattr(Sharing, "share", lambda self, start, end: False)
    manifest = copy(source, target, journal=journal)
    with open_disk(path) as reader:
        assert tree_hash(reader).root == manifest.padded(reader.size).root
        assert _content(reader)[:SIZE] == _content(source)
    assert manifest.root == tree_hash(source).root
    assert 0 < sum(written) < 5 * MIB
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out.img", "source.img"]


@pytest.mark.parametrize("form", RESUMABLE)
def test_resume_does_not_trust_a_damaged_block(
    form: DiskFormat, source: DiskReader, tmp_path: Path
) -> None:
    path = tmp_path / "out.img"
    journal = _interrupted(source, path, form, 6 * MIB)
    partial = path.with_name("out.img.partial")
    with open(partial, "r+b") as file:
        first = _content(source)[:64]
        place = partial.read_bytes().find(first)
        assert place >= 0
        file.seek(place)
        file.write(b"damaged!")
    copy(source, create_disk(path, form, SIZE, resume=True), journal=journal)
    with open_disk(path) as reader:
        assert _content(reader)[:SIZE] == _content(source)


@pytest.mark.parametrize("form", RESUMABLE)
def test_what_was_not_synced_does_not_show_through(
    form: DiskFormat, source: DiskReader, tmp_path: Path
) -> None:
    """A crash may leave anything behind the last entry of the journal."""
    path = tmp_path / "out.img"
    journal = _interrupted(source, path, form, 6 * MIB)
    partial = path.with_name("out.img.partial")
    with open(partial, "ab") as file:
        file.write(b"\xee" * 30 * MIB)
    with open(journal, "ab") as file:
        file.write(b"half a record")
    copy(source, create_disk(path, form, SIZE, resume=True), journal=journal)
    with open_disk(path) as reader:
        assert _content(reader)[:SIZE] == _content(source)


def test_journal_of_another_source_is_not_used(source: DiskReader, tmp_path: Path) -> None:
    path = tmp_path / "out.img"
    journal = _interrupted(source, path, DiskFormat.QCOW2, 6 * MIB)
    other = tmp_path / "other.img"
    other.write_bytes(b"o" * MIB + bytes(SIZE - MIB))
    with open_disk(other) as reader:
        copy(reader, create_disk(path, DiskFormat.QCOW2, SIZE, resume=True), journal=journal)
        with open_disk(path) as written:
            assert _content(written) == _content(reader)
            assert sum(e.length for e in written.extents() if e.kind == "data") == MIB


def test_partial_file_without_a_journal_is_begun_anew(source: DiskReader, tmp_path: Path) -> None:
    path = tmp_path / "out.img"
    journal = _interrupted(source, path, DiskFormat.RAW, 6 * MIB)
    journal.unlink()
    path.with_name("out.img.partial").write_bytes(b"\xee" * SIZE)
    copy(source, create_disk(path, DiskFormat.RAW, SIZE, resume=True), journal=journal)
    assert path.read_bytes() == _content(source)


def test_a_stream_cannot_be_resumed(source: DiskReader, tmp_path: Path) -> None:
    target = create_disk(tmp_path / "out.vmdk", DiskFormat.VMDK, SIZE)
    with pytest.raises(UnsupportedError):
        copy(source, target, journal=tmp_path / "journal")
    assert [path.name for path in tmp_path.iterdir()] == ["source.img"]


def test_leaves_are_those_of_the_blocks(source: DiskReader) -> None:
    manifest = copy(source, Memory(SIZE))
    assert manifest.leaves.count == -(-SIZE // BLOCK)
    assert manifest.root == tree_hash(source).root
