"""The server as a process of its own, and what only the lab can ask of it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit


class LabProcess:
    """Runs until `close`; blocks are kept below `folder`. See `serve` for `tls`."""

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        self._folder = folder
        argv = [sys.executable, "-m", "lab.aws.server", "--child", "--folder", str(folder)]
        argv += ["--tls", *map(str, tls)] if tls else []
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        )
        assert self._process.stdout is not None  # noqa: S101  # it was asked for
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError(f"the server ended with {self._process.wait()}")

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def set(self, **settings: object) -> None:
        """Change settings: see `lab.aws.settings`."""
        self._ask("settings", settings)

    def snapshots(self) -> dict[str, Any]:
        """Every snapshot: its `status`, and the numbers of the `blocks` put to it."""
        return self._ask("snapshots", {})

    def asked(self) -> frozenset[str]:
        """The actions (`ebs:StartSnapshot`) that were asked for since `set(asked=[])`."""
        return frozenset(self._ask("actions", {})["asked"])

    def volume(self, snapshot: str, length: int) -> bytes:
        """The first `length` bytes of a volume made from a snapshot."""
        path = self._folder / "volume"
        self._ask("volumes", {"snapshot": snapshot, "path": str(path), "length": length})
        content = path.read_bytes()
        path.unlink()
        return content

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, what: str, said: object) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/lab/{what}", json.dumps(said).encode())  # noqa: S310  # own server
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found
