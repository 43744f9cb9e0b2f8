"""QEMU's machine protocol, as far as it is needed (QEMU, docs/interop/qmp-spec.rst)."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

_SECONDS = 120.0
"""Long: on a busy computer a machine that runs may not answer for half a minute. One that has ended
refuses or hangs up at once."""


class QmpError(Exception):
    """QEMU refused a command, or hung up."""


class Qmp:
    """One connection to a machine's QMP socket."""

    def __init__(self, path: Path) -> None:
        self._socket = _connected(path)
        self._file = self._socket.makefile("rw")
        try:
            self._read()
            self("qmp_capabilities")
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        # What could not be sent any more is not missed.
        with suppress(OSError):
            self._file.close()
        self._socket.close()

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Run a command and return what it answers; events in between are passed over.

        Raises QmpError.
        """
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            said = self._read()
            if "error" in said:
                raise QmpError(said["error"]["desc"])
            if "return" in said:
                return said["return"]

    def _read(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise QmpError("QEMU hung up")
        said: dict[str, Any] = json.loads(line)
        return said


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_SECONDS)
    # A socket's path may have 107 bytes at most, ours may be longer: go through its folder.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection
