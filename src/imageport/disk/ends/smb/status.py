"""What the server's status codes mean to us: [MS-ERREF] 2.3.1."""

from __future__ import annotations

import socket
import struct

from cryptography.exceptions import InvalidTag
from smbprotocol.exceptions import SMBAuthenticationError, SMBException, SMBResponseException

from imageport.disk.ends.errors import (
    DeniedError,
    InUseError,
    NoSpaceError,
    NotFoundError,
    RefusedError,
)
from imageport.disk.ends.retry import TransientError
from imageport.disk.ends.smb.channel import StatusError
from imageport.disk.errors import DiskError, TargetExistsError

FOREIGN = (SMBException, StatusError, OSError, ValueError, KeyError, struct.error, InvalidTag)
"""What the library, the socket and a peer that talks nonsense raise."""

END_OF_FILE = 0xC0000011
NO_MORE_FILES = frozenset({0x80000006, 0xC000000F})
"""The listing of a folder is at its end, or matched nothing."""
NOT_FOUND = frozenset({0xC000000F, 0xC0000034, 0xC000003A, 0xC00000BE, 0xC00000CC, 0xC0000225})
IN_USE = frozenset({0xC0000043, 0xC0000054, 0xC0000055, 0xC0000056})
UNSUPPORTED = frozenset({0xC0000010, 0xC00000BB, 0xC000000D, 0xC0000002})
"""Invalid device request, not supported, invalid parameter, not implemented."""
TOO_SMALL = frozenset({0x80000005, 0xC0000023})
"""The answer did not fit."""
EXISTS = 0xC0000035
NO_FOLDER = 0xC0000103

_ACCOUNT = {
    0xC0000064: "there is no such account",
    0xC000006A: "wrong account or password",
    0xC000006D: "wrong account or password",
    0xC000006E: "the account has a restriction, such as an empty password",
    0xC000006F: "the account may not log on at this hour",
    0xC0000070: "the account may not log on from this computer",
    0xC0000071: "the password has expired",
    0xC0000072: "the account is disabled",
    0xC0000073: "the account is not known there",
    0xC000015B: "the account may not log on over the network",
    0xC0000193: "the account has expired",
    0xC0000224: "the password must be changed first",
    0xC0000234: "the account is locked out",
}
_ACCESS = {
    0xC0000022: "the account has no right to do this, or the share is read-only",
    0xC0000061: "the account lacks a privilege",
    0xC00000A2: "the storage is write-protected",
    0xC00000CA: "network access is denied",
}
_FULL = {
    0xC0000044: "the account's quota is used up",
    0xC000007F: "the disk is full",
    0xC0000802: "the quota is used up",
    0xC0000904: "the file is larger than the server's file system allows",
}
_REFUSED = {
    0xC0000033: "the server does not allow this name",
    0xC0000039: "the server does not allow this path",
    0xC000003B: "the server does not allow this path",
    0xC00000BA: "it is a folder",
    NO_FOLDER: "a part of the path is not a folder",
    0xC0000257: "it lies in a DFS name space, which is not followed: give the server's own name",
    0x8000002D: "a part of the path is a symbolic link, which is not followed",
}
_TRANSIENT = {
    0xC000005E: "no domain controller answers",
    0xC000009A: "the server is short of resources",
    0xC00000B5: "the server timed out",
    0xC00000BF: "the network is busy",
    0xC00000C4: "a network error at the server",
    0xC00000C9: "the share went away",
    0xC00000D0: "the server takes no more connections",
    0xC0000128: "the server has closed the file",
    0xC0000008: "the server has closed the file",
    0xC0000203: "the server has ended the session",
    0xC0000205: "the server is short of resources",
    0xC000020C: "the server has ended the connection",
    0xC000020D: "the server has ended the connection",
    0xC000022D: "the server asks for another attempt",
    0xC000035C: "the session has expired",
    0xC0000466: "the server is not available",
    0xC0000467: "the file is not available at the moment",
}
"""What another attempt, with a new connection, may cure."""


def status_of(error: BaseException) -> int | None:
    """The NTSTATUS that an exception carries."""
    if isinstance(error, StatusError):
        return error.status
    if isinstance(error, SMBResponseException):
        status: int = error.status
        return status
    return None


def translated(error: BaseException, name: str, offset: int) -> DiskError | TransientError:
    """What to raise for a foreign exception about the file `name` at byte `offset`."""
    status = status_of(error)
    if status is not None:
        return _of_status(status, name, offset)
    if isinstance(error, SMBAuthenticationError):
        return DeniedError(file=name, detail="it does not log us on with this account")
    cause = error.__cause__
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
        return NotFoundError(file=name, detail="no such host is known")
    if isinstance(error, InvalidTag):
        return TransientError("an answer was changed on its way")
    return TransientError(str(cause or error) or type(error).__name__)


def _of_status(status: int, name: str, offset: int) -> DiskError | TransientError:
    code = f" (status {status:#010x})"
    if status in _TRANSIENT:
        return TransientError(_TRANSIENT[status] + code)
    if status in _ACCOUNT or status in _ACCESS:
        return DeniedError(file=name, detail=(_ACCOUNT | _ACCESS)[status] + code)
    if status in NOT_FOUND:
        return NotFoundError(file=name, detail="the server knows no such share or path" + code)
    if status in _FULL:
        return NoSpaceError(file=name, detail=_FULL[status] + code)
    if status == EXISTS:
        return TargetExistsError(file=name)
    kind, detail = RefusedError, _REFUSED.get(status, "the server gives no reason")
    if status in IN_USE:
        kind, detail = InUseError, "another program has the file open"
    return kind(file=name, offset=offset, detail=detail + code)
