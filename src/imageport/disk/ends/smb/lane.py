"""A session with a share over one connection, and a file opened in it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from smbprotocol.file_info import (
    FileAttributes,
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileInformationClass,
    FileRenameInformation,
    InfoType,
)
from smbprotocol.ioctl import CtlCode, IOCTLFlags, SMB2IOCTLRequest, SMB2IOCTLResponse
from smbprotocol.open import (
    CreateAction,
    CreateDisposition,
    CreateOptions,
    ImpersonationLevel,
    Open,
    QueryDirectoryFlags,
    SMB2QueryInfoRequest,
    SMB2QueryInfoResponse,
    SMB2SetInfoRequest,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from imageport.disk.base import MIB
from imageport.disk.ends.errors import DeniedError, InsecureError
from imageport.disk.ends.smb.channel import Channel
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.packets import Address
from imageport.disk.ends.smb.status import END_OF_FILE, FOREIGN, NO_MORE_FILES, status_of
from imageport.model.credentials import UsernamePassword

LARGEST = 8 * MIB
_SLOW_LARGEST = MIB // 2
"""Bytes of a read or write that goes through the library; the credits of a new session."""
_FLUSH_SILENCE = 600.0
"""Seconds: a server may have much to write to its disk."""
_RANGE = struct.Struct("<QQ")
_RANGES_ROOM = 64 * 1024
_NETWORK_OPEN = struct.Struct("<QQQQQQI4x")
_FULL_SIZE = struct.Struct("<QQQII")
_FROM_THE_START = int(QueryDirectoryFlags.SMB2_RESTART_SCANS)
_INTERNAL_CLASS, _NETWORK_OPEN_CLASS, _FULL_SIZE_CLASS = 6, 34, 7


class Access(IntFlag):
    """Rights that an open asks for ([MS-SMB2] 2.2.13.1.1)."""

    READ_DATA = 0x1
    WRITE_DATA = 0x2
    READ_ATTRIBUTES = 0x80
    WRITE_ATTRIBUTES = 0x100
    DELETE = 0x10000
    SYNCHRONIZE = 0x100000


READING = Access.READ_DATA | Access.READ_ATTRIBUTES | Access.SYNCHRONIZE
WRITING = READING | Access.WRITE_DATA | Access.WRITE_ATTRIBUTES


class Share(IntFlag):
    """What others may do with a file meanwhile ([MS-SMB2] 2.2.13)."""

    NOTHING = 0
    READ = 1
    WRITE = 2
    DELETE = 4


class Create(IntEnum):
    """What an open does about a file that is there or is not ([MS-SMB2] 2.2.13)."""

    NEVER = CreateDisposition.FILE_OPEN
    IF_MISSING = CreateDisposition.FILE_OPEN_IF
    ANEW = CreateDisposition.FILE_OVERWRITE_IF


class Stamp(NamedTuple):
    """What tells one state of a file from another; `written` in units of 100 ns."""

    identity: int
    size: int
    written: int
    """The last write. While a file is open, Samba goes on saying what it was at the beginning."""


class Entry(NamedTuple):
    """A file or a folder, as its folder lists it; the size in bytes."""

    name: str
    size: int
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Login:
    """How to log on to the share of a location."""

    location: SmbLocation
    credential: UsernamePassword
    require_encryption: bool
    silence: float
    """Seconds without a byte after which a connection is given up."""


class Lane:
    """A connection with a session and a share, used by one thread at a time.

    Methods raise what `status.FOREIGN` lists.
    """

    def __init__(self, login: Login) -> None:
        """Connect and log on. Raises `DeniedError` and `InsecureError`, too."""
        place = login.location
        if not login.credential.username:
            raise DeniedError(file=place.name, detail="an account is needed")
        self.channel = Channel(place.host, place.port, login.silence)
        try:
            self.session = self._log_on(login)
            self.channel.secure(self.session)
            self.tree = TreeConnect(self.session, rf"\\{place.host}\{place.share}")
            self.tree.connect()
        except BaseException:
            self.channel.hang_up()
            raise

    def open(
        self,
        path: str,
        access: Access,
        share: Share,
        create: Create,
        *,
        folder: bool | None = False,
    ) -> Handle:
        """Open the file `path`; `folder` None takes either."""
        kinds = {True: CreateOptions.FILE_DIRECTORY_FILE, None: 0}
        opened = Open(self.tree, path)
        opened.create(
            ImpersonationLevel.Impersonation,
            int(access),
            0,
            int(share),
            int(create),
            kinds.get(folder, CreateOptions.FILE_NON_DIRECTORY_FILE),
        )
        return Handle(self, opened)

    def ask(self, message: Any) -> bytes:
        """Send a message about this share; the body of the answer."""
        session, tree = self.session.session_id, self.tree.tree_connect_id
        answer = self.channel.receive(self.channel.send(message, session, tree))
        body: bytes = answer["data"].get_value()
        return body

    def close(self) -> None:
        """Log off and hang up; safe to repeat, and with a broken connection."""
        with suppress(*FOREIGN):
            self.channel.hurry()
            self.channel.disconnect()
        self.channel.hang_up()

    def _log_on(self, login: Login) -> Any:
        encrypts = bool(self.channel.supports_encryption)
        name = login.location.name
        if login.require_encryption and not encrypts:
            raise InsecureError(file=name, detail="the server does not offer encryption")
        account = login.credential
        full = f"{account.domain}\\{account.username}" if account.domain else account.username
        session = Session(self.channel, full, account.password, require_encryption=encrypts)
        try:
            session.connect()
        except FOREIGN as error:
            if session.session_id is None:
                # The library forgets the number when the server made us a guest.
                detail = "it takes this account for a guest, whose data nothing protects"
                raise DeniedError(file=name, detail=detail) from error
            raise
        return session


class Handle:
    """An open file of a lane. Methods raise what `status.FOREIGN` lists."""

    def __init__(self, lane: Lane, opened: Any) -> None:
        self.lane, self._open = lane, opened
        self._address = Address(lane.session.session_id, lane.tree.tree_connect_id, opened.file_id)
        channel = lane.channel
        most = LARGEST if channel.fast else _SLOW_LARGEST
        self._read_size = min(most, channel.max_read_size)
        self._write_size = min(most, channel.max_write_size)

    @property
    def created(self) -> bool:
        """Whether the file was not there before, or was emptied."""
        return bool(self._open.create_action != CreateAction.FILE_OPENED)

    def read(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset` on; how many bytes, fewer only at the end of the file."""
        done = 0
        while done < len(view):
            try:
                got = self._read(offset + done, view[done : done + self._read_size])
            except FOREIGN as error:
                if status_of(error) == END_OF_FILE:
                    break
                raise
            if not got:
                break
            done += got
        return done

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of `data` at `offset`."""
        done = 0
        while done < len(data):
            count = self._write(offset + done, data[done : done + self._write_size])
            if not 0 < count <= len(data) - done:
                raise ValueError(f"the server wrote {count} of {len(data) - done} bytes")
            done += count

    def flush(self) -> None:
        """Make everything that was written to the file durable, through whichever handle."""
        with self.lane.channel.patient(_FLUSH_SILENCE):
            self._open.flush()

    def stamp(self) -> Stamp:
        """The file's identity, size and time of the last change."""
        body = self._query(InfoType.SMB2_0_INFO_FILE, _NETWORK_OPEN_CLASS, _NETWORK_OPEN.size)
        _, _, written, _, _, size, _ = _NETWORK_OPEN.unpack(body)
        body = self._query(InfoType.SMB2_0_INFO_FILE, _INTERNAL_CLASS, 8)
        return Stamp(int.from_bytes(body, "little"), size, written)

    def free_space(self) -> int:
        """Bytes that this account may still store on the file system."""
        kind = InfoType.SMB2_0_INFO_FILESYSTEM
        body = self._query(kind, _FULL_SIZE_CLASS, _FULL_SIZE.size)
        _, available, _, sectors, sector = _FULL_SIZE.unpack(body)
        count: int = available * sectors * sector
        return count

    def set_size(self, size: int) -> None:
        """Cut or lengthen the file."""
        info = FileEndOfFileInformation()
        info["end_of_file"] = size
        with self.lane.channel.patient(_FLUSH_SILENCE):
            self._set(info)

    def rename(self, path: str, *, replace: bool) -> None:
        """Give the file another name in the share."""
        info = FileRenameInformation()
        info["replace_if_exists"] = replace
        info["file_name"] = path
        self._set(info)

    def delete(self) -> None:
        """Remove the file, or the empty folder, when this handle closes."""
        info = FileDispositionInformation()
        info["delete_pending"] = True
        self._set(info)

    def make_sparse(self) -> None:
        """Let ranges of zeros take no room ([MS-FSCC] 2.3.83)."""
        self._control(CtlCode.FSCTL_SET_SPARSE, b"")

    def zero(self, offset: int, length: int) -> None:
        """Make a range within the file zeros, and free its room ([MS-FSCC] 2.3.87)."""
        self._control(CtlCode.FSCTL_SET_ZERO_DATA, _RANGE.pack(offset, offset + length))

    def allocated(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(start, end) of what is stored in the range, in order ([MS-FSCC] 2.3.51)."""
        asked = _RANGE.pack(offset, length)
        body = self._control(CtlCode.FSCTL_QUERY_ALLOCATED_RANGES, asked, _RANGES_ROOM)
        for start, size in _RANGE.iter_unpack(body):
            yield max(start, offset), min(start + size, offset + length)

    def entries(self) -> Iterator[Entry]:
        """What is in this folder."""
        kind, flag = FileInformationClass.FILE_DIRECTORY_INFORMATION, _FROM_THE_START
        while True:
            try:
                found = self._open.query_directory("*", kind, flag)
            except FOREIGN as error:
                if status_of(error) in NO_MORE_FILES:
                    return
                raise
            flag = 0
            for entry in found:
                attributes = entry["file_attributes"].get_value()
                is_folder = bool(attributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY)
                name = entry["file_name"].get_value().decode("utf-16-le", "replace")
                if name not in (".", ".."):
                    yield Entry(name, entry["end_of_file"].get_value(), is_folder)

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def _read(self, offset: int, view: memoryview) -> int:
        if self.lane.channel.fast:
            return self.lane.channel.read_into(self._address, offset, view)
        data: bytes = self._open.read(offset, len(view))
        view[: len(data)] = data
        return len(data)

    def _write(self, offset: int, data: memoryview) -> int:
        if self.lane.channel.fast:
            return self.lane.channel.write_from(self._address, offset, data)
        count: int = self._open.write(bytes(data), offset)
        return count

    def _query(self, kind: int, number: int, length: int) -> bytes:
        request = SMB2QueryInfoRequest()
        request["info_type"] = kind
        request["file_info_class"] = number
        request["output_buffer_length"] = length
        request["file_id"] = self._open.file_id
        answer = SMB2QueryInfoResponse()
        answer.unpack(self.lane.ask(request))
        body: bytes = answer["buffer"].get_value()
        return body

    def _set(self, info: Any) -> None:
        request = SMB2SetInfoRequest()
        request["info_type"] = info.INFO_TYPE
        request["file_info_class"] = info.INFO_CLASS
        request["file_id"] = self._open.file_id
        request["buffer"] = info
        self.lane.ask(request)

    def _control(self, code: int, data: bytes, room: int = 0) -> bytes:
        request = SMB2IOCTLRequest()
        request["ctl_code"] = code
        request["file_id"] = self._open.file_id
        request["buffer"] = data
        request["max_output_response"] = room
        request["flags"] = IOCTLFlags.SMB2_0_IOCTL_IS_FSCTL
        answer = SMB2IOCTLResponse()
        answer.unpack(self.lane.ask(request))
        body: bytes = answer["buffer"].get_value()
        return body
