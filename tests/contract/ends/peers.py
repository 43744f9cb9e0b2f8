"""Servers of other makers, started on this computer for a test and stopped after it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path


def free_port() -> int:
    """A TCP port that nobody listened to a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path], port: int, log: Path, daemon: Path | None = None
) -> Iterator[None]:
    """Run a server until the end of the block, once its port answers.

    It stays in the foreground, or writes the process number of its daemon to the file `daemon`.
    """
    with open(log, "ab") as output:
        server = subprocess.Popen(
            [str(each) for each in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _await_port(server, port, log)
            yield
        finally:
            # The whole group: some servers fork for each connection.
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                leader = server.pid if daemon is None else int(daemon.read_text())
                os.killpg(leader, signal.SIGKILL)
            server.wait()


def _await_port(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        if server.poll():
            raise AssertionError(f"{server.args!r} ended: {log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
