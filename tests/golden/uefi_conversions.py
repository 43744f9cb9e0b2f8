"""Conversions to UEFI of the lab's disks as text: what the expected files hold.

python -m tests.golden.uefi_conversions     writes the expected files anew: read the difference
"""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from imageport.guest.uefi.draft import Draft, draft
from imageport.guest.uefi.survey import look, smallest
from imageport.guest.windows.hive import Hive
from imageport.guest.windows.registry import rendered
from imageport.model.target import Firmware
from lab.guests import MbrLayout, WindowsMaster, master
from tests.golden.host_disk import host_guest, loop_volumes, run

EXPECTED: Final = Path(__file__).with_name("expected") / "uefi"
IDENTITY: Final = uuid.UUID("58b42358-8498-5866-a8ec-ae1f894f309d")


def converted(layout: MbrLayout, folder: Path) -> tuple[Path, Draft]:
    """A raw disk of that layout, and what its conversion would be."""
    image = folder / "disk.raw"
    spec = WindowsMaster(Firmware.BIOS, layout=layout, uefi_loaders=True, static_address=False)
    run("qemu-img", "convert", "-O", "raw", master(spec), image)
    with host_guest(image, writable=False, scratch=folder) as guest:
        found = look(guest, 512)
    with loop_volumes(image) as volumes:
        device = next(v.device for v in volumes if v.number == found.windows)
        found = replace(found, smallest=smallest(device))
    return image, draft(found, IDENTITY)


def expected_text(drafted: Draft) -> str:
    """The content of the layout's expected file. What only identifies the lab's disk is named."""
    table = drafted.survey.table
    assert table
    text = "\n".join(_lines(drafted)) + "\n"
    signature = table.signature
    text = text.replace(signature.to_bytes(4, "little").hex(), "<signature>")
    text = text.replace(f"{signature:08x}", "<signature>")
    return re.sub(r"Volume\{[0-9a-f-]{36}\}", "Volume{...}", text)


def _lines(drafted: Draft) -> Iterator[str]:
    yield from (f"{found.severity} {found.code}" for found in drafted.plan.findings)
    yield ""
    for change in drafted.plan.changes:
        yield f"{change.fixup}: {change.what}: {change.where}"
        yield f"    {change.before or '-'}"
        yield f"    {change.after or '-'}"
    yield ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "BCD")
        file.write_bytes(drafted.store)
        with Hive.open(file) as hive:
            objects = hive.key("Objects")
            for entry in objects.subkeys() if objects else ():
                description, elements = entry.key("Description"), entry.key("Elements")
                yield f"{entry.name} 0x{(description.number('Type') if description else 0) or 0:x}"
                for element in elements.subkeys() if elements else ():
                    yield f"    {element.name} {rendered(element.value('Element'))}"


def main() -> None:
    """Write every expected file."""
    for layout in MbrLayout:
        with tempfile.TemporaryDirectory() as folder:
            _, drafted = converted(layout, Path(folder))
            (EXPECTED / f"{layout}.txt").write_text(expected_text(drafted))


if __name__ == "__main__":
    main()
