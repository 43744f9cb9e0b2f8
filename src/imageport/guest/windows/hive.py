"""Offline registry hives: read and edit them through libhivex.

Binds the C library directly (hivex(3), `libhivex.so.0` of Debian's libhivex0), because the Python
module packaged with it is tied to one interpreter and the PyPI name `hivex` is another project.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Final, Self

from imageport.guest.windows.registry_value import Value
from imageport.model.errors import ImageportError

_BASE_BLOCK_SIZE: Final = 4096
_CHECKSUM_OFFSET: Final = 0x1FC
_OPEN_WRITE: Final = 4
"""`HIVEX_OPEN_WRITE` of hivex.h."""
_TYPE_MASK: Final = 0xFFFFFFFF
_LARGEST: Final = 16_344
"""Bytes of data in one cell. More is stored in segments since regf 1.4, as Windows and all other
readers expect; libhivex reads those, and writes one large cell."""


class HiveLibraryError(ImageportError):
    """libhivex, or what it needs to convert names, is not on this machine."""

    code = "guest.hive-library"
    sentence = "Windows registry hives cannot be read on this machine: {detail}."
    remedy = "Install libhivex0 and the gconv modules of libc6 (ISO8859-1 and UTF-16)."


class HiveUnreadableError(ImageportError):
    """The hive's file cannot be read or written at all."""

    code = "guest.hive-unreadable"
    sentence = "The registry hive {path} cannot be opened: {detail}."
    remedy = "Check that the Windows volume is mounted and that it holds this file."


class HiveInvalidError(ImageportError):
    """The file is not a registry hive."""

    code = "guest.hive-invalid"
    sentence = "{path} is not a Windows registry hive: {detail}."
    remedy = (
        "Check the Windows volume with chkdsk in the source machine, then take the image again."
    )


class HiveCorruptError(ImageportError):
    """The file begins as a hive does, and is damaged further on."""

    code = "guest.hive-corrupt"
    sentence = "The registry hive {path} is damaged: {detail}."
    remedy = "Repair Windows in the source machine (it must boot there), then take the image again."


class HiveDirtyError(ImageportError):
    """The hive's last write is still in its log files: editing it now would lose settings."""

    code = "guest.hive-dirty"
    sentence = "The registry hive {path} was not closed cleanly: {detail}."
    remedy = (
        "Start the source machine once, shut Windows down fully (not hibernate, not fast startup), "
        "then take the image again."
    )


class HiveReadOnlyError(ImageportError):
    """An edit was asked of a hive that was opened for reading."""

    code = "guest.hive-read-only"
    sentence = "The registry hive {path} was opened for reading and cannot be changed."
    remedy = "Please report this with the log."


class HiveValueTooLargeError(ImageportError):
    """A key that is to be changed holds, or would hold, a value that libhivex writes wrongly."""

    code = "guest.hive-large-value"
    sentence = (
        "The registry key {key} of {path} cannot be changed: its value {name} has {length} bytes."
    )
    remedy = "Make the value smaller in the source machine, or delete it there if it is not needed."


class _SetValue(ctypes.Structure):
    """`hive_set_value` of hivex.h."""

    _fields_ = (("key", c_char_p), ("t", c_int), ("len", c_size_t), ("value", c_char_p))


_SIGNATURES: Final = {
    "hivex_open": (c_void_p, [c_char_p, c_int]),
    "hivex_close": (c_int, [c_void_p]),
    "hivex_commit": (c_int, [c_void_p, c_char_p, c_int]),
    "hivex_root": (c_size_t, [c_void_p]),
    "hivex_node_name": (c_void_p, [c_void_p, c_size_t]),
    "hivex_node_children": (POINTER(c_size_t), [c_void_p, c_size_t]),
    "hivex_node_get_child": (c_size_t, [c_void_p, c_size_t, c_char_p]),
    "hivex_node_add_child": (c_size_t, [c_void_p, c_size_t, c_char_p]),
    "hivex_node_delete_child": (c_int, [c_void_p, c_size_t]),
    "hivex_node_values": (POINTER(c_size_t), [c_void_p, c_size_t]),
    "hivex_node_set_value": (c_int, [c_void_p, c_size_t, POINTER(_SetValue), c_int]),
    "hivex_node_set_values": (c_int, [c_void_p, c_size_t, c_size_t, POINTER(_SetValue), c_int]),
    "hivex_value_key": (c_void_p, [c_void_p, c_size_t]),
    "hivex_value_type": (c_int, [c_void_p, c_size_t, POINTER(c_int), POINTER(c_size_t)]),
    "hivex_value_value": (c_void_p, [c_void_p, c_size_t, POINTER(c_int), POINTER(c_size_t)]),
}


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libhivex.so.0", use_errno=True)
    except OSError as missing:
        raise HiveLibraryError(detail=str(missing)) from missing
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def _free() -> ctypes._NamedFuncPointer:
    """The `free` that belongs to libhivex's `malloc`: the process's C library."""
    free = ctypes.CDLL(None).free
    free.restype, free.argtypes = None, [c_void_p]
    return free


