"""The log of a VHDX file that was not closed in order ([MS-VHDX] 2.3), replayed in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from imageport.disk.base import KIB, MIB
from imageport.disk.errors import UnsupportedError
from imageport.disk.file import ImageFile, Patch
from imageport.disk.mapped import corrupt
from imageport.disk.vhdx.crc32c import sealed
from imageport.disk.vhdx.layout import Header

SECTOR = 4 * KIB
"""The log is made of sectors of 4 KiB; data is logged in the same unit."""
MAX_LOG = 16 * MIB
"""Bytes of a log that is replayed; Hyper-V and QEMU make logs of 1 MiB."""

_ENTRY = struct.Struct("<4sIIIQII16sQQ")
_DESCRIPTOR = struct.Struct("<4s4s8sQQ")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One valid log entry; `at`, `tail` and `length` in bytes of the log."""

    at: int
    length: int
    tail: int
    sequence: int
    flushed_size: int
    data: bytes
    descriptors: int


def replay(file: ImageFile, header: Header) -> Sequence[Patch]:
    """What the log of `header` changes in the file, in order.

    Raises `CorruptError` when the log says it is in use but holds no valid sequence,
    `TruncatedError` when the file is shorter than the log knows it to have been.
    """
    if header.log_version != 0:
        feature = f"a VHDX log of version {header.log_version}"
        raise UnsupportedError(file=file.name, feature=feature)
    if not 0 < header.log_length <= MAX_LOG or header.log_length % MIB:
        detail = f"a log of {header.log_length} bytes"
        raise corrupt(file, "VHDX header", header.log_offset, detail)
    log = file.read(header.log_offset, header.log_length, "VHDX log")
    active = _active_sequence(log, header.log_id)
    if not active:
        raise corrupt(file, "VHDX log", header.log_offset, "it holds no valid sequence of entries")
    file.require(0, active[-1].flushed_size, "content known to the log")
    return [patch for entry in active for patch in _patches(entry)]


def _active_sequence(log: bytes, log_id: UUID) -> list[_Entry]:
    """The valid sequence with the highest sequence number, tail to head (2.3.2)."""
    entries = {entry.at: entry for entry in _valid_entries(log, log_id)}
    following = {at: _next(entries, entry, len(log)) for at, entry in entries.items()}
    continued = {entry.at for entry in following.values() if entry is not None}
    best: list[_Entry] = []
    for start in entries.values():
        if start.at in continued:
            continue
        chain = [start]
        while (successor := following[chain[-1].at]) is not None:
            chain.append(successor)
        active = _from_tail(chain)
        if active and (not best or active[-1].sequence > best[-1].sequence):
            best = active
    return best


def _next(entries: dict[int, _Entry], entry: _Entry, size: int) -> _Entry | None:
    following = entries.get((entry.at + entry.length) % size)
    if following is None or following.sequence != entry.sequence + 1:
        return None
    return following


def _from_tail(chain: list[_Entry]) -> list[_Entry]:
    for index, entry in enumerate(chain):
        if entry.at == chain[-1].tail:
            return chain[index:]
    return []


def _valid_entries(log: bytes, log_id: UUID) -> Iterator[_Entry]:
    for at in range(0, len(log), SECTOR):
        if log[at : at + 4] == b"loge":
            entry = _entry(log, at, log_id)
            if entry is not None:
                yield entry


def _entry(log: bytes, at: int, log_id: UUID) -> _Entry | None:
    """The entry at `at` if it is whole and of this log.

    The cheap checks of every sector come before the checksum, so that overlapping false entries
    cannot make the scan slow.
    """
    fields = _ENTRY.unpack_from(log, at)
    length, tail, sequence, descriptors = fields[2:6]
    if UUID(bytes_le=fields[7]) != log_id or not sequence:
        return None
    if not SECTOR <= length <= len(log) or length % SECTOR or tail % SECTOR or tail >= len(log):
        return None
    if _ENTRY.size + descriptors * _DESCRIPTOR.size > length:
        return None
    data = log[at : at + length]
    data += log[: length - len(data)]
    entry = _Entry(at, length, tail, sequence, fields[8], data, descriptors)
    return entry if _consistent(entry) and sealed(data) else None


def _consistent(entry: _Entry) -> bool:
    """Descriptors and data sectors carry their signatures and the entry's sequence number."""
    sector = _data_start(entry)
    for signature, _, _, _, sequence in _descriptors(entry):
        if signature not in (b"desc", b"zero") or sequence != entry.sequence:
            return False
        if signature == b"desc":
            found = entry.data[sector : sector + SECTOR]
            if len(found) != SECTOR or found[:4] != b"data":
                return False
            high, low = found[4:8], found[-4:]
            if int.from_bytes(low + high, "little") != entry.sequence:
                return False
            sector += SECTOR
    return True


def _patches(entry: _Entry) -> Iterator[Patch]:
    sector = _data_start(entry)
    for signature, trailing, leading, offset, _ in _descriptors(entry):
        if signature == b"zero":
            yield Patch(offset, int.from_bytes(leading, "little"), None)
            continue
        data = entry.data[sector + 8 : sector + SECTOR - 4]
        yield Patch(offset, SECTOR, leading + data + trailing)
        sector += SECTOR


def _descriptors(entry: _Entry) -> Iterator[tuple[bytes, bytes, bytes, int, int]]:
    for index in range(entry.descriptors):
        yield _DESCRIPTOR.unpack_from(entry.data, _ENTRY.size + index * _DESCRIPTOR.size)


def _data_start(entry: _Entry) -> int:
    """Data sectors follow the sectors of the header and its descriptors."""
    return -(-(_ENTRY.size + entry.descriptors * _DESCRIPTOR.size) // SECTOR) * SECTOR
