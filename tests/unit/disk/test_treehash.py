"""The tree hash: what leaves and root are, independence of form, manifests and their deltas."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageport.disk.base import Extent, ExtentKind, merged
from imageport.disk.errors import ManifestError, TruncatedError
from imageport.disk.manifest import BLOCK, ZERO_LEAF, Leaves, Manifest, compare
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash

TIB = 1 << 40


def _reference(data: bytes) -> list[bytes]:
    """The leaves by the definition, a whole block padded with zeros each."""
    blocks = (data[at : at + BLOCK].ljust(BLOCK, b"\0") for at in range(0, len(data), BLOCK))
    return [hashlib.sha256(block).digest() for block in blocks]


def _hash(path: Path) -> Manifest:
    with open_disk(path) as reader:
        return tree_hash(reader)


def _write(path: Path, size: int, pieces: dict[int, bytes]) -> Path:
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, data in pieces.items():
            file.seek(offset)
            file.write(data)
    return path


@pytest.mark.parametrize("size", [512, BLOCK - 512, BLOCK, BLOCK + 512, 5 * BLOCK + 1024])
def test_leaves_and_root(size: int, tmp_path: Path) -> None:
    data = bytearray(os.urandom(size))
    data[BLOCK : 3 * BLOCK] = bytes(len(data[BLOCK : 3 * BLOCK]))
    path = tmp_path / "disk.raw"
    path.write_bytes(data)
    manifest, expected = _hash(path), _reference(bytes(data))
    assert [manifest.leaves[index] for index in range(manifest.leaves.count)] == expected
    assert manifest.root == hashlib.sha256(b"".join(expected)).digest()
    assert manifest.size == size


def test_holes_and_written_zeros_are_the_same(tmp_path: Path) -> None:
    size = 8 * BLOCK
    pieces = {BLOCK + 512: b"data"}
    sparse = _write(tmp_path / "sparse.raw", size, pieces)
    full = _write(tmp_path / "full.raw", size, {0: bytes(size), **pieces})
    one, other = _hash(sparse), _hash(full)
    assert one.root == other.root
    assert list(one.leaves.runs()) == list(other.leaves.runs()) == [(1, 1)]


def test_a_large_empty_disk_costs_next_to_nothing(tmp_path: Path) -> None:
    path = _write(tmp_path / "large.raw", TIB, {TIB - 4096: b"end", 5 * BLOCK: b"start"})
    started = time.monotonic()
    manifest = _hash(path)
    assert time.monotonic() - started < 2
    assert list(manifest.leaves.runs()) == [(5, 1), (TIB // BLOCK - 1, 1)]
    manifest.save(tmp_path / "manifest")
    assert (tmp_path / "manifest").stat().st_size < 1000


def test_progress_counts_bytes_to_the_end(tmp_path: Path) -> None:
    path = _write(tmp_path / "disk.raw", 40 * BLOCK, {at * BLOCK: b"x" for at in (0, 3, 4, 39)})
    calls: list[tuple[int, int]] = []
    with open_disk(path) as reader:
        tree_hash(reader, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (4 * BLOCK, 4 * BLOCK)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_manifest_survives_saving(tmp_path: Path) -> None:
    pieces = {at * BLOCK: os.urandom(700_000) for at in (0, 7, 2000)}
    manifest = _hash(_write(tmp_path / "disk.raw", 2100 * BLOCK - 512, pieces))
    manifest.save(tmp_path / "manifest")
    again = Manifest.load(tmp_path / "manifest")
    assert (again.size, again.root) == (manifest.size, manifest.root)
    assert list(compare(manifest, again)) == []


@pytest.mark.parametrize("at", [0, 30, 45, -1, -40])
def test_damaged_manifest(at: int, tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    _hash(_write(tmp_path / "disk.raw", 4 * BLOCK, {0: b"x"})).save(path)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x15
    path.write_bytes(data)
    with pytest.raises(ManifestError):
        Manifest.load(path)
    path.write_bytes(data[:-5])
    with pytest.raises(ManifestError):
        Manifest.load(path)


def test_compare_gives_the_changed_blocks(tmp_path: Path) -> None:
    old = _hash(_write(tmp_path / "a.raw", 3000 * BLOCK, {0: b"same", 9 * BLOCK: b"old"}))
    pieces = {0: b"same", 9 * BLOCK: b"new", 2500 * BLOCK + 7: b"more"}
    new = _hash(_write(tmp_path / "b.raw", 3001 * BLOCK, pieces))
    assert list(compare(old, new)) == [9 * BLOCK, 2500 * BLOCK, 3000 * BLOCK]


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 2999), st.binary(min_size=32, max_size=32), max_size=60))
def test_leaves_are_a_sparse_list(chosen: dict[int, bytes]) -> None:
    leaves, plain = Leaves(3000), [ZERO_LEAF] * 3000
    for index, leaf in chosen.items():
        leaves[index] = plain[index] = leaf
    assert [leaves[index] for index in range(3000)] == plain
    assert leaves.root() == hashlib.sha256(b"".join(plain)).digest()
    covered = [index for first, count in leaves.runs() for index in range(first, first + count)]
    assert covered == sorted(index for index, leaf in chosen.items() if leaf != ZERO_LEAF)


def test_an_error_in_one_thread_ends_all(tmp_path: Path) -> None:
    path = _write(tmp_path / "disk.raw", 200 * BLOCK, {0: os.urandom(100 * BLOCK)})
    before = threading.active_count()
    with open_disk(path) as reader:
        os.truncate(path, 50 * BLOCK)
        with pytest.raises(TruncatedError):
            tree_hash(reader, workers=3)
    assert threading.active_count() == before


KINDS = st.sampled_from(list(ExtentKind))


@given(st.lists(st.tuples(st.integers(0, 5), KINDS), max_size=30))
def test_merged_extents(pieces: list[tuple[int, ExtentKind]]) -> None:
    def extents() -> Iterator[Extent]:
        at = 0
        for length, kind in pieces:
            yield Extent(at, length, kind)
            at += length

    joined = list(merged(extents()))
    assert [kind for extent in joined for kind in [extent.kind] * extent.length] == [
        kind for length, kind in pieces for _ in range(length)
    ]
    assert all(one.kind is not two.kind for one, two in pairwise(joined))
    assert all(one.end == two.offset for one, two in pairwise(joined))


def test_extents_of_random_sparse_files(tmp_path: Path) -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.sets(st.integers(0, 63), max_size=20))
    def check(blocks: set[int]) -> None:
        path = _write(tmp_path / "disk.raw", 64 * 4096, {at * 4096: b"\1" for at in blocks})
        with open_disk(path) as reader:
            extents = list(reader.extents())
        data = {
            block
            for extent in extents
            if extent.kind is ExtentKind.DATA
            for block in range(extent.offset // 4096, -(-extent.end // 4096))
        }
        assert blocks <= data
        assert extents[0].offset == 0
        assert extents[-1].end == 64 * 4096

    check()
