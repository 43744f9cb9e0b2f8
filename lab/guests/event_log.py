"""Windows event logs (.evtx) as Windows writes them, of events that a test wants.

Format: libevtx' documentation of "Windows XML Event Log (EVTX)", and [MS-EVEN6] 2.2.12 (BinXml).
Each record brings its template and its names along: Windows writes those once a chunk, readers
take both.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

CHUNK: Final = 65536
_FILE_HEADER: Final = 4096
_CHUNK_HEADER: Final = 512
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_XMLNS: Final = "http://schemas.microsoft.com/win/2004/08/events/event"
_FRAGMENT: Final = b"\x0f\x01\x01\x00"
_END: Final = b"\x00"
_STRING, _UINT8, _UINT16, _UINT64, _FILETIME = 0x01, 0x04, 0x06, 0x0A, 0x11
_FIXED: Final = 7
"""Values that every event has, before its data."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event; `level` is 1 (critical) to 5 (verbose), names of data may be empty."""

    time: datetime
    level: int
    provider: str
    id: int
    data: tuple[tuple[str, str], ...] = ()
    computer: str = "MASTER01"
    channel: str = "System"


def event_log(events: Sequence[LoggedEvent], *, dirty: bool = False) -> bytes:
    """The file of a log with these events; `dirty` as after a power cut."""
    chunks: list[bytes] = []
    records: list[bytes] = []
    used, first = _CHUNK_HEADER, 1
    for number, event in enumerate(events, 1):
        record = _record(event, number, used)
        if used + len(record) > CHUNK:
            chunks.append(_chunk(records, first))
            records, used, first = [], _CHUNK_HEADER, number
            record = _record(event, number, used)
        records.append(record)
        used += len(record)
    chunks.append(_chunk(records, first))
    head = struct.pack(
        "<8sQQQIHHHH76xI",
        *(b"ElfFile\0", 0, len(chunks) - 1, len(events) + 1),
        *(128, 1, 3, _FILE_HEADER, len(chunks), int(dirty)),
    )
    head += struct.pack("<I", zlib.crc32(head[:120]))
    return head.ljust(_FILE_HEADER, b"\0") + b"".join(chunks)


def _chunk(records: Sequence[bytes], first: int) -> bytes:
    body = b"".join(records)
    last = first + len(records) - 1
    end = _CHUNK_HEADER + len(body)
    numbers = (first, last, first, last) if records else (1, 2**64 - 1, 2**64 - 1, 2**64 - 1)
    head = struct.pack(
        "<8sQQQQIIII64xI",
        *(b"ElfChnk\0", *numbers, 128),
        *(end - len(records[-1]) if records else 0, end, zlib.crc32(body), 0),
    )
    tables = bytes(_CHUNK_HEADER - 128)
    head += struct.pack("<I", zlib.crc32(head[:120] + tables))
    return (head + tables + body).ljust(CHUNK, b"\0")


def _record(event: LoggedEvent, number: int, place: int) -> bytes:
    """The record at `place` in its chunk."""
    xml = _instance(event, number, place + 24)
    size = 24 + len(xml) + 4
    head = struct.pack("<IIQQ", 0x00002A2A, size, number, _filetime(event.time))
    return head + xml + struct.pack("<I", size)


def _filetime(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1) * 10


def _instance(event: LoggedEvent, number: int, place: int) -> bytes:
    """A fragment: an instance of a template that is defined right here, and its values."""
    names = tuple(name for name, _ in event.data)
    definition = place + len(_FRAGMENT) + 10
    identity = uuid.uuid5(uuid.NAMESPACE_OID, "\0".join(names)).bytes_le
    template = _template(names, definition + 24)
    values = _values(event, number)
    return b"".join(
        (
            _FRAGMENT,
            b"\x0c\x01" + identity[:4] + struct.pack("<I", definition),
            struct.pack("<I16sI", 0, identity, len(template)),
            template,
            struct.pack("<I", len(values)),
            *(struct.pack("<HBx", len(value), kind) for kind, value in values),
            *(value for _, value in values),
            _END,
        )
    )


