"""Batch files run by Wine's cmd, beside programs that only note how they were called.

Such a program is distlib's launcher for Windows (a real PE file): it starts what its appended first
line says, hands on arguments and standard streams, and ends with that one's exit code.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.golden.oracles.programs import ROOT

PROGRAMS: Final = (
    "chkdsk", "defrag", "findstr", "ipconfig", "msiexec", "netsh", "ping", "pnputil", "powercfg",
    "powershell", "sc", "shutdown", "wmic",
)  # fmt: skip
"""What the batch files call besides cmd's own commands and `start`."""
UNKNOWN: Final = ("Can't recognize", "not recognized", "Syntax error", "syntax error")
"""What Wine's cmd says of what it does not understand."""
_LAUNCHERS: Final = ".oracles/lib/python3*/site-packages/distlib/t64.exe"
_START: Final = rb"#!C:\windows\system32\cmd.exe /d /c C:\oracle\program.cmd"
_PROGRAM: Final = r"""@echo off
>> C:\oracle\calls.txt echo %~n1 %*
if exist C:\oracle\answers\%~n1.cmd C:\oracle\answers\%~n1.cmd %*
exit 0
"""
_PATIENCE: Final = 240.0
"""Seconds for a whole first boot."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a batch file ended, and what it printed."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A Wine prefix; `drive` is its C:."""

    prefix: Path

    @property
    def drive(self) -> Path:
        """The root folder of C:."""
        return self.prefix / "drive_c"

    def reset(self) -> None:
        """No step waits, no program was called, and all that are succeed without a word."""
        shutil.rmtree(self.drive / "ProgramData/imageport", ignore_errors=True)
        shutil.rmtree(self._own, ignore_errors=True)
        (self._own / "answers").mkdir(parents=True)
        _write(self._own / "program.cmd", _PROGRAM)
        self.answer("findstr", 'find "IPv4"', raw=True)

    def answer(self, program: str, text: str = "", *, code: int = 0, raw: bool = False) -> None:
        """From now on the program prints the lines of `text` (or runs them) and ends so."""
        lines = text.splitlines() if raw else [f"echo {line}" for line in text.splitlines()]
        content = "\n".join(("@echo off", *lines, f"exit /b {code}", ""))
        _write(self._own / f"answers/{program}.cmd", content)

    def run(self, script: str) -> Ran:
        """Run the text of a batch file as the runner does a step."""
        _write(self._own / "step.cmd", script)
        _write(
            self._own / "outer.cmd",
            "@echo off\nset files=C:\\oracle\\files\n"
            "cmd /d /c C:\\oracle\\step.cmd > C:\\oracle\\output.txt 2>&1\n"
            ">> C:\\oracle\\code.txt echo %errorlevel%\n",
        )
        (self._own / "code.txt").unlink(missing_ok=True)
        said = self._wine("cmd", "/d", "/c", r"C:\oracle\outer.cmd")
        assert (self._own / "code.txt").exists(), f"Wine itself failed: {said}"
        output = (self._own / "output.txt").read_text(errors="replace")
        return Ran(int((self._own / "code.txt").read_text()), output)

    def boot(self, image_path: str) -> None:
        """Start a service's command line, and wait until it restarts the machine."""
        before = self.calls().count(RESTART)
        _write(self._own / "service.cmd", f"@{image_path}\n")
        self._wine("cmd", "/d", "/c", r"C:\oracle\service.cmd")
        deadline = time.monotonic() + _PATIENCE
        while self.calls().count(RESTART) == before:
            assert time.monotonic() < deadline, f"no restart after {self.calls()}"
            time.sleep(0.1)

    def calls(self) -> list[str]:
        """Every call so far: the program's name and its arguments."""
        place = self._own / "calls.txt"
        lines = place.read_text(errors="replace").splitlines() if place.exists() else []
        split = (line.strip().split(" ", 2) for line in lines)
        return [" ".join((name, *rest)) for name, _, *rest in split]

    @property
    def _own(self) -> Path:
        return self.drive / "oracle"

    def _wine(self, *argv: str) -> str:
        """How it ended, which is the batch file's business, and what Wine itself said."""
        # Into a file: what a batch file starts would hold a pipe open.
        said = self.prefix.with_name("said")
        with said.open("wb") as file:
            done = subprocess.run(
                ["wine", *argv],
                env=_environment(self.prefix),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                timeout=_PATIENCE,
                check=False,
            )
        return f"{done.returncode} {said.read_text(errors='replace')}"


RESTART: Final = "shutdown /r /f /t 0 /d p:4:1"


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A new prefix in `folder`, removed at the end: it takes some 700 MB."""
    made = Machine(folder / "prefix")
    environment = _environment(made.prefix)
    subprocess.run(["wineboot", "--init"], env=environment, capture_output=True, check=True)
    subprocess.run(["wineserver", "--wait"], env=environment, check=True)
    for name in PROGRAMS:
        place = made.drive / f"windows/system32/{name}.exe"
        place.unlink(missing_ok=True)
        place.write_bytes(noting_program())
    subprocess.run(["wineserver", "--persistent"], env=environment, check=True)
    try:
        yield made
    finally:
        subprocess.run(["wineserver", "--kill", "--wait"], env=environment, check=False)
        shutil.rmtree(made.prefix)


def noting_program() -> bytes:
    """A program for Windows that is called `X.exe` and does what `Machine.answer` said of X."""
    (launcher,) = ROOT.glob(_LAUNCHERS)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__main__.py", "")
    return launcher.read_bytes() + _START + b"\n" + archive.getvalue()


def _environment(prefix: Path) -> dict[str, str]:
    ours = ",".join(f"{name}.exe" for name in PROGRAMS)
    return {
        **os.environ,
        "HOME": str(prefix.parent),
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": f"mscoree,mshtml,winemenubuilder.exe=;{ours}=n",
        "DISPLAY": "",
    }


def _write(place: Path, text: str) -> None:
    place.write_bytes(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
