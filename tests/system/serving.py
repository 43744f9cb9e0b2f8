"""`imageport serve` as a program."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.system.command import COMMAND


class Service:
    """`imageport serve` with the state folder of this test."""

    def __init__(self, images: Path, log: Path, *options: str, before: Sequence[str] = ()) -> None:
        """Start it; `before`: a program that starts it in turn."""
        self._images, self.log = images, log
        self._options, self._before = options, before
        self.first = self.start()

    def start(self) -> dict[str, Any]:
        """Start it, again after `kill`; returns what it prints."""
        words = ["serve", "--port", "0", "--images", str(self._images), "--json", *self._options]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self._before, *COMMAND, *words], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout
        text = ""
        for line in self.process.stdout:
            text += line
            if line == "}\n":
                break
        self.process.stdout.close()
        said: dict[str, Any] = json.loads(text)
        self.url = said["url"]
        return said

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(90) == 0, self.log.read_text()
        finally:
            self.kill()
