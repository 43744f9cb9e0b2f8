"""An image prepared for one platform, then for another, then for the first, boots there."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.model.proof import Verdict
from imageport.model.target import PROFILES, DiskFormat, Firmware, Target
from lab.guests import LinuxMaster, WindowsMaster, driver_library, export, master
from tests.system.command import imageport, proof_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(
    ("spec", "home", "away"),
    [
        (WindowsMaster(Firmware.BIOS), Target.AHV, Target.AWS),
        (WindowsMaster(Firmware.UEFI), Target.AZURE, Target.GCP),
        (LinuxMaster(Firmware.BIOS), Target.GCP, Target.VSPHERE),
        (LinuxMaster(Firmware.UEFI), Target.AWS, Target.AHV),
    ],
    ids=str,
)
def test_boots_at_home_again(
    tmp_path: Path, spec: WindowsMaster | LinuxMaster, home: Target, away: Target
) -> None:
    source = tmp_path / "master.qcow2"
    export(master(spec), source, DiskFormat.QCOW2)
    drivers = driver_library(tmp_path / "drivers")
    for number, target in enumerate((home, away, home)):
        output = tmp_path / f"{number}.{PROFILES[target].format}"
        done = imageport(
            *("migrate", source, "--to", target, "--output", output, "--json", "--no-untouched"),
            *(("--drivers", drivers) if isinstance(spec, WindowsMaster) else ()),
            seconds=1500,
        )
        proof = proof_of(done)
        assert proof["boot"]["verdict"] == Verdict.BOOTS
        assert proof["first_boot"]["complete"]
        assert [check for check in proof["checks_after_boot"] if not check["passed"]] == []
        source.unlink()
        source = output