def _values(event: LoggedEvent, number: int) -> list[tuple[int, bytes]]:
    def text(value: str) -> tuple[int, bytes]:
        return _STRING, value.encode("utf-16-le")

    return [
        text(event.provider),
        (_UINT16, struct.pack("<H", event.id)),
        (_UINT8, struct.pack("<B", event.level)),
        (_FILETIME, struct.pack("<Q", _filetime(event.time))),
        (_UINT64, struct.pack("<Q", number)),
        text(event.channel),
        text(event.computer),
        *(text(value) for _, value in event.data),
    ]


def _template(names: Sequence[str], place: int) -> bytes:
    """The template of events whose data have these names; it lies at `place` in its chunk."""
    xml = _Xml(place)
    xml.raw(_FRAGMENT)
    event = xml.open("Event", (("xmlns", _XMLNS),))
    system = xml.open("System")
    xml.empty("Provider", (("Name", (0, _STRING)),))
    for name, index, kind in (("EventID", 1, _UINT16), ("Level", 2, _UINT8)):
        xml.leaf(name, index, kind)
    xml.empty("TimeCreated", (("SystemTime", (3, _FILETIME)),))
    xml.leaf("EventRecordID", 4, _UINT64)
    xml.leaf("Channel", 5, _STRING)
    xml.leaf("Computer", 6, _STRING)
    xml.close(system)
    data = xml.open("EventData")
    for index, name in enumerate(names, _FIXED):
        xml.leaf("Data", index, _STRING, (("Name", name),) if name else ())
    xml.close(data)
    xml.close(event)
    xml.raw(_END)
    return bytes(xml.content)


_Attributes = Sequence[tuple[str, str | tuple[int, int]]]
"""Names, and their text or the number and type of the value that takes its place."""


class _Xml:
    """BinXml that begins at `place` in its chunk: names are told by where they lie there."""

    def __init__(self, place: int) -> None:
        self.content = bytearray()
        self._place = place

    def raw(self, data: bytes) -> None:
        self.content += data

    def open(self, name: str, attributes: _Attributes = ()) -> int:
        """Begin an element; returns what `close` wants."""
        self.raw(struct.pack("<BHI", 0x41 if attributes else 0x01, 0xFFFF, 0))
        size_at = len(self.content) - 4
        self._name(name)
        if attributes:
            self.raw(bytes(4))
            begin = len(self.content)
            for index, (key, value) in enumerate(attributes, 1):
                self.raw(b"\x06" if index == len(attributes) else b"\x46")
                self._name(key)
                self._text(value) if isinstance(value, str) else self._value(*value)
            struct.pack_into("<I", self.content, begin - 4, len(self.content) - begin)
        self.raw(b"\x02")
        return size_at

    def close(self, size_at: int) -> None:
        self._close(size_at, b"\x04")

    def empty(self, name: str, attributes: _Attributes) -> None:
        """An element of attributes alone."""
        element = self.open(name, attributes)
        del self.content[-1:]
        self._close(element, b"\x03")

    def _close(self, size_at: int, token: bytes) -> None:
        self.raw(token)
        struct.pack_into("<I", self.content, size_at, len(self.content) - size_at - 4)

    def leaf(self, name: str, index: int, kind: int, attributes: _Attributes = ()) -> None:
        """An element of one value."""
        element = self.open(name, attributes)
        self._value(index, kind)
        self.close(element)

    def _value(self, index: int, kind: int) -> None:
        self.raw(struct.pack("<BHB", 0x0D, index, kind))

    def _text(self, text: str) -> None:
        self.raw(struct.pack("<BBH", 0x05, _STRING, len(text)) + text.encode("utf-16-le"))

    def _name(self, name: str) -> None:
        """A name, right behind the offset that says where it is."""
        self.raw(struct.pack("<I", self._place + len(self.content) + 4))
        hashed = 0
        for character in name:
            hashed = (hashed * 65599 + ord(character)) & 0xFFFF_FFFF
        self.raw(struct.pack("<IHH", 0, hashed & 0xFFFF, len(name)))
        self.raw(name.encode("utf-16-le") + b"\0\0")
