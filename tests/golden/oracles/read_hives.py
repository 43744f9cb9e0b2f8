"""Reads registry hives with dissect.regf and with regipy, and prints all that they see as JSON.

    .oracles/bin/python read_hives.py HIVE...

A program of its own: dissect.regf is AGPL, and nothing of imageport is imported here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dissect.regf import RegistryHive as DissectHive
from regipy.registry import RegistryHive as RegipyHive
from regipy.utils import calculate_xor32_checksum

_CHECKSUM_AT = 508


def base_block(path: Path) -> dict[str, Any]:
    """What regipy says of the base block: its checksum is right, both sequence numbers."""
    header = RegipyHive(str(path)).header
    with path.open("rb") as stream:
        checksum = calculate_xor32_checksum(stream.read(_CHECKSUM_AT))
    return {
        "checksum": checksum == header.checksum,
        "sequence": [header.primary_sequence_num, header.secondary_sequence_num],
        "bins": header.hive_bins_data_size,
    }


def by_dissect(key: Any, place: str) -> Iterator[tuple[str, list[tuple[str, int, str]]]]:
    """Each key below `key` with its values' names, type numbers and bytes."""
    yield place, [(value.name, int(value.type), bytes(value.data).hex()) for value in key.values()]
    for below in key.subkeys():
        yield from by_dissect(below, f"{place}\\{below.name}")


def by_regipy(key: Any, place: str) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Each key below `key` with its values' names, types by name, and what they mean."""
    values = list(key.iter_values(trim_values=False))
    yield place, [(value.name, value.value_type, _plain(value.value)) for value in values]
    for below in list(key.iter_subkeys()):
        yield from by_regipy(below, f"{place}\\{below.name}")


def _plain(meaning: Any) -> Any:
    if isinstance(meaning, bytes):
        return {"bytes": meaning.hex()}
    return list(meaning) if isinstance(meaning, list) else meaning


def main() -> None:
    """Read each hive that is named."""
    for name in sys.argv[1:]:
        with Path(name).open("rb") as stream:
            dissect = dict(by_dissect(DissectHive(stream).root(), ""))
        regipy = dict(by_regipy(RegipyHive(name).root, ""))
        print(json.dumps({"base": base_block(Path(name)), "dissect": dissect, "regipy": regipy}))


if __name__ == "__main__":
    main()
