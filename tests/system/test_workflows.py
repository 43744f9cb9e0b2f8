"""The four workflows, from one request each and chained: a real share between, machines that boot.

The jobs are those of Citrix's service: W1 MCS to MCS, W2 PVS to MCS, W3 PVS to PVS, W4 MCS to PVS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imageport.disk.child import create_child
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.jobs.proof import check_proof
from imageport.model.target import DiskFormat, Firmware
from lab.guests import LinuxMaster, MbrLayout, WindowsMaster, driver_library, export, master
from lab.guests.citrix_installers import pvs_installer
from tests.contract.ends.samba import Samba
from tests.system.command import assert_home_is_empty, sha256
from tests.system.serving import Service, add_share, finished, log_in
from tests.system.test_upgrade_pvs import VDISK_UEFI

pytestmark = pytest.mark.timeout(3000)

WINDOWS = WindowsMaster(Firmware.UEFI)
LINUX = LinuxMaster(Firmware.BIOS)
slow = pytest.mark.slow


@dataclass(frozen=True)
class Site:
    """A service with its connector, the folder of its platform's disks, and a share."""

    samba: Samba
    images: Path

    def share(self, which: str, name: str) -> tuple[str, ...]:
        """The fields of an input or an output on the share."""
        place = f"smb://127.0.0.1:{self.samba.port}/data/"
        return (
            f"{which}StorageLocation.location={place}",
            f"{which}StorageLocation.credentialId=share",
            f"{which}ImageFilename={name}",
        )

    def export(self, source: str, name: str) -> str:
        """To the share; the content's root hash."""
        done = finished("export", f"sourceDiskName={source}", *self.share("output", name))
        return str(done["result"]["root"])

    def upload(self, name: str, disk: str) -> str:
        """From the share; the same."""
        done = finished("upload", *self.share("input", name), f"outputDiskName={disk}")
        return str(done["result"]["root"])

    def prepare(self, target: str, *more: str) -> dict[str, Any]:
        """The proof of an image that was prepared and has booted."""
        wish = ("driverLibrary=drivers", f"targetPlatform={target}", "tryUntouched=false")
        done = finished("prepare", *wish, *more)
        return booted(done["result"])

    def on_share(self, name: str) -> str:
        """Root hash of an image on the share, read here."""
        with open_disk(self.samba.data / name) as reader:
            return tree_hash(reader).root.hex()


def booted(proof: dict[str, Any]) -> dict[str, Any]:
    assert proof["boot"]["verdict"] == "boots"
    assert proof["first_boot"]["complete"]
    assert all(check["passed"] for check in proof["checks_after_boot"])
    return proof


@pytest.fixture
def site(own_home: Path, tmp_path: Path) -> Iterator[Site]:
    images = tmp_path / "images"
    images.mkdir()
    driver_library(images / "drivers")
    with ExitStack() as ending:
        samba = Samba(tmp_path / "samba")
        ending.callback(samba.kill)
        service = Service(images, tmp_path / "serve.log")
        ending.callback(service.kill)
        log_in(service, tmp_path, service.first["administrator"]["secret"])
        add_share(samba, tmp_path)
        yield Site(samba, images)
        service.stop()
        assert_home_is_empty(own_home)


@slow
@pytest.mark.parametrize("spec", [WINDOWS, LINUX], ids=["windows", "linux"])
def test_w1_mcs_to_mcs(site: Site, spec: WindowsMaster | LinuxMaster) -> None:
    export(master(spec), site.images / "machine.vmdk", DiskFormat.VMDK)
    root = site.export("machine.vmdk", "golden")
    assert site.upload("golden", "uploaded.raw") == root
    proof = site.prepare("Aws", "targetDiskName=uploaded.raw", "outputDiskName=ready.raw")
    assert proof["source"]["root"] == root
    assert check_proof(site.images / "ready.raw")


