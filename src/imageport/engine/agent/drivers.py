"""Takes what a client sends as a tar stream: the driver library, and Citrix's installers."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import IO

from imageport.engine.agent.errors import BadDriverLibrary


def receive(stream: IO[bytes], folder: Path) -> int:
    """Unpack regular files from `stream` into `folder`, in the place of what was there; returns
    their number.

    Raises BadDriverLibrary on a name that leads outside, or a broken stream.
    """
    partial = folder.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = Path(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise BadDriverLibrary(detail=f"the name {member.name} leads outside")
                content = archive.extractfile(member) if member.isfile() else None
                if content:
                    target = partial / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as file:
                        shutil.copyfileobj(content, file)
                    count += 1
    except tarfile.TarError as error:
        raise BadDriverLibrary(detail=str(error)) from error
    partial.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return count
