"""Which format a file is, by content; names that contradict it; what is no disk."""

from __future__ import annotations

import os
import struct
import uuid
from pathlib import Path

import pytest

from imageport.disk.errors import (
    BackingRefusedError,
    CorruptError,
    DiskError,
    FormatMismatchError,
    NotADiskError,
    TruncatedError,
    UnreadableError,
)
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from tests.unit.disk import builders

MIB = builders.MIB


def _error(path: Path) -> DiskError:
    with pytest.raises(DiskError) as caught:
        open_disk(path)
    assert caught.value.as_dict()["data"]["file"]
    return caught.value


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"\xfd7zXZ\0", "xz"),
        (bytes(257) + b"ustar", "tar"),
        (bytes(64) + b"\x7f\x10\xda\xbe", "VDI"),
    ],
)
def test_known_files_that_are_no_disks(head: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(head.ljust(4096, b"\0"))
    error = _error(path)
    assert isinstance(error, NotADiskError)
    assert word in error.message


@pytest.mark.parametrize("size", [0, 1, 511, 513, MIB + 1])
def test_raw_must_be_whole_sectors(size: int, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"\xeb" * size)
    assert isinstance(_error(path), NotADiskError)


@pytest.mark.parametrize("suffix", ["vhd", "vhdx", "vmdk", "qcow2", "VHDX", "avhdx"])
def test_name_promises_another_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"disk.{suffix}"
    path.write_bytes(bytes(MIB))
    error = _error(path)
    assert isinstance(error, FormatMismatchError)
    assert error.data["found"] == "raw"


def test_caller_may_say_raw(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"QFI\xfb".ljust(MIB, b"\0"))
    assert isinstance(_error(path), CorruptError)
    with open_disk(path, format=DiskFormat.RAW) as reader:
        assert (reader.format, reader.size) == (DiskFormat.RAW, MIB)


@pytest.mark.parametrize("short", [False, True])
def test_footers_of_512_and_511_bytes(short: bool, tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    builders.fixed_vhd(path, b"v" * MIB, uuid.uuid4())
    if short:
        with open(path, "r+b") as file:
            file.truncate(MIB + 511)
    with open_disk(path) as reader:
        assert (reader.format, reader.size) == (DiskFormat.VHD_FIXED, MIB)


def test_vhd_without_its_footer_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    builders.differencing_vhd(path, MIB, {}, uuid.uuid4(), (uuid.uuid4(), "p.vhd"))
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 1024)
    assert isinstance(_error(path), TruncatedError)


def test_vhd_footer_with_a_wrong_checksum(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    builders.fixed_vhd(path, b"v" * MIB, uuid.uuid4())
    with open(path, "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"x")
    error = _error(path)
    assert isinstance(error, CorruptError)
    assert error.data["structure"] == "VHD footer"
    assert error.data["offset"] == MIB


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert isinstance(_error(tmp_path / "fifo"), NotADiskError)
    assert isinstance(_error(tmp_path), NotADiskError)
    assert isinstance(_error(tmp_path / "absent"), UnreadableError)


def test_file_cut_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"r" * MIB)
    with open_disk(path) as reader:
        os.truncate(path, 1000)
        with pytest.raises(TruncatedError):
            reader.read_into(0, bytearray(MIB))


def test_reading_after_close(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(MIB))
    reader = open_disk(path)
    reader.close()
    reader.close()
    with pytest.raises(UnreadableError):
        reader.read_into(0, bytearray(512))


@pytest.mark.parametrize("name", ["../base.raw", "/etc/hostname", "nbd://host/x", "json:{}", ""])
def test_backing_names_that_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(512))
    folder = tmp_path / "sub"
    folder.mkdir()
    path = folder / "overlay.qcow2"
    path.write_bytes(_overlay(name.encode()))
    expected = (BackingRefusedError, CorruptError) if not name else BackingRefusedError
    assert isinstance(_error(path), expected)


def test_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(65536))
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "link.raw").symlink_to("../base.raw")
    path = folder / "overlay.qcow2"
    path.write_bytes(_overlay(b"link.raw"))
    assert isinstance(_error(path), BackingRefusedError)
    open_disk(path, allow_backing=True).close()


def test_backing_format_is_taken_at_its_word(tmp_path: Path) -> None:
    """A guest may write any magic into a raw disk: it must stay raw."""
    (tmp_path / "base.img").write_bytes(b"QFI\xfb".ljust(65536, b"g"))
    path = tmp_path / "overlay.qcow2"
    path.write_bytes(_overlay(b"base.img", b"raw"))
    with open_disk(path) as reader:
        buffer = bytearray(8)
        reader.read_into(0, buffer)
        assert buffer == b"QFI\xfbgggg"


def _overlay(name: bytes, form: bytes = b"raw") -> bytes:
    """An empty qcow2 v3 overlay of 64 KiB."""
    fields = (b"QFI\xfb", 3, 512, len(name), 16, 65536, 0, 1, 65536, 131072, 1, 0, 0)
    head = struct.pack(">4sIQIIQIIQQIIQ", *fields) + struct.pack(">QQQII", 0, 0, 0, 4, 104)
    head += struct.pack(">II", 0xE2792ACA, len(form)) + form.ljust(8, b"\0") + bytes(8)
    return (head.ljust(512, b"\0") + name).ljust(3 * 65536, b"\0")
