"""`make demo`: a real Debian master of vSphere that cannot start elsewhere becomes one that does.

Builds the master once, then runs the `imageport` command as a user would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from imageport.model.target import DiskFormat, Firmware
from lab.guests import LinuxMaster, export, master

FOLDER = Path("demo")


def main() -> int:
    """Run the demo in ./demo; the exit code is the migration's."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    source, output = FOLDER / "master.vmdk", FOLDER / "master-gcp.raw"
    _say("The master: Debian 12 as vSphere leaves it (pvscsi, static address, VMware tools)")
    export(master(LinuxMaster(Firmware.BIOS)), source, DiskFormat.VMDK)
    for arguments in (
        ["migrate", str(source), "--to", "gcp", "--output", str(output)],
        ["proof", "verify", str(output)],
    ):
        _say(f"$ imageport {' '.join(arguments)}")
        done = subprocess.run([_command(), *arguments], check=False)
        if done.returncode:
            return done.returncode
    _say(f"Look at the pictures, serial texts and proof.json in {output}.proof")
    return 0


def _command() -> str:
    return os.fspath(Path(sys.executable).with_name("imageport"))


def _say(line: str) -> None:
    print(f"\n{line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
