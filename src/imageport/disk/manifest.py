"""Manifests: the leaves of a disk's tree hash and their root, kept and compared.

A leaf is the SHA-256 of a block of 512 KiB, which is the block and the checksum of EBS direct
(`PutSnapshotBlock`). A last block that is shorter is padded with zeros, as EBS wants it. The root
is the SHA-256 over all leaves in order. Neither depends on the format of the disk nor on how
sparse its file is.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from imageport.disk.base import KIB
from imageport.disk.errors import ManifestError, UnreadableError
from imageport.disk.kept import keep
from imageport.disk.mapped import MAX_SIZE

BLOCK = 512 * KIB
"""Bytes of a leaf's block."""
DIGEST = 32
ZERO_LEAF = hashlib.sha256(bytes(BLOCK)).digest()

_MAGIC = b"imageport-tree-hash-1\n"
_HEADER = struct.Struct("<QI32s")
"""Bytes of the disk and of a block, and the root; then come the runs."""
_RUN = struct.Struct("<QQ")
"""First and number of leaves, which follow; what lies between the runs are zero leaves."""
_READABLE = 0o666
"""By whom the user's umask lets."""
_PAGE = 64
"""Leaves that are kept together; a page whose leaves are all zero leaves is not kept."""
_ZERO_PAGE = ZERO_LEAF * _PAGE


class Leaves:
    """The leaves of a disk; those that were not set are zero leaves and take no memory."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pages: dict[int, bytearray] = {}

    def __getitem__(self, index: int) -> bytes:
        page, at = self._pages.get(index // _PAGE), index % _PAGE * DIGEST
        return ZERO_LEAF if page is None else bytes(page[at : at + DIGEST])

    def __setitem__(self, index: int, leaf: bytes) -> None:
        page = self._pages.get(index // _PAGE)
        if page is None:
            if leaf == ZERO_LEAF:
                return
            # setdefault: two threads may reach the same page for the first time.
            page = self._pages.setdefault(index // _PAGE, bytearray(_ZERO_PAGE))
        at = index % _PAGE * DIGEST
        page[at : at + DIGEST] = leaf

    def page(self, number: int) -> bytes | bytearray:
        """The leaves of a page, without those past the end."""
        count = min(_PAGE, self.count - number * _PAGE)
        page = self._pages.get(number, _ZERO_PAGE)
        return page if count == _PAGE else page[: count * DIGEST]

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-self.count // _PAGE)

    def root(self) -> bytes:
        """SHA-256 over all leaves."""
        total = hashlib.sha256()
        for number in range(self.pages):
            total.update(self.page(number))
        return total.digest()

    def runs(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """(first, count) of the runs of leaves in [start, end) that are not zero leaves."""
        end = self.count if end is None else min(end, self.count)
        first = stop = -1
        for number in range(start // _PAGE, -(-end // _PAGE)):
            if number not in self._pages:
                continue
            for index in range(max(start, number * _PAGE), min((number + 1) * _PAGE, end)):
                if self[index] == ZERO_LEAF:
                    continue
                if index != stop:
                    if stop > first:
                        yield first, stop - first
                    first = index
                stop = index + 1
        if stop > first:
            yield first, stop - first


@dataclass(frozen=True, slots=True)
class Manifest:
    """A disk's virtual size in bytes, its leaves and their root."""

    size: int
    leaves: Leaves
    root: bytes

    @classmethod
    def of(cls, size: int, leaves: Leaves) -> Self:
        """The manifest of `leaves`, root included."""
        return cls(size, leaves, leaves.root())

    @property
    def block_size(self) -> int:
        """Bytes of a leaf's block."""
        return BLOCK

    def padded(self, size: int) -> Self:
        """The manifest of the same disk with zeros behind it, `size` bytes in all."""
        leaves = Leaves(-(-size // BLOCK))
        for first, count in self.leaves.runs():
            for index in range(first, first + count):
                leaves[index] = self.leaves[index]
        return self.of(size, leaves)

    def save(self, path: Path) -> None:
        """Write the manifest to `path`, whole or not at all: only leaves of data are kept.

        Raises `UnwritableError`.
        """
        keep(path, self._content(), _READABLE)

    def _content(self) -> Iterator[bytes]:
        yield _MAGIC + _HEADER.pack(self.size, BLOCK, self.root)
        for first, count in self.leaves.runs():
            yield _RUN.pack(first, count)
            yield from (self.leaves[index] for index in range(first, first + count))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a manifest. Raises `ManifestError` unless it is whole and its root is right."""
        try:
            with open(path, "rb") as file:
                size, root, leaves = _read(file)
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise UnreadableError(file=str(path), offset=0, detail=detail) from error
        except ValueError as error:
            raise ManifestError(file=str(path), detail=str(error)) from error
        if leaves.root() != root:
            raise ManifestError(file=str(path), detail="its root is not that of its leaves")
        return cls(size, leaves, root)


def is_manifest(path: Path) -> bool:
    """Whether a file begins as a manifest does. Raises `UnreadableError`."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise UnreadableError(file=str(path), offset=0, detail=detail) from error


def _read(file: BinaryIO) -> tuple[int, bytes, Leaves]:
    """Size, root and leaves of a manifest. Raises `ValueError` saying what is wrong, and where."""
    head = file.read(len(_MAGIC) + _HEADER.size)
    if len(head) < len(_MAGIC) + _HEADER.size or not head.startswith(_MAGIC):
        raise ValueError("it has not the form of one")
    size, block, root = _HEADER.unpack_from(head, len(_MAGIC))
    if not 0 < size <= MAX_SIZE or block != BLOCK:
        raise ValueError(f"a disk of {size} bytes in blocks of {block} at byte {len(_MAGIC)}")
    leaves = Leaves(-(-size // BLOCK))
    end = 0
    while run := file.read(_RUN.size):
        at = file.tell() - len(run)
        first, count = _RUN.unpack(run) if len(run) == _RUN.size else (0, 0)
        if not end <= first < first + count <= leaves.count:
            raise ValueError(f"the run at byte {at} is out of order")
        end = first + count
        for index in range(first, end):
            leaf = file.read(DIGEST)
            if len(leaf) != DIGEST:
                raise ValueError(f"leaves of the run at byte {at} are missing")
            leaves[index] = leaf
    return size, root, leaves


def compare(old: Manifest, new: Manifest) -> Iterator[int]:
    """Byte offsets of the blocks that differ, in order; a block that one has alone differs."""
    shared = min(old.leaves.count, new.leaves.count)
    for number in range(-(-shared // _PAGE)):
        if old.leaves.page(number) == new.leaves.page(number):
            continue
        for index in range(number * _PAGE, min((number + 1) * _PAGE, shared)):
            if old.leaves[index] != new.leaves[index]:
                yield index * BLOCK
    for index in range(shared, max(old.leaves.count, new.leaves.count)):
        yield index * BLOCK