class Hive:
    """An open hive. Nothing reaches the file before `commit`; leaving the context closes it."""

    def __init__(self, handle: int, path: Path, *, writable: bool) -> None:
        self._handle: int | None = handle
        self.path = path
        self.writable = writable

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, writable: bool = False, accept_dirty: bool = False
    ) -> Hive:
        """Open the hive in the file `path`.

        `accept_dirty` lets an inspection read a hive whose last write is only in its logs; such a
        hive is never opened for writing. Raises `HiveUnreadableError`, `HiveInvalidError`,
        `HiveDirtyError`, `HiveCorruptError`, `HiveLibraryError`.
        """
        file = Path(path)
        _check_base_block(file, accept_dirty=accept_dirty and not writable)
        library = _library()
        ctypes.set_errno(0)
        handle = library.hivex_open(os.fsencode(file), _OPEN_WRITE if writable else 0)
        if not handle:
            raise HiveCorruptError(path=str(file), detail=_reason())
        hive = cls(handle, file, writable=writable)
        try:
            hive._check_names()
        except ImageportError:
            hive.close()
            raise
        return hive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the hive; what was not committed is forgotten. A second call does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            _library().hivex_close(handle)

    def commit(self) -> None:
        """Write all edits to the file, in place (its NTFS permissions stay), and flush it."""
        self._require_writable()
        self._checked("hivex_commit", None, 0)
        with self.path.open("rb") as written:
            os.fsync(written.fileno())

    @property
    def root(self) -> Key:
        """The hive's root key, whose path is the empty string."""
        return Key(self, int(self._checked("hivex_root")), "")

    def key(self, path: str) -> Key | None:
        r"""The key at `path`, such as `ControlSet001\Services`, in any case; None if absent."""
        return self.root.key(path)

    def ensure_key(self, path: str) -> Key:
        """The key at `path`, created with all its parents where absent."""
        return self.root.ensure_key(path)

    def _check_names(self) -> None:
        """Tell a machine that lacks gconv modules from a hive that has no such key."""
        try:
            _ = self.root.name
        except HiveCorruptError as unconverted:
            raise HiveLibraryError(detail="its C library cannot convert key names") from unconverted

    def _require_writable(self) -> None:
        if not self.writable:
            raise HiveReadOnlyError(path=str(self.path))

    def _call(self, function: str, *arguments: object) -> int | ctypes._Pointer[c_size_t] | None:
        if self._handle is None:
            raise ValueError(f"hive {self.path} is closed")
        ctypes.set_errno(0)
        result: int | ctypes._Pointer[c_size_t] | None
        result = getattr(_library(), function)(self._handle, *arguments)
        return result

    def _checked(self, function: str, *arguments: object) -> int:
        """Call a function of which 0 (handles, pointers) or -1 (statuses) means an error."""
        result = self._call(function, *arguments)
        failed = -1 if _SIGNATURES[function][0] is c_int else 0
        if result is None or result == failed:
            raise HiveCorruptError(path=str(self.path), detail=f"{_reason()} ({function})")
        return result  # type: ignore[return-value]  # arrays go through _handles

    def _handles(self, function: str, node: int) -> Iterator[int]:
        """The zero-terminated, malloc'ed array of handles that `function` returns."""
        array = self._call(function, c_size_t(node))
        if not array:
            raise HiveCorruptError(path=str(self.path), detail=f"{_reason()} ({function})")
        try:
            index = 0
            while handle := array[index]:  # type: ignore[index]  # a pointer, by its signature
                yield int(handle)
                index += 1
        finally:
            _free()(array)

    def _string(self, function: str, handle: int) -> str:
        pointer = self._checked(function, c_size_t(handle))
        try:
            return ctypes.string_at(pointer).decode("utf-8", errors="replace")
        finally:
            _free()(pointer)


