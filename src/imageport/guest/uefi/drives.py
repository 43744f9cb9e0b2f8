r"""Drive letters: `SYSTEM\MountedDevices` names partitions as the disk's table does.

A partition of an MBR disk is its disk's signature and its offset in bytes; one of a GPT disk is
`DMIO:ID:` and its GUID.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imageport.guest.windows.edits import DropValue, SetValue
from imageport.guest.windows.registry import rendered
from imageport.guest.windows.registry_value import Value
from imageport.model.conversion import NewPartition

KEY: Final = r"SYSTEM\MountedDevices"
_ON_MBR: Final = struct.Struct("<IQ")
_ON_GPT: Final = b"DMIO:ID:"


def edits(
    values: Sequence[Value], signature: int, by_offset: Mapping[int, NewPartition]
) -> Iterator[SetValue | DropValue]:
    """What the key must hold now; `by_offset` has the new partitions by their old offsets (bytes).

    What becomes the EFI system partition has no letter.
    """
    for value in values:
        if len(value.data) != _ON_MBR.size:
            continue
        disk, offset = _ON_MBR.unpack(value.data)
        partition = by_offset.get(offset)
        if disk != signature or partition is None:
            continue
        before = rendered(value) or ""
        if partition.made:
            yield DropValue(KEY, value.name, "the EFI system partition has no letter", before)
        else:
            named = Value.from_binary(value.name, _ON_GPT + uuid.UUID(partition.unique).bytes_le)
            yield SetValue(KEY, named, "drive named by its partition's GUID", before)
