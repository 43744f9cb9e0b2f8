"""What diagnostics take from a Windows: event logs, the logs of setup and servicing, dumps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.collecting.bag import MIB, Bag
from imageport.guest.collecting.matching import matches
from imageport.guest.guest import Guest
from imageport.guest.windows import runner

_LOGS: Final = "Windows/System32/winevt/Logs/*.evtx"
_FIRST: Final = ("system.evtx", "application.evtx", "setup.evtx")
_PRIVATE: Final = ("security", "archive-security", "forwardedevents", "windows powershell")
_PRIVATE_PARTS: Final = ("powershell", "sysmon")
"""Event logs with what people typed: command lines, scripts, logons."""
_LOG_MOST: Final = 64 * MIB
_EMPTY_MOST: Final = 72 << 10
"""Bytes of the file that Windows makes for a log without a record."""

_TEXTS: Final = {
    "setup": (
        "Windows/Panther/setup*.log",
        "Windows/Panther/UnattendGC/setup*.log",
        "Windows/System32/Sysprep/Panther/setup*.log",
        "Windows/INF/setupapi.*.log",
        "Windows/Logs/CBS/CBS.log",
        "Windows/Logs/DISM/dism.log",
        "Windows/debug/NetSetup.LOG",
    ),
    "boot": ("Windows/ntbtlog.txt", "Windows/System32/LogFiles/Srt/SrtTrail.txt"),
    "citrix": (
        "Windows/Temp/Citrix/XenDesktop Installer/*.log",
        "Windows/Temp/Citrix/XenDesktop Installer/MSI Log Files/*.log",
        "Users/*/AppData/Local/Temp/Citrix/XenDesktop Installer/*.log",
        "Users/*/AppData/Local/Temp/Citrix/XenDesktop Installer/MSI Log Files/*.log",
        "Users/*/AppData/Local/Temp/*/Citrix/XenDesktop Installer/*.log",
        "Users/*/AppData/Local/Temp/*/Citrix/XenDesktop Installer/MSI Log Files/*.log",
        "ProgramData/Citrix/Provisioning Services/Log*/*.log",
    ),
}
"""By the folder that they go into."""
_DUMPS: Final = ("Windows/Minidump/*.dmp", "Windows/MEMORY.DMP", "Windows/LiveKernelReports/*.dmp")
_DUMP_MOST: Final = 4 * MIB
_DUMPS_TAKEN: Final = 5
_CHUNK: Final = 4096
"""Where the first chunk of an event log begins."""


@dataclass(frozen=True, slots=True)
class Dump:
    """A memory dump; its path in the guest, its size in bytes, its time since the epoch."""

    path: str
    size: int
    modified: float


def event_logs(guest: Guest, bag: Bag, folder: str) -> None:
    """The event logs that hold records: System, Application and Setup first, then the newest."""
    found = list(matches(guest.root, _LOGS, bag.problems, fold=True))
    if not found:
        bag.problems.append("No event log was found in Windows\\System32\\winevt\\Logs.")
    for place in sorted(found, key=_order):
        if not is_private(place.name) and not _is_empty(place):
            bag.put_file(f"{folder}/event-logs/{place.name}", place, _LOG_MOST)


def is_private(name: str) -> bool:
    """Whether the event log `name` holds what people typed."""
    folded = name.casefold()
    return folded.startswith(_PRIVATE) or any(part in folded for part in _PRIVATE_PARTS)


def _order(place: Path) -> tuple[int, float]:
    name = place.name.casefold()
    if name in _FIRST:
        return _FIRST.index(name), 0.0
    return len(_FIRST), -_modified(place)


def _modified(place: Path) -> float:
    try:
        return place.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0


def _is_empty(place: Path) -> bool:
    """True for a log whose one chunk says that its free space begins behind the chunk's header."""
    try:
        if place.stat(follow_symlinks=False).st_size > _EMPTY_MOST:
            return False
        with place.open("rb") as file:
            file.seek(_CHUNK)
            header = file.read(512)
    except OSError:
        return False
    if header[:8] != b"ElfChnk\0":
        return not header.strip(b"\0")
    free = int.from_bytes(header[48:52], "little")
    return free == len(header)


def texts(guest: Guest, bag: Bag, folder: str) -> None:
    """Logs of setup, servicing and the boot, and of the installers of Citrix's parts."""
    for group, patterns in _TEXTS.items():
        for pattern in patterns:
            for place in matches(guest.root, pattern, bag.problems, fold=True):
                name = place.relative_to(guest.root).as_posix().replace("/", "_")
                bag.put_text(f"{folder}/{group}/{name}", place)


def dumps(guest: Guest, bag: Bag, folder: str) -> tuple[Dump, ...]:
    """What dumps there are, the newest first; of small ones, the newest are taken."""
    places = [p for each in _DUMPS for p in matches(guest.root, each, bag.problems, fold=True)]
    found = [_dump(guest, place) for place in sorted(places, key=_modified, reverse=True)]
    for dump in [each for each in found if each.size <= _DUMP_MOST][:_DUMPS_TAKEN]:
        place = guest.root / dump.path
        bag.put_file(f"{folder}/dumps/{place.name}", place, _DUMP_MOST)
    return tuple(found)


def _dump(guest: Guest, place: Path) -> Dump:
    state = place.stat(follow_symlinks=False)
    return Dump(place.relative_to(guest.root).as_posix(), state.st_size, state.st_mtime)


def own_data(guest: Guest, bag: Bag, folder: str) -> None:
    """What our first-boot runner left, and which of its steps still wait."""
    for path in (runner.REPORT, runner.LOG):
        for place in matches(guest.root, path.replace("\\", "/"), bag.problems, fold=True):
            bag.put_text(f"{folder}/{place.name}", place)
    home = runner.FOLDER.replace("\\", "/")
    waiting = [
        place.relative_to(guest.root).as_posix()
        for each in ("*", "steps/*", "running/*")
        for place in matches(guest.root, f"{home}/{each}", bag.problems, fold=True)
    ]
    if waiting:
        bag.put(f"{folder}/first-boot-waiting.txt", "".join(f"{p}\n" for p in waiting).encode())
