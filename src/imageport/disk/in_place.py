"""Writing a disk onto what is there already: a block device, or the file of an older version."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import ClassVar

from imageport.disk.base import GIB, ZEROS
from imageport.disk.writable import Writable
from imageport.model.target import DiskFormat

_BLKZEROOUT = 0x127F
"""`_IO(0x12, 127)` of linux/fs.h: zero a range, by the device itself where it can."""


class InPlaceWriter(Writable):
    """A `ResumableWriter` onto a block device that nothing else holds, or into an existing file.

    What is not written keeps what was there before, also after `abort`: there is nothing to roll
    back to. A file must hold the disk's bytes as they are, from its first one on: raw, fixed VHD.
    """

    format: ClassVar[DiskFormat] = DiskFormat.RAW
    zeroed: ClassVar[bool] = False
    ordered: ClassVar[bool] = False

    def __init__(self, path: Path, size: int | None = None) -> None:
        """Open the device or file; `size` is the disk's in bytes where a footer follows it.

        Raises `UnwritableError`, also for a device that is mounted or in use.
        """
        self.name = str(path)
        # O_EXCL without O_CREAT: the kernel refuses a device that is mounted or claimed.
        self._open(path, os.O_RDWR | os.O_EXCL)
        try:
            self.size = size or os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            self.abort()
            raise self._unwritable(0, error) from error

    def zero(self, offset: int, length: int) -> None:
        """See `DiskWriter.zero`."""
        for at in range(offset, offset + length, GIB):
            self._zero(at, min(GIB, offset + length - at))

    def finish(self) -> None:
        """See `DiskWriter.finish`."""
        self.sync()
        self.abort()

    def abort(self) -> None:
        """See `DiskWriter.abort`."""
        self.close()

    def restart(self) -> None:
        """See `ResumableWriter.restart`: there is nothing to forget."""

    def suspend(self) -> None:
        """See `ResumableWriter.suspend`."""
        self.finish()

    def read_back(self, offset: int, view: memoryview) -> bool:
        """See `ResumableWriter.read_back`."""
        return self.read(offset, view)

    def _zero(self, offset: int, length: int) -> None:
        try:
            fcntl.ioctl(self._fd, _BLKZEROOUT, struct.pack("QQ", offset, length))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                raise self._unwritable(offset, error) from error
            for at in range(offset, offset + length, len(ZEROS)):
                self.write(at, ZEROS[: offset + length - at])
