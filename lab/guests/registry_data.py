"""Python data as registry values: what the writers of a phony Windows' hives share."""

from __future__ import annotations

from collections.abc import Mapping

from imageport.guest.windows.hive import Hive
from imageport.guest.windows.registry_value import Value

Data = int | str | bytes | list[str] | Value
"""A DWORD, a string (expandable when it holds a `%`), binary, a list, or a value as it is."""
Values = Mapping[str, Data]


def put(hive: Hive, path: str, values: Values) -> None:
    """Make the key at `path`, where it is absent, and set `values` in it."""
    key = hive.ensure_key(path)
    for name, data in values.items():
        key.set(_value(name, data))


def _value(name: str, data: Data) -> Value:
    match data:
        case Value():
            return Value(name, data.type, data.data)
        case int():
            return Value.from_dword(name, data)
        case str():
            return Value.from_text(name, data, expand="%" in data)
        case bytes():
            return Value.from_binary(name, data)
        case list():
            return Value.from_strings(name, data)
