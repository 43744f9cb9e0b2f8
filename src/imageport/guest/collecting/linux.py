"""What diagnostics take from a Linux: its journal, as it is and as text, and logs of /var/log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imageport.guest.collecting.bag import MIB, Bag
from imageport.guest.collecting.matching import matches
from imageport.guest.collecting.scrub import scrubbed
from imageport.guest.command import attempt
from imageport.guest.errors import CommandError
from imageport.guest.guest import Guest
from imageport.guest.linux import runner

_JOURNALS: Final = ("var/log/journal/*/*.journal", "var/log/journal/*/*.journal~")
_JOURNAL_MOST: Final = 64 * MIB
"""Bytes of all journals, the newest first."""
_TEXTS: Final = (
    "var/log/syslog",
    "var/log/syslog.1",
    "var/log/messages",
    "var/log/kern.log",
    "var/log/dmesg",
    "var/log/dmesg.0",
    "var/log/boot.log",
    "var/log/cloud-init*.log",
    "var/log/waagent.log",
    "var/log/vmware-*.log",
    "var/log/installer/*.log",
    "var/log/installer/syslog",
    "var/log/installer/partman",
    "var/log/installer/status",
    "var/log/anaconda/*.log",
)
"""Not taken: what else an installer keeps, since its answers hold passwords, and auth.log."""
_ENTRIES: Final = 50_000
_SECONDS: Final = 300.0


def journals(guest: Guest, bag: Bag, folder: str) -> None:
    """The journal's files, and what journalctl makes of them."""
    found = [p for each in _JOURNALS for p in matches(guest.root, each, bag.problems, fold=False)]
    found.sort(key=lambda place: place.stat(follow_symlinks=False).st_mtime, reverse=True)
    room, taken = _JOURNAL_MOST, []
    for place in found:
        size = place.stat(follow_symlinks=False).st_size
        if size <= room and bag.put_file(f"{folder}/journal/{place.name}", place, room):
            room -= size
            taken.append(place)
    if len(taken) < len(found):
        bag.problems.append(f"{len(found) - len(taken)} older files of the journal were left out.")
    if taken:
        _put_text(bag, f"{folder}/journal.txt", taken, ())
        _put_text(bag, f"{folder}/journal-errors.txt", taken, ("--priority=err",))


def _put_text(bag: Bag, name: str, files: list[Path], options: tuple[str, ...]) -> None:
    form = ("--no-pager", "--utc", "--output=short-iso", f"--lines={_ENTRIES}")
    argv = ["journalctl", *form, *options, *(f"--file={place}" for place in files)]
    try:
        done = attempt(argv, timeout=_SECONDS)
    except CommandError as error:
        bag.problems.append(error.message)
        return
    if done.returncode:
        bag.problems.append(f"journalctl ended with {done.returncode}: {name} may lack entries.")
    bag.put(name, scrubbed(done.stdout))


def texts(guest: Guest, bag: Bag, folder: str) -> None:
    """Logs that are text."""
    for pattern in _TEXTS:
        for place in matches(guest.root, pattern, bag.problems, fold=False):
            name = place.relative_to(guest.root / "var/log").as_posix().replace("/", "_")
            bag.put_text(f"{folder}/log/{name}", place)


def own_data(guest: Guest, bag: Bag, folder: str) -> None:
    """What our first-boot runner left, and which of its steps still wait."""
    for place in matches(guest.root, runner.REPORT, bag.problems, fold=False):
        bag.put_text(f"{folder}/{place.name}", place)
    waiting = [
        place.relative_to(guest.root).as_posix()
        for each in ("*", "steps/*")
        for place in matches(guest.root, f"{runner.RUN_FOLDER}/{each}", bag.problems, fold=False)
    ]
    if waiting:
        bag.put(f"{folder}/first-boot-waiting.txt", "".join(f"{p}\n" for p in waiting).encode())


def engine_data(guest: Guest, bag: Bag, folder: str) -> None:
    """The commands that an engine kept, when the disk is an engine's own."""
    for place in matches(guest.root, "var/lib/imageport/commands/*.json", bag.problems, fold=False):
        bag.put_text(f"{folder}/on-this-disk/{place.name}", place)
