"""A real Samba server of our own, and its smbclient as an independent second opinion."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from imageport.model.credentials import UsernamePassword

PASSWORD = "Correct-Horse-7"  # noqa: S105  # of a server that lives as long as one test run
FULL_SIZE = 24
"""MiB of the file system below the share `small`."""

_GLOBAL = """\
[global]
  server role = standalone server
  smb ports = {port}
  bind interfaces only = yes
  interfaces = lo
  lock directory = {work}/lock
  state directory = {work}/state
  cache directory = {work}/cache
  pid directory = {work}/pid
  private dir = {work}/private
  ncalrpc dir = {work}/ncalrpc
  passdb backend = tdbsam:{work}/private/passdb.tdb
  log file = {work}/log
  load printers = no
  printing = bsd
  disable spoolss = yes
  server min protocol = SMB2_10
  {extra}
[data]
  path = {work}/data
  read only = no
[readonly]
  path = {work}/data
  read only = yes
[small]
  path = {work}/small
  read only = no
[guest]
  path = {work}/data
  guest ok = yes
"""


class Samba:
    """smbd in the foreground below `work`, as whoever runs the tests; it needs no root.

    It runs in a mount namespace of its own, where the share `small` is a tmpfs of `FULL_SIZE` MiB
    that goes with it.
    """

    def __init__(self, work: Path, *options: str, protection: str = "encrypt") -> None:
        """Start it; `options` are lines for the [global] section."""
        self.work, self._protection = work, protection
        for name in ("lock", "state", "cache", "pid", "private", "ncalrpc", "data", "small"):
            (work / name).mkdir(mode=0o755, parents=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.config = work / "smb.conf"
        extra = "\n  ".join(options)
        self.config.write_text(_GLOBAL.format(port=self.port, work=work, extra=extra))
        self._map_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        # Inside a user namespace whoever runs the tests is called root.
        self.account = UsernamePassword(pwd.getpwuid(0).pw_name, PASSWORD)
        self._login = work / "login"
        self._login.touch(mode=0o600)
        self._login.write_text(f"username = {self.account.username}\npassword = {PASSWORD}\n")
        self.start(first=True)

    @property
    def data(self) -> Path:
        """The folder below the shares `data`, `readonly` and `guest`."""
        return self.work / "data"

    def start(self, *, first: bool = False) -> None:
        """Start smbd, again after `kill`."""
        script = 'mount -t tmpfs -o "size=$2" tmpfs "$1/small"\n'
        if first:
            script += 'pdbedit -s "$1/smb.conf" -a -t -u "$3" >/dev/null || exit 1\n'
        script += 'exec smbd --foreground --no-process-group -s "$1/smb.conf" </dev/null\n'
        arguments = [str(self.work), f"{FULL_SIZE}m", self.account.username]
        self._process = subprocess.Popen(
            ["unshare", "--mount", *self._map_root, "sh", "-c", script, "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{PASSWORD}\n{PASSWORD}\n".encode())
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._wait()

    def kill(self) -> None:
        """End smbd and every process that serves a connection, at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def client(self, share: str, command: str, *options: str) -> str:
        """What `smbclient -c command` prints. Raises `CalledProcessError`."""
        server = [f"//127.0.0.1/{share}", "-p", str(self.port), "-A", str(self._login)]
        protection = ["-s", "/dev/null", f"--client-protection={self._protection}", *options]
        done = subprocess.run(
            ["smbclient", *server, *protection, "-c", command],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    def content(self, name: str, share: str = "data") -> bytes:
        """A file's bytes, as smbclient gets them."""
        local = self.work / "fetched"
        local.unlink(missing_ok=True)
        self.client(share, f'get "{name}" "{local}"')
        return local.read_bytes()

    def names(self, share: str = "data") -> list[str]:
        """Names of the share's files, as smbclient lists them."""
        listed = re.findall(r"^  (.+?) +[A-Za-z]+ +\d+  ", self.client(share, "ls"), re.M)
        return sorted(name for name in listed if name not in (".", ".."))

    def nt_hash(self) -> str:
        """What Windows and Samba keep of the account's password, and take in its place: hex."""
        argv = ["pdbedit", "-s", str(self.config), "-L", "-w", "-u", self.account.username]
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        done = subprocess.run(
            argv, capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
        )
        return done.stdout.split(":")[3]

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "smbd ended"
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            time.sleep(0.05)
        raise TimeoutError("smbd does not listen")
