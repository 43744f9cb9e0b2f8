"""tinyproxy on this computer: the only one who knows where `NAME` is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contract.ends.peers import free_port, running

NAME = "ips.imageport.test"
"""No resolver knows names below .test (RFC 6761): without the proxy, there is no way to it."""

_CONFIG = """\
Port {port}
Listen 127.0.0.1
Timeout 600
MaxClients 50
LogFile "{folder}/log"
LogLevel Connect
PidFile "{folder}/pid"
{more}
"""


class Tinyproxy:
    """Its own mount namespace has hosts that are known to nobody else; it needs no root."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self.port = folder, free_port()
        (folder / "hosts").write_text(f"127.0.0.1 localhost {NAME}\n")
        self.url = f"http://127.0.0.1:{self.port}"

    @contextmanager
    def run(self, *options: str) -> Iterator[None]:
        """Until the end of the block; `options` are lines of its configuration."""
        config = self._folder / "conf"
        config.write_text(
            _CONFIG.format(port=self.port, folder=self._folder, more="\n".join(options))
        )
        script = 'mount --bind "$1" /etc/hosts && exec tinyproxy -d -c "$2"'
        map_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        namespace = ["unshare", "--mount", *map_root, "sh", "-c", script, "sh"]
        argv: list[str | Path] = [*namespace, self._folder / "hosts", config]
        with running(argv, self.port, self._folder / "output"):
            yield

    def asked(self) -> list[str]:
        """What it was asked for, a line each."""
        log = self._folder / "log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return [line.partition("): ")[2] for line in lines if "Request (file descriptor" in line]
