"""What every remote end must do, whatever its protocol: `test_*.py` beside this file subclass it.

A subclass gives an `EndCase`: how to make a target, how to read it back, how the peer's own tools
see it, and how to disturb what lies between. Its peer is real: a server, a vendor's emulator.
"""

from __future__ import annotations

import hashlib
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageport.disk.base import MIB, DiskReader, DiskWriter, ExtentKind
from imageport.disk.copy import copy
from imageport.disk.ends.errors import EndError, UnreachableError
from imageport.disk.errors import CopyCancelledError, DiskError
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash

SIZE = 24 * MIB
"""A whole number of every end's blocks."""


def make_disk(path: Path, size: int = SIZE, seed: int = 5) -> None:
    """A sparse raw disk: noise, holes, zeros, and data in the last sector."""
    noise = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(size)
        for at in range(0, size, 6 * MIB):
            file.seek(at + noise.randrange(2) * 512)
            file.write(noise.randbytes(2 * MIB + 512))
        file.seek(3 * MIB)
        file.write(bytes(MIB))
        file.seek(size - 512)
        file.write(b"the end!" * 64)


class ReadCase(ABC):
    """One end with its peer and what lies between them: the half that reads."""

    patience = 4.0
    """Seconds; ends are made with it, so that what never comes back is given up soon."""

    @abstractmethod
    def put(self, source: DiskReader, disk: Path) -> None:
        """Let the peer hold `source`, which is the raw file `disk`."""

    @abstractmethod
    def reader(self) -> DiskReader:
        """What was put last, read through the end, with `patience`."""

    @abstractmethod
    def disturb_read(self) -> None:
        """Break one read in the middle (connection cut); later ones pass."""

    @abstractmethod
    def vanish(self) -> None:
        """Let nothing pass any more."""

    @abstractmethod
    def come_back(self) -> None:
        """Undo `vanish`."""


class EndCase(ReadCase):
    """The half that writes."""

    def put(self, source: DiskReader, disk: Path) -> None:
        """See `ReadCase.put`: through the end itself."""
        copy(source, self.target_for(source))

    def target_for(self, source: DiskReader) -> DiskWriter:
        """A new target for a copy of `source`; a stream may have to know it beforehand."""
        return self.target(source.size)

    def target(self, size: int) -> DiskWriter:
        """A new target of `size` bytes, with `patience`; a second call replaces the first's."""
        raise NotImplementedError

    @abstractmethod
    def peers_content(self, size: int) -> bytes:
        """What the peer holds, by other means than the end: its own tool or its files."""

    @abstractmethod
    def left_behind(self) -> list[str]:
        """Names of what the peer holds: files, blobs, uploads, snapshots, unfinished ones, too."""

    @abstractmethod
    def disturb_write(self) -> None:
        """Break one write in the middle (connection cut); later ones pass."""

    @abstractmethod
    def sent(self) -> int:
        """Bytes that went to the peer so far."""


class _Sources:
    """What is copied."""

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Path:
        path = tmp_path / "source.raw"
        make_disk(path)
        return path

    @pytest.fixture
    def source(self, disk: Path) -> Iterator[DiskReader]:
        with open_disk(disk) as reader:
            yield reader