class Key:
    """A key of an open hive. Names compare without regard to case, as in Windows."""

    def __init__(self, hive: Hive, node: int, path: str) -> None:
        self._hive = hive
        self._node = node
        self.path = path

    def __repr__(self) -> str:
        return f"Key({self._hive.path.name}:{self.path})"

    @property
    def name(self) -> str:
        """The key's own name, in the case in which it is stored."""
        return self._hive._string("hivex_node_name", self._node)

    def key(self, path: str) -> Key | None:
        """The key at `path` below this one; None if absent."""
        found: Key | None = self
        for name in _parts(path):
            found = found._child(name) if found is not None else None
        return found

    def ensure_key(self, path: str) -> Key:
        """The key at `path` below this one, created with its parents where absent."""
        key = self
        for name in _parts(path):
            key = key._child(name) or key._add_child(name)
        return key

    def subkeys(self) -> tuple[Key, ...]:
        """The keys directly below, in stored order (sorted by name)."""
        nodes = tuple(self._hive._handles("hivex_node_children", self._node))
        named = ((node, self._hive._string("hivex_node_name", node)) for node in nodes)
        return tuple(Key(self._hive, node, self._below(name)) for node, name in named)

    def delete(self) -> None:
        """Delete this key with everything below it."""
        self._hive._require_writable()
        self._hive._checked("hivex_node_delete_child", c_size_t(self._node))

    def delete_key(self, path: str) -> bool:
        """Delete the key at `path` below this one; False when there was none."""
        key = self.key(path)
        if key is not None:
            key.delete()
        return key is not None

    def values(self) -> tuple[Value, ...]:
        """All values of this key."""
        handles = tuple(self._hive._handles("hivex_node_values", self._node))
        return tuple(self._read(handle) for handle in handles)

    def value(self, name: str) -> Value | None:
        """The value `name` (empty: the default value); None if absent."""
        wanted = name.casefold()
        for handle in self._hive._handles("hivex_node_values", self._node):
            if self._hive._string("hivex_value_key", handle).casefold() == wanted:
                return self._read(handle)
        return None

    def text(self, name: str) -> str | None:
        """The string value `name`; None if absent or of another type."""
        value = self.value(name)
        return value.text if value else None

    def number(self, name: str) -> int | None:
        """The number value `name`; None if absent or of another type."""
        value = self.value(name)
        return value.number if value else None

    def strings(self, name: str) -> tuple[str, ...] | None:
        """The list value `name`; None if absent or of another type."""
        value = self.value(name)
        return value.strings if value else None

    def set(self, value: Value) -> None:
        """Add `value`, or replace the one of its name; the key's other values stay.

        Raises `HiveValueTooLargeError` when any value of the key is larger than a cell.
        """
        self._hive._require_writable()
        self._check_sizes(value)
        self._hive._checked("hivex_node_set_value", c_size_t(self._node), byref(_packed(value)), 0)

    def set_text(self, name: str, text: str, *, expand: bool = False) -> None:
        """Set a REG_SZ, or REG_EXPAND_SZ when `expand`."""
        self.set(Value.from_text(name, text, expand=expand))

    def set_dword(self, name: str, number: int) -> None:
        """Set a REG_DWORD."""
        self.set(Value.from_dword(name, number))

    def set_qword(self, name: str, number: int) -> None:
        """Set a REG_QWORD."""
        self.set(Value.from_qword(name, number))

    def set_binary(self, name: str, data: bytes) -> None:
        """Set a REG_BINARY."""
        self.set(Value.from_binary(name, data))

    def set_strings(self, name: str, strings: Iterable[str]) -> None:
        """Set a REG_MULTI_SZ."""
        self.set(Value.from_strings(name, strings))

    def delete_value(self, name: str) -> bool:
        """Delete the value `name`; False when there was none.

        Raises `HiveValueTooLargeError` when one that stays is larger than a cell.
        """
        self._hive._require_writable()
        before = self.values()
        kept = [value for value in before if value.name.casefold() != name.casefold()]
        if len(kept) == len(before):
            return False
        for value in kept:
            self._check_size(value.name, len(value.data))
        array = (_SetValue * len(kept))(*map(_packed, kept))
        self._hive._checked("hivex_node_set_values", c_size_t(self._node), len(kept), array, 0)
        return True

    def _check_sizes(self, new: Value) -> None:
        """libhivex writes all values of a key anew when one is set."""
        self._check_size(new.name, len(new.data))
        kind, length = c_int(), c_size_t()
        for handle in self._hive._handles("hivex_node_values", self._node):
            self._hive._checked("hivex_value_type", c_size_t(handle), byref(kind), byref(length))
            if length.value > _LARGEST:
                name = self._hive._string("hivex_value_key", handle)
                if name.casefold() != new.name.casefold():
                    self._check_size(name, length.value)

    def _check_size(self, name: str, length: int) -> None:
        if length > _LARGEST:
            raise HiveValueTooLargeError(
                path=str(self._hive.path), key=self.path, name=name, length=length
            )

    def _below(self, name: str) -> str:
        return f"{self.path}\\{name}" if self.path else name

    def _child(self, name: str) -> Key | None:
        node = self._hive._call("hivex_node_get_child", c_size_t(self._node), name.encode())
        if node:
            return Key(self._hive, int(node), self._below(name))
        if not ctypes.get_errno():
            return None
        # 0 with errno set is either an error or a miss during which the C library set errno.
        wanted = name.casefold()
        return next((key for key in self.subkeys() if key.name.casefold() == wanted), None)

    def _add_child(self, name: str) -> Key:
        self._hive._require_writable()
        node = self._hive._checked("hivex_node_add_child", c_size_t(self._node), name.encode())
        return Key(self._hive, node, self._below(name))

    def _read(self, handle: int) -> Value:
        kind, length = c_int(), c_size_t()
        name = self._hive._string("hivex_value_key", handle)
        pointer = self._hive._checked(
            "hivex_value_value", c_size_t(handle), byref(kind), byref(length)
        )
        try:
            data = ctypes.string_at(pointer, length.value)
        finally:
            _free()(pointer)
        return Value(name, kind.value & _TYPE_MASK, data)


