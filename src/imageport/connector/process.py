"""The process of one job, as its connector sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

from imageport.connector.talk import News, Order

_LONGEST_LINE = 32 << 20
"""Bytes: a proof with its findings is one line."""


class JobProcess:
    """Started in a session of its own: Ctrl-C in the connector's terminal is not meant for it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, order: Order) -> JobProcess:
        """Start it, and hand it the order."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "imageport.connector.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            # It sends no traces: a token for their collector is not for what it starts.
            env={name: said for name, said in os.environ.items() if not name.startswith("OTEL_")},
            start_new_session=True,
        )
        assert process.stdin  # noqa: S101  # asked for above
        process.stdin.write(order.model_dump_json(by_alias=True).encode() + b"\n")
        # A process that dies at once says so by its end.
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        return cls(process)

    async def news(self) -> AsyncIterator[News]:
        """What it says, until it ends."""
        assert self._process.stdout  # noqa: S101  # asked for above
        async for line in self._process.stdout:
            yield News.model_validate_json(line)

    async def wait(self) -> int:
        """How it ended: its exit code, or minus the signal's number."""
        return await self._process.wait()

    def interrupt(self) -> None:
        """Ask it to clean up and end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it and what it has started, at once; machines go on, so that work can go on."""
        if self._process.returncode is not None:
            return  # its number may be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