@slow
@pytest.mark.parametrize("spec", [WINDOWS, LINUX], ids=["windows", "linux"])
def test_w2_pvs_to_mcs(site: Site, spec: WindowsMaster | LinuxMaster) -> None:
    """The vDisk is the second version of one; it is prepared straight from the store, too."""
    base, version = site.samba.data / "win.vhdx", site.samba.data / "win.1.avhdx"
    export(master(spec), base, DiskFormat.VHDX)
    child = create_child(version, base, DiskFormat.VHDX)
    with open_disk(base) as reader:
        child.write(reader.size - 4096, memoryview(b"second v" * 512))
    child.finish()
    root = site.on_share(version.name)
    assert site.upload("win.1.avhdx", "uploaded.raw") == root
    proof = site.prepare("Nutanix", "targetDiskName=uploaded.raw", "outputDiskName=one.qcow2")
    assert proof["source"]["root"] == root
    straight = site.prepare(
        "Nutanix", *site.share("input", "win.1.avhdx"), "outputDiskName=two.qcow2"
    )
    assert straight["source"]["root"] == root
    assert straight["preparation"]["changes"] == proof["preparation"]["changes"]


@pytest.mark.parametrize(
    "spec", [WINDOWS, pytest.param(LINUX, marks=slow)], ids=["windows", "linux"]
)
def test_w3_pvs_to_pvs(site: Site, spec: WindowsMaster | LinuxMaster) -> None:
    """One engine prepares and publishes; the disk comes back from the store as it went there."""
    export(master(spec), site.samba.data / "win.vhdx", DiskFormat.VHDX)
    root = site.on_share("win.vhdx")
    assert site.upload("win", "uploaded.raw") == root
    done = finished(
        "prepareAndPublish",
        *("targetDiskName=uploaded.raw", "provisioningType=Pvs", "targetPlatform=vSphere"),
        *("driverLibrary=drivers", "tryUntouched=false"),
        *site.share("output", "published"),
    )
    proof = booted(done["result"])
    assert proof["source"]["root"] == root
    assert proof["output"]["format"] == "vhdx"
    assert site.on_share("published.vhdx") == proof["output"]["root"]
    assert site.samba.names() == ["published.vhdx", "published.vhdx.proof.zip", "win.vhdx"]
    assert check_proof(site.samba.data / "published.vhdx.proof.zip")
    back = finished("reverseImage", *site.share("input", "published"), "outputDiskName=back.vhdx")
    assert back["result"]["root"] == proof["output"]["root"]
    again = finished("publish", "sourceDiskName=back.vhdx", *site.share("output", "again"))
    assert again["result"]["root"] == proof["output"]["root"]


@slow
@pytest.mark.parametrize("spec", [WINDOWS, LINUX], ids=["windows", "linux"])
def test_w4_mcs_to_pvs(site: Site, spec: WindowsMaster | LinuxMaster) -> None:
    export(master(spec), site.images / "machine.qcow2", DiskFormat.QCOW2)
    root = site.export("machine.qcow2", "golden")
    assert site.upload("golden", "uploaded.raw") == root
    wish = ("targetDiskName=uploaded.raw", "provisioningType=Pvs", "outputDiskName=ready.vmdk")
    proof = site.prepare("vSphere", *wish)
    assert proof["source"]["root"] == root
    published = finished(
        "publish",
        *("sourceDiskName=ready.vmdk", "outputImageFormat=VhdDiskFormat", "hashDisk=true"),
        *site.share("output", "vdisk"),
    )
    assert published["result"]["root"] == proof["output"]["root"]
    assert len(published["result"]["md5"]) == 32