def _parts(path: str) -> list[str]:
    return [name for name in path.split("\\") if name]


def _packed(value: Value) -> _SetValue:
    """The C structure; ctypes keeps the two byte strings alive as long as it."""
    return _SetValue(value.name.encode(), c_int(value.type).value, len(value.data), value.data)


def _reason() -> str:
    number = ctypes.get_errno()
    if number == errno.ENOTSUP:
        return "a record in it makes no sense"
    return os.strerror(number).lower() if number else "no reason given"


def _check_base_block(file: Path, *, accept_dirty: bool) -> None:
    """Check the base block (regf 1.x: magic at 0, sequence numbers at 4 and 8, checksum at 508)."""
    try:
        with file.open("rb") as stream:
            block = stream.read(_BASE_BLOCK_SIZE)
    except OSError as failed:
        raise HiveUnreadableError(path=str(file), detail=failed.strerror) from failed
    if len(block) < _BASE_BLOCK_SIZE or block[:4] != b"regf":
        raise HiveInvalidError(path=str(file), detail="it does not begin as one")
    first, second = struct.unpack_from("<II", block, 4)
    if first != second and not accept_dirty:
        detail = f"write {first} was begun and only {second} was finished"
        raise HiveDirtyError(path=str(file), detail=detail)
    if base_block_checksum(block) != struct.unpack_from("<I", block, _CHECKSUM_OFFSET)[0]:
        raise HiveDirtyError(path=str(file), detail="the checksum of its first block is wrong")


def base_block_checksum(block: bytes) -> int:
    """XOR of the first 127 little-endian words; 0 and all ones are stored as 1 and all ones - 1."""
    checksum = 0
    for (word,) in struct.iter_unpack("<I", block[:_CHECKSUM_OFFSET]):
        checksum ^= word
    return {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(checksum, checksum)