class ReadContract(_Sources):
    """What an end that reads must do. A subclass defines a fixture `case`."""

    def test_what_is_read_is_what_was_written(
        self, case: ReadCase, source: DiskReader, disk: Path
    ) -> None:
        case.put(source, disk)
        with case.reader() as reader:
            assert reader.size == SIZE
            assert tree_hash(reader).root == tree_hash(source).root

    def test_reads_at_any_offset(self, case: ReadCase, source: DiskReader, disk: Path) -> None:
        case.put(source, disk)
        content = disk.read_bytes()
        buffer = bytearray(3 * MIB)
        with case.reader() as reader:
            for offset, length in ((0, 512), (511, 2), (MIB - 1, 2 * MIB + 3), (SIZE - 700, 700)):
                view = memoryview(buffer)[:length]
                assert reader.read_into(offset, view) == length
                assert view == content[offset : offset + length]
            assert reader.read_into(SIZE - 10, buffer) == 10
            assert reader.read_into(SIZE, buffer) == 0

    def test_extents_cover_the_disk(self, case: ReadCase, source: DiskReader, disk: Path) -> None:
        case.put(source, disk)
        content, at = disk.read_bytes(), 0
        with case.reader() as reader:
            for extent in reader.extents():
                assert extent.offset == at
                if extent.kind is not ExtentKind.DATA:
                    assert not any(content[extent.offset : extent.end])
                at = extent.end
        assert at == SIZE

    def test_connection_cut_while_reading(
        self, case: ReadCase, source: DiskReader, disk: Path
    ) -> None:
        case.put(source, disk)
        with case.reader() as reader:
            case.disturb_read()
            assert tree_hash(reader).root == tree_hash(source).root

    def test_reading_from_a_peer_that_vanished(
        self, case: ReadCase, source: DiskReader, disk: Path
    ) -> None:
        case.put(source, disk)
        with case.reader() as reader:
            case.vanish()
            try:
                with pytest.raises(UnreachableError) as caught:
                    tree_hash(reader)
            finally:
                case.come_back()
        _require_no_secret(caught.value)


class WriteContract(_Sources):
    """What an end that is written to must do. A subclass defines a fixture `case`."""

    def test_what_is_copied_is_what_the_peer_holds(
        self, case: EndCase, source: DiskReader, disk: Path
    ) -> None:
        manifest = copy(source, case.target_for(source))
        assert manifest.root == tree_hash(source).root
        assert _digest(case.peers_content(SIZE)) == _digest(disk.read_bytes())

    def test_zeros_do_not_travel(self, case: EndCase, source: DiskReader) -> None:
        before = case.sent()
        copy(source, case.target_for(source))
        data = sum(e.length for e in source.extents() if e.kind is ExtentKind.DATA)
        assert case.sent() - before < data * 1.25 + MIB

    def test_connection_cut_while_writing(
        self, case: EndCase, source: DiskReader, disk: Path
    ) -> None:
        target = case.target_for(source)
        case.disturb_write()
        copy(source, target)
        assert _digest(case.peers_content(SIZE)) == _digest(disk.read_bytes())

    def test_peer_that_never_comes_back(self, case: EndCase, source: DiskReader) -> None:
        target = case.target_for(source)
        case.vanish()
        try:
            with pytest.raises(UnreachableError) as caught:
                copy(source, target)
        finally:
            case.come_back()
        assert caught.value.data["detail"]

    def test_failed_copy_leaves_nothing(self, case: EndCase, source: DiskReader) -> None:
        before = case.left_behind()
        target = case.target_for(source)

        def fail(done: int, total: int) -> None:
            if done > total // 3:
                raise ValueError("enough")

        with pytest.raises(ValueError, match="enough"):
            copy(source, target, progress=fail)
        assert case.left_behind() == before

    def test_cancelled_copy_leaves_nothing(self, case: EndCase, source: DiskReader) -> None:
        before = case.left_behind()
        cancel = threading.Event()

        def stop(done: int, total: int) -> None:
            if done > total // 3:
                cancel.set()

        with pytest.raises(CopyCancelledError):
            copy(source, case.target_for(source), progress=stop, cancel=cancel, workers=1)
        assert case.left_behind() == before

    def test_errors_name_the_end_and_no_secret(self, case: EndCase, source: DiskReader) -> None:
        target = case.target_for(source)
        case.vanish()
        try:
            with pytest.raises(EndError) as caught:
                copy(source, target)
        finally:
            case.come_back()
        error = caught.value
        assert isinstance(error, DiskError)
        assert error.data["file"] == target.name
        _require_no_secret(error)


class EndContract(WriteContract, ReadContract):
    """What an end that is read and written must do. A subclass defines a fixture `case`."""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _require_no_secret(error: DiskError) -> None:
    text = str(error.as_dict()).lower()
    for secret in ("sig=", "password", "secret", "token"):
        assert secret not in text
