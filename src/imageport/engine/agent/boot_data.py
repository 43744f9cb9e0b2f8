"""Boot data: the keys of one job, given to the machine from outside when it is made.

Each platform has its own way to hand them over; the agent asks each in turn. Here: QEMU's firmware
configuration device (QEMU, docs/specs/fw_cfg.rst), which the kernel shows in sysfs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from imageport.engine.agent.errors import BootDataMissing

FW_CFG_NAME = "opt/org.imageport/boot-data"

_FW_CFG = Path("/sys/firmware/qemu_fw_cfg/by_name") / FW_CFG_NAME / "raw"


@dataclass(frozen=True, slots=True)
class BootData:
    """Identity of the engine for one job. Certificates and key in PEM.

    `authority` is the job's own certificate authority: it signed the engine's certificate and the
    one of the only client that the engine admits.
    """

    job: str
    authority: str
    certificate: str
    key: str


def read_boot_data(places: tuple[Path, ...] = (_FW_CFG,)) -> BootData:
    """The boot data of this machine. Raises BootDataMissing."""
    for place in places:
        if place.exists():
            return BootData(**json.loads(place.read_text()))
    raise BootDataMissing(places=", ".join(str(place) for place in places))
