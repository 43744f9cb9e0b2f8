"""Windows event logs (.evtx) as text: one line an event, its parts apart by tabs.

    time (UTC)  level  provider  event id  computer  message data (name=value; ...)

The files come from an image that nobody vouches for: a process of its own reads them, whose memory
is limited, and which may die without harm.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import evtx

from imageport.host.files import write_whole

_LEVELS = {0: "Information", 1: "Critical", 2: "Error", 3: "Warning", 4: "Information"}
_LONGEST = 2000
"""Characters of a value."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SKIPPED = "Skipping EVTX data: RuntimeError: "
_MEMORY = 4 << 30
_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a log."""

    time: str
    """Such as `2026-03-01T09:00:00.123456Z`."""
    level: str
    provider: str
    id: int
    computer: str
    data: tuple[tuple[str, str], ...]
    """Names (empty where an event gives none) and values, in order."""

    @property
    def line(self) -> str:
        """Its line of text."""
        data = "; ".join(f"{name}={value}" if name else value for name, value in self.data)
        parts = (self.time, self.level, self.provider, str(self.id), self.computer, data)
        return "\t".join(map(_one_line, parts))


def events(log: Path, damage: list[str]) -> Iterator[Event]:
    """The log's events in the order of their numbers; what is wrong with it goes to `damage`."""
    found: list[tuple[int, Event]] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            for record in evtx.PyEvtxParser(str(log), skip_errors=True).records_json():
                if record is not None:
                    found.append((record["event_record_id"], _event(record)))
        except (OSError, RuntimeError, ValueError) as error:
            damage.append(str(error))
    damage += [str(each.message).removeprefix(_SKIPPED) for each in said]
    # Windows writes in a circle: what lies first in the file may be newer than the rest.
    for _, event in sorted(found, key=lambda each: each[0]):
        yield event


def _event(record: dict[str, Any]) -> Event:
    said = json.loads(record["data"]).get("Event", {})
    system = said.get("System") or {}
    provider = (system.get("Provider") or {}).get("#attributes", {})
    data = [
        pair
        for part in ("EventData", "UserData", "ProcessingErrorData")
        for pair in _flat(said.get(part), "")
    ]
    return Event(
        time=record["timestamp"].removesuffix(" UTC").replace(" ", "T"),
        level=_level(system.get("Level")),
        provider=str(provider.get("Name") or provider.get("EventSourceName") or "?"),
        id=_number(system.get("EventID")),
        computer=str(system.get("Computer") or ""),
        data=tuple(data),
    )


def _level(value: Any) -> str:
    number = _number(value)
    return _LEVELS.get(number, "Verbose" if number == 5 else f"Level {number}")


def _number(value: Any) -> int:
    """A number, whether it has attributes or not."""
    if isinstance(value, dict):
        value = value.get("#text")
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else 0


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key != "#attributes":
                yield from _flat(each, name if key in ("#text", "Data") else key)
    elif isinstance(value, list):
        for each in value:
            yield from _flat(each, name)
    elif value not in (None, ""):
        yield name, str(value)[:_LONGEST]


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def parsed(text: Path) -> Iterator[Event]:
    """The events of a text that was written here; their data in one piece."""
    with text.open(encoding="utf-8") as file:
        for line in file:
            time, level, provider, number, computer, data = line.rstrip("\n").split("\t")
            yield Event(time, level, provider, int(number), computer, (("", data),))


def write_texts(logs: Sequence[Path]) -> list[str]:
    """Write `NAME.txt` beside each log `NAME.evtx`; returns sentences on what cannot be read."""
    problems: list[str] = []
    rest = list(logs)
    while rest:
        problems += _converted(rest)
        rest = [log for log in rest if not log.with_suffix(".txt").exists()]
        if rest:
            problems.append(f"{rest[0].name} cannot be turned into text.")
            rest = rest[1:]
    return problems


def _converted(logs: Sequence[Path]) -> list[str]:
    argv = [sys.executable, "-m", "imageport.jobs.event_text", *map(str, logs)]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return []
    return done.stdout.decode(errors="replace").splitlines()


def main(logs: Sequence[str]) -> None:
    """Convert one log after another; prints a line for each that is damaged."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    for log in map(Path, logs):
        damage: list[str] = []
        lines = [f"{event.line}\n".encode() for event in events(log, damage)]
        write_whole(log.with_suffix(".txt"), lines)
        if not lines:
            damage = damage or ["no event can be read"]
        if damage:
            more = f", and {len(damage) - 1} times more" if len(damage) > 1 else ""
            print(f"{log.name} is damaged: {_one_line(damage[0])}{more}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
