"""The page of diagnostics that a person reads first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imageport.guest.first_boot import parse
from imageport.jobs.event_text import Event, parsed

_ERRORS = ("Critical", "Error")
_MOST = 10
"""Lines of each list."""
_WIDTH = 200
"""Characters of a line of an event."""
_BOOTS = {
    ("EventLog", 6005): "the event log was started",
    ("EventLog", 6006): "the event log was stopped: a clean shutdown",
    ("EventLog", 6008): "the shutdown before was unexpected",
    ("Microsoft-Windows-Kernel-General", 12): "Windows started",
    ("Microsoft-Windows-Kernel-General", 13): "Windows shut down",
    ("Microsoft-Windows-Kernel-Power", 41): "restarted without a clean shutdown",
    ("User32", 1074): "a restart or shutdown was asked for",
}
_BUG_CHECKS = (("Microsoft-Windows-WER-SystemErrorReporting", 1001), ("BugCheck", 1001))
_FIRST_BOOT = "first-boot.report"


@dataclass(frozen=True, slots=True)
class Subject:
    """What the summary is of; `found` is what the engine said."""

    source: str
    version: str
    began: datetime
    found: dict[str, Any]
    problems: tuple[str, ...]


def summary(subject: Subject, bundle: Path) -> str:
    """The text, from what lies in the folder `bundle`."""
    lines = [
        f"Diagnostics of {subject.source}",
        f"imageport {subject.version}, {subject.began:%Y-%m-%d %H:%M} UTC",
    ]
    lines += _headed("Volumes", map(_volume, subject.found.get("volumes", ())))
    for system in subject.found.get("systems", ()):
        lines += ["", *_system(system, bundle)]
    lines += _headed("What could not be read, or was left out", subject.problems)
    return "\n".join((*lines, ""))


def system_name(system: dict[str, Any]) -> str:
    """An operating system as a person says it."""
    inspection = system["inspection"]
    if inspection is None:
        return f"A {system['family'].capitalize()} that cannot be inspected"
    return f"{inspection['name']} ({inspection['version']})"


def _volume(volume: dict[str, Any]) -> str:
    name = volume["name"] or f"partition {volume['number']}"
    label = f", {volume['label']}" if volume["label"] else ""
    return f"{name}: {volume['kind']}, {volume['size'] >> 20} MiB{label}"


def _system(system: dict[str, Any], bundle: Path) -> Iterator[str]:
    inspection = system["inspection"]
    yield f"== {system_name(system)}, in {system['folder']}/"
    if inspection is None:
        yield str(system["error"])
    else:
        yield f"Name: {inspection['hostname'] or 'none'}; firmware: {inspection['firmware']}"
        findings = (f"{each['sentence']}" for each in inspection["findings"])
        yield from _headed("Findings", findings)
    text = bundle / system["folder"] / "event-logs/System.txt"
    if text.exists():
        yield from _event_log(list(parsed(text)))
    yield from _headed("Memory dumps", map(_dump, system["dumps"]))
    errors = bundle / system["folder"] / "journal-errors.txt"
    if errors.exists():
        last = errors.read_text(errors="replace").splitlines()[-_MOST:]
        yield from _headed("The journal's last errors", (line[:_WIDTH] for line in last))
    yield from _first_boot(bundle / "imageport" / system["folder"] / _FIRST_BOOT)


def _event_log(events: list[Event]) -> Iterator[str]:
    boots = [each for each in events if (each.provider, each.id) in _BOOTS]
    yield from _headed("Last starts and shutdowns", map(_boot, boots[-_MOST:]))
    stops = [each for each in events if (each.provider, each.id) in _BUG_CHECKS]
    yield from _headed("Bug checks", map(_short, stops[-_MOST:]))
    errors = [each for each in events if each.level in _ERRORS]
    counted = Counter((each.provider, each.id) for each in errors)
    last = {(each.provider, each.id): each.time for each in errors}
    frequent = (
        f"{count} x {provider} {number}, last at {last[provider, number]}"
        for (provider, number), count in counted.most_common(_MOST)
    )
    yield from _headed("The System log's most frequent errors", frequent)
    yield from _headed("The System log's last errors", map(_short, errors[-_MOST:]))
    if not errors:
        yield from ("", f"The System log has {len(events)} events, and no error among them.")


def _boot(event: Event) -> str:
    said = _BOOTS[event.provider, event.id]
    data = f" ({event.data[0][1]})" if event.id in (41, 1074) and event.data[0][1] else ""
    return f"{event.time}  {said}{data}"[:_WIDTH]


def _short(event: Event) -> str:
    return f"{event.time}  {event.provider} {event.id}: {event.data[0][1]}"[:_WIDTH]


def _dump(dump: dict[str, Any]) -> str:
    written = datetime.fromtimestamp(dump["modified"], UTC)
    return f"{dump['path']}, {dump['size']} bytes, {written:%Y-%m-%d %H:%M} UTC"


def _first_boot(report: Path) -> Iterator[str]:
    if not report.exists():
        return
    said = parse(report.read_text(errors="replace"))
    waiting = report.with_name("first-boot-waiting.txt")
    names = waiting.read_text().splitlines() if waiting.exists() else []
    steps = [f"step {each.number} {each.name} ended with {each.exit_code}" for each in said.steps]
    facts = [f"{name}: {value}" for name, value in said.facts.items()]
    left = [f"still waits: {name}" for name in names if "/steps/" in name or "/running/" in name]
    state = "complete" if said.complete else "not complete"
    yield from _headed(f"imageport's first boot: {state}", (*facts, *steps, *left))


def _headed(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Nothing where there are no lines."""
    said = list(lines)
    if said:
        yield from ("", f"{title}:", *(f"  {line}" for line in said))
