"""streamOptimized VMDK as written, from front to back as ESXi reads it ("Virtual Disk Format 5.0").

Offsets are the specification's own; nothing of our structures is used.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.errors import UnsupportedError
from imageport.disk.open import open_disk
from imageport.disk.target import LocalTarget
from imageport.disk.vmdk.writer import StreamVmdkWriter
from imageport.model.target import DiskFormat
from tests.contract.disk import qemu

SECTOR, GRAIN = 512, 64 * 1024
SIZE = 70 * qemu.MIB + 5 * 512
"""Three grain tables, of which the middle one is not needed, and a last grain that is not whole."""
TABLE, DIRECTORY, FOOTER, END = 1, 2, 3, 0


class Piece(NamedTuple):
    """One marker of the stream: a grain of the disk, or metadata of a kind."""

    sector: int
    """Where the marker lies in the file."""
    kind: int | None
    """None for a grain."""
    number: int
    """The grain's sector in the disk, or how many sectors of metadata follow."""
    data: bytes


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    data = bytearray(SIZE)
    for at in (0, 3 * GRAIN + 512, 31 * qemu.MIB, 65 * qemu.MIB, SIZE - 512):
        data[at : at + 512] = bytes(range(256)) * 2
    return bytes(data)


@pytest.fixture(scope="module")
def file(source: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("vmdk")
    raw, path = folder / "in.raw", folder / "out.vmdk"
    raw.write_bytes(source)
    with open_disk(raw) as reader:
        copy(reader, create_disk(path, DiskFormat.VMDK, reader.size))
    return path.read_bytes()


def _pieces(file: bytes) -> Iterator[Piece]:
    """The stream from the first sector behind the overhead to its end."""
    at = int.from_bytes(file[64:72], "little") * SECTOR
    while at < len(file):
        number, length, kind = struct.unpack_from("<QII", file, at)
        start = at
        if length:
            data = file[at + 12 : at + 12 + length]
            end = -(-(at + 12 + length) // SECTOR) * SECTOR
            assert not any(file[at + 12 + length : end]), "padding of a grain"
            yield Piece(start // SECTOR, None, number, data)
        else:
            assert not any(file[at + 16 : at + SECTOR]), "padding of a marker"
            end = at + SECTOR + number * SECTOR
            yield Piece(start // SECTOR, kind, number, file[at + SECTOR : end])
        at = end
    assert at == len(file)


def test_header(file: bytes) -> None:
    assert file[:4] == b"KDMV"
    version, flags, capacity, grain, text_at, text_size = struct.unpack_from("<IIQQQQ", file, 4)
    assert version == 3
    assert flags == 1 << 0 | 1 << 16 | 1 << 17, "line ends, compressed, markers"
    assert grain * SECTOR == GRAIN
    assert capacity * SECTOR == -(-SIZE // GRAIN) * GRAIN, "whole grains"
    entries, spare, directory, overhead = struct.unpack_from("<IQQQ", file, 44)
    assert entries == 512
    assert spare == 0
    assert directory == 2**64 - 1, "the footer knows"
    assert text_at + text_size <= overhead
    assert overhead % grain == 0
    assert file[72:77] == b"\0\n \r\n"
    assert int.from_bytes(file[77:79], "little") == 1, "deflate"
    assert not any(file[79:512])


def test_descriptor(file: bytes) -> None:
    text_at, text_size = struct.unpack_from("<QQ", file, 28)
    area = file[text_at * SECTOR : (text_at + text_size) * SECTOR]
    text, _, padding = area.partition(b"\0")
    assert not any(padding)
    lines = text.decode("ascii").splitlines()
    assert lines[:2] == ["# Disk DescriptorFile", "version=1"]
    settings = dict(line.split("=", 1) for line in lines if re.match(r"^[A-Za-z]+=", line))
    assert settings["createType"] == '"streamOptimized"'
    assert settings["parentCID"] == "ffffffff"
    assert re.fullmatch(r"[0-9a-f]{8}", settings["CID"])
    assert settings["CID"] not in ("ffffffff", "fffffffe")
    (extent,) = (line for line in lines if line.startswith("RW "))
    capacity = int.from_bytes(file[12:20], "little")
    assert extent == f'RW {capacity} SPARSE "out.vmdk"'
    entries = dict(re.findall(r'^(ddb\.\S+) = "(.*)"$', text.decode("ascii"), re.MULTILINE))
    assert entries["ddb.adapterType"] == "lsilogic"
    cylinders, heads, sectors = (
        int(entries[f"ddb.geometry.{name}"]) for name in ("cylinders", "heads", "sectors")
    )
    assert (heads, sectors) == (255, 63)
    assert 0 < cylinders * heads * sectors <= capacity


def test_grains(file: bytes, source: bytes) -> None:
    before = -1
    covered = set()
    for piece in _pieces(file):
        if piece.kind is None:
            assert piece.number % 128 == 0
            assert piece.number > before, "in the order of the disk"
            before = piece.number
            plain = zlib.decompress(piece.data)
            start = piece.number * SECTOR
            assert plain == source[start : start + GRAIN].ljust(GRAIN, b"\0")
            covered.add(start)
    for start in range(0, SIZE, GRAIN):
        assert start in covered or not any(source[start : start + GRAIN])


def test_tables_follow_their_grains(file: bytes) -> None:
    tables: dict[int, tuple[int, ...]] = {}
    pending: dict[int, int] = {}
    pieces = list(_pieces(file))
    for piece in pieces:
        if piece.kind is None:
            pending[piece.number // 128] = piece.sector
        elif piece.kind == TABLE:
            assert piece.number == 512 * 4 // SECTOR
            (index,) = {grain // 512 for grain in pending}
            table = struct.unpack("<512I", piece.data)
            assert {
                index * 512 + at: sector for at, sector in enumerate(table) if sector
            } == pending
            tables[index] = (piece.sector + 1,)
            pending.clear()
    assert not pending
    (directory,) = (piece for piece in pieces if piece.kind == DIRECTORY)
    entries = struct.unpack_from("<3I", directory.data)
    assert directory.number == 1
    assert entries == (tables[0][0], 0, tables[2][0])
    assert not any(directory.data[12:])


def test_end_of_the_stream(file: bytes) -> None:
    pieces = list(_pieces(file))
    kinds = [piece.kind for piece in pieces[-4:]]
    assert kinds == [TABLE, DIRECTORY, FOOTER, END]
    directory, footer, end = pieces[-3:]
    assert footer.data == file[-1024:-512]
    assert footer.data[:56] == file[:56], "a copy of the header"
    assert int.from_bytes(footer.data[56:64], "little") == directory.sector + 1
    assert footer.data[64:] == file[64:512]
    assert (end.number, end.data) == (0, b"")
    assert not any(file[-512:])


def test_empty_disk(tmp_path: Path) -> None:
    path = tmp_path / "out.vmdk"
    writer = StreamVmdkWriter(LocalTarget(path), 10 * GRAIN)
    writer.zero(0, 10 * GRAIN)
    writer.finish()
    assert [piece.kind for piece in _pieces(path.read_bytes())] == [DIRECTORY, FOOTER, END]
    with open_disk(path) as reader:
        assert not any(qemu.read_all(reader))


def test_size_that_is_not_whole_grains(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        StreamVmdkWriter(LocalTarget(tmp_path / "out.vmdk"), GRAIN + 512)
