"""Installers of the lab: text that says what a vendor's installer would leave in Windows.

imageport lab installer
set SOFTWARE|Microsoft\\...\\{guid}|DisplayVersion|7.41.0     a string value
number SYSTEM|ControlSet001\\Services\\x|Start|3            a DWORD value
drop SYSTEM|ControlSet001\\Services\\y                      a key with all below it
file Windows\\System32\\drivers\\x.sys|what is in it        a program
exit 3010                                              what it ends with
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive
from imageport.guest.windows.registry_value import Value

from .drivers import resolve

MARK: Final = "imageport lab installer"
_CALLED: Final = re.compile(r'"%files%\\([^"]+)"', re.IGNORECASE)


def called(script: Path, files: Path) -> Path | None:
    """The lab's installer that a step runs; None when it runs none."""
    for name in _CALLED.findall(script.read_text(errors="replace")):
        found = resolve(files, name)
        if found and found.read_bytes().startswith(MARK.encode()):
            return found
    return None


def run(installer: Path, volume: Path) -> int:
    """Do what it says to the Windows on `volume`; returns its exit code."""
    code = 0
    for line in installer.read_text().splitlines()[1:]:
        verb, _, rest = line.partition(" ")
        words = rest.split("|")
        match verb:
            case "set" | "number" | "drop":
                _change(volume, verb, words)
            case "file":
                _write(volume, *words)
            case "exit":
                code = int(rest)
            case _:
                raise ValueError(f"{installer}: {line}")
    return code


def _change(volume: Path, verb: str, words: list[str]) -> None:
    hive_name, path, *value = words
    file = resolve(volume, f"Windows\\System32\\config\\{hive_name}")
    if file is None:
        raise ValueError(f"there is no hive {hive_name}")
    with Hive.open(file, writable=True) as hive:
        if verb == "drop":
            hive.root.delete_key(path)
        else:
            name, data = value
            made = Value.from_dword(name, int(data)) if verb == "number" else _text(name, data)
            hive.ensure_key(path).set(made)
        hive.commit()


def _text(name: str, data: str) -> Value:
    return Value.from_text(name, data)


def _write(volume: Path, path: str, text: str) -> None:
    folder, _, name = path.rpartition("\\")
    place = resolve(volume, folder)
    if place is None:
        raise ValueError(f"there is no folder {folder}")
    (resolve(place, name) or place / name).write_bytes(b"MZ" + text.encode())
