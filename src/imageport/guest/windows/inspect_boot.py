r"""The boot store (BCD): which Windows it starts, and its elements as fix-ups watch them.

`Objects\{guid}\Description\Type` and `Objects\{guid}\Elements\<number>\Element`; object types and
element numbers as in "BCD System Store Settings" and `BcdLibraryElementTypes` (Microsoft).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imageport.guest.windows.hive import Key
from imageport.guest.windows.places import BOOT_MANAGER
from imageport.guest.windows.registry import Registry, rendered
from imageport.model.windows_facts import BootEntry

_OBJECTS: Final = r"BCD\Objects"
_OS_LOADER: Final = 0x10200003
"""Type of the objects that load Windows."""
_APPLICATION_DEVICE: Final = "11000001"
_APPLICATION_PATH: Final = "12000002"
_DESCRIPTION: Final = "12000004"
_OS_DEVICE: Final = "21000001"
_DEFAULT: Final = "23000003"
_VHD: Final = ".vhd".encode("utf-16-le")


def boot_entries(registry: Registry) -> Iterator[BootEntry]:
    """The entries that load a Windows, in the store's order."""
    default = (_text(registry.key(rf"{_OBJECTS}\{BOOT_MANAGER}"), _DEFAULT) or "").casefold()
    for key in registry.subkeys(_OBJECTS):
        description = key.key("Description")
        if description and description.number("Type") == _OS_LOADER:
            yield BootEntry(
                identity=key.name,
                description=_text(key, _DESCRIPTION),
                program=_text(key, _APPLICATION_PATH),
                default=key.name.casefold() == default,
                from_vhd=_from_vhd(key),
            )


def boot_elements(registry: Registry, objects: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Every element of these objects of the boot store."""
    for item in objects:
        place = rf"{_OBJECTS}\{item}\Elements"
        for element in registry.subkeys(place):
            value = rendered(element.value("Element"))
            yield rf"{place}\{element.name.lower()}\Element", value


def _from_vhd(entry: Key) -> bool:
    """A device element of a VHD file holds the file's path as UTF-16 text."""
    for element in (_APPLICATION_DEVICE, _OS_DEVICE):
        key = entry.key(rf"Elements\{element}")
        value = key.value("Element") if key else None
        if value and _VHD in value.data.lower():
            return True
    return False


def _text(entry: Key | None, element: str) -> str | None:
    key = entry.key(rf"Elements\{element}") if entry else None
    return key.text("Element") if key else None
