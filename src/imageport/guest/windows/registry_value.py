"""Registry values as they lie in a hive: a name, a type number and bytes, and what they mean."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class ValueType(IntEnum):
    """Registry value types ([MS-RRP] 3.1.1.5) known here; others keep their number."""

    NONE = 0
    SZ = 1
    EXPAND_SZ = 2
    BINARY = 3
    DWORD = 4
    DWORD_BIG_ENDIAN = 5
    LINK = 6
    MULTI_SZ = 7
    QWORD = 11


_TEXT_TYPES: Final = (ValueType.SZ, ValueType.EXPAND_SZ, ValueType.LINK)
_NUMBER_FORMATS: Final = {
    ValueType.DWORD: "<I",
    ValueType.DWORD_BIG_ENDIAN: ">I",
    ValueType.QWORD: "<Q",
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a key: its name (empty for the default value), type number and raw bytes."""

    name: str
    type: int
    data: bytes

    @classmethod
    def from_text(cls, name: str, text: str, *, expand: bool = False) -> Value:
        """A REG_SZ, or REG_EXPAND_SZ when `expand`."""
        kind = ValueType.EXPAND_SZ if expand else ValueType.SZ
        return cls(name, kind, f"{text}\0".encode("utf-16-le"))

    @classmethod
    def from_dword(cls, name: str, number: int) -> Value:
        """A REG_DWORD; raises `struct.error` outside 0..2**32-1."""
        return cls(name, ValueType.DWORD, struct.pack("<I", number))

    @classmethod
    def from_qword(cls, name: str, number: int) -> Value:
        """A REG_QWORD; raises `struct.error` outside 0..2**64-1."""
        return cls(name, ValueType.QWORD, struct.pack("<Q", number))

    @classmethod
    def from_binary(cls, name: str, data: bytes) -> Value:
        """A REG_BINARY."""
        return cls(name, ValueType.BINARY, data)

    @classmethod
    def from_strings(cls, name: str, strings: Iterable[str]) -> Value:
        """A REG_MULTI_SZ; an empty string would end the list for every reader, so it is dropped."""
        text = "".join(f"{each}\0" for each in strings if each)
        return cls(name, ValueType.MULTI_SZ, f"{text}\0".encode("utf-16-le"))

    @property
    def text(self) -> str | None:
        """The string of a REG_SZ, REG_EXPAND_SZ or REG_LINK up to its first NUL; else None."""
        if self.type not in _TEXT_TYPES:
            return None
        return self._decoded().split("\0", 1)[0]

    @property
    def number(self) -> int | None:
        """The number of a REG_DWORD (either byte order) or REG_QWORD; None for another type."""
        layout = next((f for kind, f in _NUMBER_FORMATS.items() if kind == self.type), None)
        if layout is None or len(self.data) < struct.calcsize(layout):
            return None
        return int(struct.unpack_from(layout, self.data)[0])

    @property
    def strings(self) -> tuple[str, ...] | None:
        """The list of a REG_MULTI_SZ up to its first empty string; None for another type."""
        if self.type != ValueType.MULTI_SZ:
            return None
        listed = self._decoded().split("\0\0", 1)[0].strip("\0")
        return tuple(listed.split("\0")) if listed else ()

    def _decoded(self) -> str:
        even = self.data[: len(self.data) & ~1]
        return even.decode("utf-16-le", errors="replace")
