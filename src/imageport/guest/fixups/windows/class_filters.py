"""Filter drivers of foreign platforms leave the device classes: without their service no device of
the class starts, and Windows stops with 0x7B. Coming home, they are put back with their tools."""

from __future__ import annotations

from imageport.guest.fixup import Edit, FixUp, Task
from imageport.guest.windows import tools
from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.places import CLASSES, SAVED_FILTERS
from imageport.guest.windows.registry_value import Value
from imageport.model.guest import OsFamily
from imageport.model.guest_facts import ClassFilter


class ClassFilters(FixUp):
    """Takes the foreign names out of UpperFilters and LowerFilters, and leaves all others.

    The list as it was is kept beside it: tools whose driver filters nothing are half installed.
    """

    name = "class-filters"
    family = OsFamily.WINDOWS
    order = 20

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """For each list that holds a foreign name, or did before an earlier preparation."""
        foreign = _foreign(task)
        edits: list[Edit] = []
        for listed in task.windows.class_filters:
            kept = tuple(name for name in listed.drivers if name.casefold() not in foreign)
            if len(kept) < len(listed.drivers):
                edits += _taken(listed, kept)
            elif listed.saved and not any(name.casefold() in foreign for name in listed.saved):
                edits += _restored(task, listed)
        return tuple(edits)


def _foreign(task: Task) -> set[str]:
    stopped = tools.stopped(task.target.target, task.windows.installed)
    filters = {name.casefold() for vendor in tools.VENDORS for name in vendor.filters}
    return filters & set(stopped)


def _taken(listed: ClassFilter, kept: tuple[str, ...]) -> list[Edit]:
    key = f"{CLASSES}\\{listed.device_class}"
    what = "filter drivers of another platform"
    saved = Value.from_strings(f"{SAVED_FILTERS}{listed.value}", listed.saved or listed.drivers)
    before = f"multi:{'|'.join(listed.saved)}" if listed.saved else None
    return [_list(listed, kept, what), SetValue(key, saved, f"{what}: as they were", before)]


def _restored(task: Task, listed: ClassFilter) -> list[Edit]:
    """A driver whose tools were removed meanwhile stays out."""
    key, name = f"{CLASSES}\\{listed.device_class}", f"{SAVED_FILTERS}{listed.value}"
    what = "filter drivers are back"
    back = [each for each in listed.saved if each in listed.drivers or _there(task, each)]
    added = (each for each in listed.drivers if each not in back)
    dropped = DropValue(key, name, what, f"multi:{'|'.join(listed.saved)}")
    return [_list(listed, (*back, *added), what), dropped]


def _list(listed: ClassFilter, names: tuple[str, ...], what: str) -> Edit:
    key = f"{CLASSES}\\{listed.device_class}"
    before = f"multi:{'|'.join(listed.drivers)}" if listed.drivers else None
    if names:
        return SetValue(key, Value.from_strings(listed.value, names), what, before)
    return DropValue(key, listed.value, what, before or "absent")


def _there(task: Task, driver: str) -> bool:
    service = task.windows.service(driver)
    return service is not None and service.image_exists
