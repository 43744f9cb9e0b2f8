"""Write an empty registry hive from nothing (regf 1.5).

Layout after "Windows registry file format specification" (msuhanov/regf): a 4 KiB base block, then
one 4 KiB bin with a root key node, its security descriptor (libhivex refuses to add a key below
one that has none) and one free cell.
"""

from __future__ import annotations

import struct

from imageport.guest.windows.hive import base_block_checksum

_BIN_SIZE = 4096
_ABSENT = 0xFFFFFFFF
_FILETIME_2024 = 133_485_408_000_000_000
"""2024-01-01 UTC, in 100 ns since 1601: a fixed time makes equal generators make equal bytes."""


def blank_hive(root_name: str = "ROOT", file_name: str = "") -> bytes:
    """The 8,192 bytes of a valid hive that holds nothing but its root key."""
    content = _bin(root_name)
    base = struct.pack(
        "<4sIIQIIIIIII", b"regf", 1, 1, _FILETIME_2024, 1, 5, 0, 1, 0x20, len(content), 1
    )
    base += file_name.encode("utf-16-le")[-62:].ljust(64, b"\0")
    base = base.ljust(508, b"\0")
    return (base + struct.pack("<I", base_block_checksum(base))).ljust(4096, b"\0") + content


def _bin(root_name: str) -> bytes:
    name = root_name.encode("ascii")
    security_offset = 0x20 + len(_cell(_key_node(name, 0)))
    cells = _cell(_key_node(name, security_offset)) + _cell(_security_node(security_offset))
    header = struct.pack("<4sIIQQI", b"hbin", 0, _BIN_SIZE, 0, _FILETIME_2024, 0)
    free = _BIN_SIZE - len(header) - len(cells)
    return (header + cells + struct.pack("<i", free)).ljust(_BIN_SIZE, b"\0")


def _cell(content: bytes) -> bytes:
    size = (4 + len(content) + 7) & ~7
    return struct.pack("<i", -size) + content.ljust(size - 4, b"\0")


def _key_node(name: bytes, security_offset: int) -> bytes:
    root_entry = 0x04 | 0x08 | 0x20
    return (
        struct.pack("<2sHQ", b"nk", root_entry, _FILETIME_2024)
        + struct.pack("<IIII", 0, _ABSENT, 0, 0)
        + struct.pack("<IIIIII", _ABSENT, _ABSENT, 0, _ABSENT, security_offset, _ABSENT)
        + struct.pack("<IIIIIHH", 0, 0, 0, 0, 0, len(name), 0)
        + name
    )


def _security_node(offset: int) -> bytes:
    descriptor = _security_descriptor()
    return struct.pack("<2sHIIII", b"sk", 0, offset, offset, 1, len(descriptor)) + descriptor


def _security_descriptor() -> bytes:
    """[MS-DTYP] 2.4.6: Administrators and SYSTEM have full control, everyone may read."""
    administrators, system, everyone = _sid(5, 32, 544), _sid(5, 18), _sid(1, 0)
    entries = _allow(system, 0xF003F) + _allow(administrators, 0xF003F) + _allow(everyone, 0x20019)
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(entries), 3, 0) + entries
    owner = 20 + len(acl)
    group = owner + len(administrators)
    return (
        struct.pack("<BBHIIII", 1, 0, 0x8004, owner, group, 0, 20) + acl + administrators + system
    )


def _sid(authority: int, *subauthorities: int) -> bytes:
    head = struct.pack("<BB", 1, len(subauthorities)) + authority.to_bytes(6, "big")
    return head + b"".join(struct.pack("<I", each) for each in subauthorities)


def _allow(sid: bytes, mask: int) -> bytes:
    inherited_by_subkeys = 2
    return struct.pack("<BBHI", 0, inherited_by_subkeys, 8 + len(sid), mask) + sid
