"""Filter drivers of foreign platforms leave the device classes: without their service no device of
the class starts, and Windows stops with 0x7B."""

from __future__ import annotations

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows import tools
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.places import CLASSES
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily


class ClassFilters(FixUp):
    """Takes the foreign names out of UpperFilters and LowerFilters, and leaves all others."""

    name = "class-filters"
    family = OsFamily.WINDOWS
    order = 20

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """One edit for each list that holds a foreign name."""
        foreign = {
            name.casefold() for each in tools.foreign(task.target.target) for name in each.filters
        }
        edits: list[Edit] = []
        for listed in task.windows.class_filters:
            kept = [name for name in listed.drivers if name.casefold() not in foreign]
            if len(kept) == len(listed.drivers):
                continue
            key = f"{CLASSES}\\{listed.device_class}"
            what = "filter drivers of another platform"
            before = f"multi:{'|'.join(listed.drivers)}"
            if kept:
                edits.append(SetValue(key, Value.from_strings(listed.value, kept), what, before))
            else:
                edits.append(DropValue(key, listed.value, what, before))
        return tuple(edits)
