"""Stand-ins for Citrix's installers: text that the phony Windows carries out."""

from __future__ import annotations

from pathlib import Path

from imageport.model.windows_facts import CitrixPart
from lab.guests.phony_nt.installer import MARK
from lab.guests.windows_software import component_key


def pvs_installer(
    folder: Path, version: str, *, code: int = 0, extra: tuple[str, ...] = ()
) -> Path:
    """Write a component source with the target device in `version` only; returns `folder`.

    `code` is what it ends with, `extra` what else it does: lines of the lab's installers.
    """
    place = folder / version / "PVS_Device_x64.exe"
    place.parent.mkdir(parents=True)
    lines = (
        MARK,
        f"set SOFTWARE|{component_key(CitrixPart.PVS_TARGET)}|DisplayVersion|{version}",
        rf"file Windows\System32\drivers\bnistack6.sys|bnistack {version}",
        *extra,
        f"exit {code}",
    )
    place.write_text("\n".join(lines))
    return folder
