r"""A guest's registry by the names a running Windows uses: `SYSTEM\CurrentControlSet\...`.

The boot configuration store (BCD) is a hive too, and is reached as `BCD\Objects\...`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imageport.guest.errors import ReadOnlyGuestError, UnsupportedOsError
from imageport.guest.guest import Guest
from imageport.guest.windows.hive import Hive, Key
from imageport.guest.windows.registry_value import Value, ValueType

_CURRENT: Final = "CurrentControlSet"
_CONFIG: Final = "Windows\\System32\\config"
BOOT_STORE: Final = "BCD"


class Registry:
    """The hives of a guest, each opened at its first use; `close` forgets what is not committed."""

    def __init__(self, guest: Guest, *, writable: bool) -> None:
        if writable and not guest.writable:
            raise ReadOnlyGuestError
        self._guest = guest
        self._writable = writable
        self._hives: dict[str, Hive] = {}
        self._changed: set[str] = set()
        self._control_set = ""

    def commit(self) -> None:
        """Write every hive that was changed."""
        for name in sorted(self._changed):
            self._hives[name].commit()
        self._changed.clear()

    def close(self) -> None:
        """Close all hives."""
        for hive in self._hives.values():
            hive.close()
        self._hives.clear()

    @property
    def control_set(self) -> str:
        """The name of the control set that the next boot uses, such as `ControlSet001`."""
        if not self._control_set:
            select = self._hive("SYSTEM").key("Select")
            number = select.number("Current") if select else None
            if number is None:
                raise UnsupportedOsError(name="This Windows", reason="it has no Select\\Current")
            self._control_set = f"ControlSet{number:03d}"
        return self._control_set

    def has_boot_store(self) -> bool:
        """True when the guest has a boot configuration store where its firmware looks for it."""
        return boot_store(self._guest) is not None

    def key(self, path: str) -> Key | None:
        """The key at `path`, which begins with the hive's name; None if absent."""
        name, below = self._split(path)
        if name == BOOT_STORE and not self.has_boot_store():
            return None
        return self._hive(name).root.key(below)

    def value(self, path: str, name: str) -> Value | None:
        """The value `name` of the key at `path`; None if either is absent."""
        key = self.key(path)
        return key.value(name) if key else None

    def subkeys(self, path: str) -> Iterator[Key]:
        """The keys directly below `path`; none if it is absent."""
        key = self.key(path)
        yield from key.subkeys() if key else ()

    def set(self, path: str, value: Value) -> None:
        """Set `value` in the key at `path`, made where absent; equal values are left alone."""
        name, below = self._split(path)
        key = self._hive(name).ensure_key(below)
        if key.value(value.name) != value:
            key.set(value)
            self._changed.add(name)

    def delete_value(self, path: str, name: str) -> None:
        """Delete the value `name` of the key at `path`, where there is one."""
        key = self.key(path)
        if key and key.delete_value(name):
            self._changed.add(self._split(path)[0])

    def delete_key(self, path: str) -> None:
        """Delete the key at `path` with all below it, where there is one."""
        name, below = self._split(path)
        key = self.key(path)
        if key and below:
            key.delete()
            self._changed.add(name)

    def _split(self, path: str) -> tuple[str, str]:
        name, _, below = path.partition("\\")
        first, _, rest = below.partition("\\")
        if name == "SYSTEM" and first == _CURRENT:
            below = f"{self.control_set}\\{rest}" if rest else self.control_set
        return name, below

    def _hive(self, name: str) -> Hive:
        if name not in self._hives:
            self._hives[name] = Hive.open(hive_file(self._guest, name), writable=self._writable)
        return self._hives[name]


def hive_file(guest: Guest, name: str) -> Path:
    """The file of a hive; a path that does not exist when the guest has none."""
    if name == BOOT_STORE:
        return boot_store(guest) or guest.root / "Boot" / BOOT_STORE
    return guest.find(f"{_CONFIG}\\{name}") or guest.root / "Windows/System32/config" / name


def boot_store(guest: Guest) -> Path | None:
    """The BCD: on the EFI system partition, or beside bootmgr on the active partition."""
    on_esp = guest.find_esp("EFI\\Microsoft\\Boot\\BCD")
    if on_esp is not None or guest.boot is None:
        return on_esp
    beside = guest.boot / "Boot" / BOOT_STORE
    return beside if beside.exists() else None


def rendered(value: Value | None) -> str | None:
    """A value as text for reports and plans: `dword:1`, `sz:text`, `multi:a|b`, `hex:00ff`."""
    if value is None:
        return None
    if value.number is not None:
        return f"{'qword' if value.type == ValueType.QWORD else 'dword'}:{value.number}"
    if value.text is not None:
        return f"{'expand' if value.type == ValueType.EXPAND_SZ else 'sz'}:{value.text}"
    if value.strings is not None:
        return f"multi:{'|'.join(value.strings)}"
    return f"hex:{value.data.hex()}"
