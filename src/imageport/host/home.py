"""Where imageport keeps its state: `$IMAGEPORT_HOME`, else the XDG data folder.

cache/    what can be made again: the engine image, its Debian base
jobs/     one folder a job: its request, disks, machines, log
copies/   one folder for each copy under way: its request and journal
keys/     the key that signs proofs
runs/     one record for each run of a workflow file
"""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The state folder, made when it is missing."""
    named = os.environ.get("IMAGEPORT_HOME")
    if named:
        folder = Path(named)
    else:
        data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        folder = Path(data) / "imageport"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def jobs_folder() -> Path:
    """`jobs/` of the state folder, or `$IMAGEPORT_JOBS`, which several computers may share."""
    named = os.environ.get("IMAGEPORT_JOBS")
    folder = Path(named).resolve() if named else home() / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def subfolder(*names: str) -> Path:
    """A folder below the state folder, made when it is missing."""
    folder = home().joinpath(*names)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
