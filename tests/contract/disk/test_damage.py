"""Damaged and cut files: a clear error or the right content, never anything else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.disk.errors import DiskError
from imageport.disk.open import open_disk
from tests.contract.disk import qemu

Image = Callable[[str], Path]
CUT = ["vhd-fixed", "vhd-dynamic", "vhdx-1m", "vhdx-fixed", "vmdk-sparse", "vmdk-stream", "qcow2",
       "qcow2-512", "qcow2-subclusters", "qcow2-zlib", "qcow2-zstd"]  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_cut_file(name: str, image: Image, sample: Path, tmp_path: Path) -> None:
    """A cut is noticed at open, unless nothing that matters was cut off."""
    expected = qemu.digest(sample.read_bytes())
    path = qemu.clone(image(name), tmp_path)
    _cut_and_read(path, path, expected)


@pytest.mark.parametrize("name", ["vmdk-flat", "vmdk-2gb-sparse", "vmdk-2gb-flat"])
def test_cut_extent(name: str, image: Image, sample: Path, tmp_path: Path) -> None:
    path = qemu.clone(image(name), tmp_path)
    part = next(other for other in tmp_path.iterdir() if other != path)
    _cut_and_read(path, part, qemu.digest(sample.read_bytes()))


def _cut_and_read(path: Path, part: Path, expected: str) -> None:
    whole = part.stat().st_size
    for length in _lengths(whole):
        with open(part, "r+b") as file:
            file.truncate(length)
        started = time.monotonic()
        try:
            with open_disk(path) as reader:
                assert qemu.digest(qemu.read_all(reader)) == expected
                assert length > whole * 0.9
        except DiskError as error:
            assert time.monotonic() - started < 0.5
            assert error.data["file"] == str(part)


def _lengths(size: int) -> list[int]:
    """Cuts near the end, at and around powers of two, and spread over the file; longest first."""
    near = {size - cut for cut in (1, 2, 511, 512, 513, 1024, 1025, 4096, 65536)}
    powers = {(1 << bit) + by for bit in range(0, 25) for by in (-1, 0, 1)}
    spread = {size * part // 23 for part in range(1, 23)}
    return sorted((cut for cut in near | powers | spread if 0 <= cut < size), reverse=True)
