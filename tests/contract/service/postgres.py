"""A real PostgreSQL of our own, as Debian packages it, under a user of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import psycopg

_USER = "postgres"
"""Debian's package makes it; PostgreSQL does not run as root."""


class Postgres:
    """A cluster below /tmp that only its socket leads to, and that goes with `close`."""

    def __init__(self) -> None:
        """Make it and start it."""
        self._bin = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self._folder = Path(tempfile.mkdtemp(prefix="imageport-postgres-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            self._as = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"]
            shutil.chown(self._folder, _USER, _USER)
            self._folder.chmod(0o755)
        self.user = _USER if self._as else pwd.getpwuid(os.geteuid()).pw_name
        data = self._folder / "data"
        argv = [
            str(self._bin / "initdb"),
            "-D",
            str(data),
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run([*self._as, *argv], check=True, stdout=subprocess.DEVNULL, cwd=self._folder)
        self._options = [
            *("-D", str(data), "-k", str(self._folder), "-c", "listen_addresses="),
            *("-c", "fsync=off", "-c", "max_connections=200"),
        ]
        self.start()

    def start(self) -> None:
        """Start it, again after `kill`."""
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*self._as, str(self._bin / "postgres"), *self._options],
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=self._folder,
        )
        log.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres")).close()
                return
            time.sleep(0.05)
        raise TimeoutError("PostgreSQL does not answer")

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://{self.user}@/{database}?host={self._folder}"

    def new_database(self, encoding: str = "UTF8") -> str:
        """The address of an empty one."""
        name = f"d{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            how = f"ENCODING '{encoding}' TEMPLATE template0"
            connection.execute(f'CREATE DATABASE "{name}" {how}'.encode())
        return self.url(name)

    def kill(self) -> None:
        """kill -9 of the server and all its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End it and remove its files."""
        self._process.send_signal(signal.SIGQUIT)  # at once, with every process that it has
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
