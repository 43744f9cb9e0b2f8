"""How Windows chooses the driver of its boot disk, and what makes it stop with 0x7B.

Since Windows 8: hardware id -> `SYSTEM\\DriverDatabase\\DeviceIds` -> INF -> active package ->
configuration -> service, which the boot loader must have loaded (Start 0, not overridden, file
present). Filters of the device classes in the path are loaded the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imageport.guest.windows.hive import Hive, Key

_DATABASE: Final = "DriverDatabase"
_ALWAYS: Final = ("ACPI", "pci", "disk", "partmgr", "volmgr", "mountmgr", "volume")
"""Services without which no disk is ever a volume."""
_CLASSES: Final = {
    "{4d36e96a-e325-11ce-bfc1-08002be10318}": "IDE controllers",
    "{4d36e97b-e325-11ce-bfc1-08002be10318}": "storage controllers",
    "{4d36e967-e325-11ce-bfc1-08002be10318}": "disk drives",
    "{71a27cdd-812a-11d0-bec7-08002be2092f}": "volumes",
    "{4d36e97d-e325-11ce-bfc1-08002be10318}": "system devices",
}
IDE_CHANNEL: Final = r"PCIIDE\IDEChannel"
"""The id of what hangs below every IDE controller, and which needs a driver of its own."""


@dataclass(frozen=True)
class Match:
    """A driver that the database names for a device, and what keeps it from loading, if any."""

    device: str
    inf: str
    service: str
    problem: str | None

    def __str__(self) -> str:
        state = f"cannot load: {self.problem}" if self.problem else "loaded"
        return f"{self.device} -> {self.inf} -> {self.service} ({state})"


class DriverLookup:
    """Questions about drivers to an open SYSTEM hive and the `Windows` directory beside it."""

    def __init__(self, system: Hive, control_set: str, windows: Path) -> None:
        self._system = system
        self._control_set = control_set
        self._windows = windows

    def best(self, device_ids: list[str]) -> list[Match]:
        """The matches of the most specific id (`PCI\\VEN_..`) that the database knows at all.

        A worse match is not tried when the best one's service cannot start: neither does Windows.
        """
        for device in device_ids:
            matches = list(self._matches(device))
            if matches:
                return matches
        return []

    def obstacles(self) -> list[str]:
        """What else would keep the boot volume away: core services, and class filters."""
        found = []
        for name in _ALWAYS:
            problem = self.start_problem(name)
            if problem:
                found.append(f"core service {name}: {problem}")
        for guid, title in _CLASSES.items():
            key = self._system.key(f"{self._control_set}\\Control\\Class\\{guid}")
            for direction in ("UpperFilters", "LowerFilters"):
                for name in (key.strings(direction) or ()) if key else ():
                    problem = self.start_problem(name)
                    if problem:
                        found.append(f"{direction} of {title} name {name}: {problem}")
        return found

    def start_problem(self, service: str) -> str | None:
        """Why the boot loader would not load the driver `service`; None when it would."""
        key = self._system.key(f"{self._control_set}\\Services\\{service}")
        if key is None:
            return "there is no such service"
        start = key.number("Start")
        if start != 0:
            return f"its Start is {start}, not 0"
        override = key.key("StartOverride")
        overrides = [value.number for value in override.values()] if override else []
        if any(number != 0 for number in overrides):
            return f"StartOverride makes its Start {overrides[0]}"
        if key.number("Type") != 1:
            return f"its Type is {key.number('Type')}, not 1 (kernel driver)"
        return self.file_problem(key)

    def file_problem(self, service: Key) -> str | None:
        """Why the service's file cannot be loaded; None when it can."""
        named = service.text("ImagePath") or f"System32\\drivers\\{service.name}.sys"
        file = resolve(self._windows, _below_windows(named))
        if file is None:
            return f"its file {named} is missing"
        with file.open("rb") as stream:
            return None if stream.read(2) == b"MZ" else f"its file {named} is no program"

    def boot_files(self) -> Iterator[tuple[str, Path]]:
        """Name and file of every driver that the boot loader loads."""
        services = self._system.key(f"{self._control_set}\\Services")
        for key in services.subkeys() if services else ():
            if key.number("Start") == 0 and self.start_problem(key.name) is None:
                named = key.text("ImagePath") or f"System32\\drivers\\{key.name}.sys"
                file = resolve(self._windows, _below_windows(named))
                if file:
                    yield key.name, file

    def network_service(self, device_ids: list[str]) -> str | None:
        """The service that drives a network device after the boot (any Start but disabled)."""
        for match in self.best(device_ids):
            key = self._system.key(f"{self._control_set}\\Services\\{match.service}")
            if key and key.number("Start") != 4 and self.file_problem(key) is None:
                return match.service
        return None

    def _matches(self, device: str) -> Iterator[Match]:
        infs = self._system.key(f"{_DATABASE}\\DeviceIds\\{device}")
        for inf in infs.values() if infs else ():
            active = self._system.key(f"{_DATABASE}\\DriverInfFiles\\{inf.name}")
            label = active.text("Active") if active else None
            package = self._system.key(f"{_DATABASE}\\DriverPackages\\{label}") if label else None
            if package is None:
                continue
            descriptor = package.key(f"Descriptors\\{device}")
            chosen = descriptor.text("Configuration") if descriptor else None
            configuration = package.key(f"Configurations\\{chosen}") if chosen else None
            service = configuration.text("Service") if configuration else None
            if service:
                yield Match(device, inf.name, service, self.start_problem(service))


def _below_windows(image_path: str) -> str:
    path = image_path.strip('"')
    for prefix in ("\\SystemRoot\\", "%SystemRoot%\\", "\\??\\C:\\Windows\\", "C:\\Windows\\"):
        if path.casefold().startswith(prefix.casefold()):
            return path[len(prefix) :]
    return path


def resolve(base: Path, path: str) -> Path | None:
    """The file at a Windows path below `base`, in whatever case it is stored; None if absent."""
    for part in path.replace("/", "\\").split("\\"):
        if not part:
            continue
        exact = base / part
        if not exact.exists():
            if not base.is_dir():
                return None
            wanted = part.casefold()
            alike = next((each for each in base.iterdir() if each.name.casefold() == wanted), None)
            if alike is None:
                return None
            exact = alike
        base = exact
    return base
