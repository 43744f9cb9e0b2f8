"""The service `imageport-first-boot` as the service control manager would start it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive, Key

from . import installer
from .batch import exit_code
from .drivers import resolve

SERVICE: Final = "imageport-first-boot"
FOLDER: Final = r"ProgramData\imageport\first-boot"
_REPORT: Final = r"ProgramData\imageport"
_OWN_PROCESS: Final = 0x10
_AUTOMATIC: Final = 2
_RESTART: Final = 3010
_STEP: Final = re.compile(r"(\d+)-(.+)\.cmd", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """A step's number, name and script."""

    number: int
    name: str
    script: Path


def problems(service: Key, volume: Path) -> list[str]:
    """What would keep the service from starting; empty when nothing would."""
    found = []
    expected: dict[str, int] = {"Type": _OWN_PROCESS, "Start": _AUTOMATIC}
    for name, wanted in expected.items():
        if service.number(name) != wanted:
            found.append(f"{name} is {service.number(name)}, not {wanted}")
    if service.number("ErrorControl") is None:
        found.append("ErrorControl is missing")
    if (service.text("ObjectName") or "").casefold() != "localsystem":
        found.append(f"ObjectName is {service.text('ObjectName')}, not LocalSystem")
    image = service.text("ImagePath") or ""
    if f"\\{FOLDER}\\run.cmd".casefold() not in image.casefold():
        found.append(f"ImagePath {image!r} does not name {FOLDER}\\run.cmd")
    if resolve(volume, f"{FOLDER}\\run.cmd") is None:
        found.append(f"{FOLDER}\\run.cmd is missing")
    return found


def steps(volume: Path) -> list[Step]:
    """The steps in the order in which they run."""
    folder = resolve(volume, f"{FOLDER}\\steps")
    return sorted(_found(folder), key=lambda step: (step.number, step.name)) if folder else []


def _found(folder: Path) -> Iterator[Step]:
    for script in folder.iterdir():
        named = _STEP.fullmatch(script.name)
        if named:
            yield Step(int(named.group(1)), named.group(2), script)


def perform(volume: Path, facts: dict[str, str]) -> list[str]:
    """Run the steps up to one that asks for a restart; return what that adds to the report.

    After the last step the folder goes.
    """
    folder, place = resolve(volume, FOLDER), resolve(volume, _REPORT)
    if folder is None or place is None:
        return []
    report = place / "first-boot.report"
    again = report.exists()
    lines = [] if again else [f"fact {name} {value}" for name, value in facts.items()]
    lines += _run(volume)
    if lines[-1:] == ["complete"]:
        shutil.rmtree(folder)
    with report.open("a", encoding="utf-8", newline="") as file:
        file.write("".join(f"{line}\r\n" for line in lines))
    return lines


def _run(volume: Path) -> Iterator[str]:
    for step in steps(volume):
        found = installer.called(step.script, step.script.parent.parent / "files")
        code = exit_code(step.script, None if found is None else installer.run(found, volume))
        step.script.unlink()
        yield f"step {step.number} {step.name} {code}"
        if code == _RESTART:
            yield "restart"
            return
    yield "complete"


def remove_service(system: Path, control_set: str) -> None:
    """Delete the service, as `sc delete` does."""
    with Hive.open(system, writable=True) as hive:
        hive.root.delete_key(f"{control_set}\\Services\\{SERVICE}")
        hive.commit()


def installs(volume: Path, device: str) -> bool:
    """True when a step of the first boot installs a driver whose INF names `device` (`VEN_..`)."""
    uses_pnputil = any(
        "pnputil" in step.script.read_text(errors="replace").casefold() for step in steps(volume)
    )
    folder = resolve(volume, FOLDER)
    if not uses_pnputil or folder is None:
        return False
    return any(_names(inf, device) for inf in folder.rglob("*") if inf.suffix.lower() == ".inf")


def _names(inf: Path, device: str) -> bool:
    raw = inf.read_bytes()
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1")
    return device.casefold() in text.casefold()