@slow
def test_one_image_to_six_targets_of_which_one_fails(site: Site, tmp_path: Path) -> None:
    export(master(LINUX), site.samba.data / "golden.vhdx", DiskFormat.VHDX)
    (site.images / "taken.raw").touch()
    outputs = {
        "Azure": "azure.vhd",
        "Gcp": "taken.raw",
        "vSphere": "vsphere.vmdk",
        "XenServer": "xen.vhd",
        "Nutanix": "ahv.qcow2",
        "Aws": "aws.raw",
    }
    wishes = [
        {"targetPlatform": target, "outputDiskName": output, "tryUntouched": False}
        for target, output in outputs.items()
    ]
    request = tmp_path / "request.json"
    first, *others = wishes
    request.write_text(json.dumps(first | {"additionalTargets": others}))
    job = finished("migrate", *site.share("input", "golden"), str(request), code=1)
    assert job["error"]["code"] == "job.targets-failed"
    results = {each["output"].rpartition("/")[2]: each for each in job["result"]["targets"]}
    assert results.pop("taken.raw")["error"]["code"] == "job.output-exists"
    root = site.on_share("golden.vhdx")
    for name, each in results.items():
        assert booted(each["proof"])["source"]["root"] == root
        assert check_proof(site.images / name)
    (site.images / "taken.raw").unlink()
    before = {name: (site.images / name).stat().st_mtime_ns for name in results}
    failed = (f"{name}={value}" for name, value in wishes[1].items())
    done = finished("migrate", *site.share("input", "golden"), *failed)
    assert booted(done["result"])["source"]["root"] == root
    assert before == {name: (site.images / name).stat().st_mtime_ns for name in results}


@slow
def test_versions_of_a_vdisk_on_a_share(site: Site) -> None:
    """Converted in the store: a child there, whose parent nobody has written to, and it starts."""
    vdisk = site.samba.data / "win.vhdx"
    layout = WindowsMaster(Firmware.BIOS, layout=MbrLayout.RESERVED, uefi_loaders=True)
    export(master(layout), vdisk, DiskFormat.VHDX)
    before = sha256(vdisk)
    job = finished("convertToUefi", *site.share("input", "win"), "outputImageFilename=win.1")
    assert job["result"]["output"]["root"] == site.on_share("win.1.avhdx")
    assert sha256(vdisk) == before
    assert site.samba.names() == ["win.1.avhdx", "win.1.avhdx.proof.zip", "win.vhdx"]
    back = finished("reverseImage", *site.share("input", "win.1.avhdx"), "outputDiskName=back.vmdk")
    assert back["result"]["root"] == job["result"]["output"]["root"]
    proof = site.prepare("Nutanix", "targetDiskName=back.vmdk", "outputDiskName=uefi.qcow2")
    assert proof["boot"]["firmware"] == "uefi"


@slow
def test_a_target_device_is_upgraded_on_a_share(site: Site) -> None:
    vdisk = site.samba.data / "win.vhdx"
    export(master(VDISK_UEFI), vdisk, DiskFormat.VHDX)
    before = sha256(vdisk)
    pvs_installer(site.images / "citrix", "7.41.100")
    wish = ("installPvs=2402", "componentSource=citrix", "outputImageFilename=win.1")
    job = finished("upgradePvs", *site.share("input", "win"), *wish)
    booted(job["result"])
    assert sha256(vdisk) == before
    assert site.on_share("win.1.avhdx") == job["result"]["output"]["root"]
    again = ("installPvs=2402", "componentSource=citrix", "outputImageFilename=win.2")
    job = finished("upgradePvs", *site.share("input", "win.1.avhdx"), *again)
    assert job["result"]["nothing_to_do"]["code"] == "job.nothing-to-do"
    assert site.samba.names() == ["win.1.avhdx", "win.1.avhdx.proof.zip", "win.vhdx"]


@slow
def test_diagnostics_of_a_disk_on_a_share(site: Site) -> None:
    export(master(LINUX), site.samba.data / "golden.vhdx", DiskFormat.VHDX)
    output = [
        f"output{field}"
        for field in (
            f"StorageLocation.location=smb://127.0.0.1:{site.samba.port}/data/",
            "StorageLocation.credentialId=share",
        )
    ]
    job = finished("diagnostics", *site.share("input", "golden"), *output)
    (folder,) = (name for name in site.samba.names() if "-diagnostics-" in name)
    assert job["result"]["folder"].endswith(folder)
    assert "Debian" in (site.samba.data / folder / "summary.txt").read_text()
