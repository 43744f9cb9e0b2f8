"""What a driver library gives to a guest: which files, pinned how, in whose layout."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from imageport.guest.errors import BlockedError, DriverLockError
from imageport.guest.guest import Guest
from imageport.guest.inspect import inspect
from imageport.guest.plan import findings
from imageport.guest.prepare import prepare
from imageport.guest.windows import driver_library as library_of
from imageport.model.guest import Preparation, PrepareOptions
from imageport.model.guest_facts import WindowsFacts
from imageport.model.target import PROFILES, Target
from lab.guests.driver_library import driver_library
from lab.guests.windows_files import portable_executable
from lab.guests.windows_spec import Tools, WindowsMaster
from tests.golden.trees import windows_tree

FACTS = WindowsFacts("Windows", "ControlSet001", 20348, True, (), (), (), (), (), ())
FILES = "ProgramData/imageport/first-boot/files"


def prepared(guest: Guest, target: Target, library: Path) -> Preparation:
    options = PrepareOptions(drivers=str(library))
    return prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_files_used_are_recorded(tmp_path: Path) -> None:
    library = driver_library(tmp_path / "library")
    done = prepared(windows_tree(tmp_path / "guest", WindowsMaster()), Target.AHV, library)
    assert [file.path for file in done.library] == [
        f"{name}/2k22/amd64/{name}.{end}"
        for name in ("netkvm", "vioscsi")
        for end in ("cat", "inf", "sys")
    ]
    assert all(file.sha256 == digest(library / file.path) for file in done.library)


def test_a_lock_admits_what_it_lists_and_nothing_else(tmp_path: Path) -> None:
    library = driver_library(tmp_path / "library")
    inspection = inspect(windows_tree(tmp_path / "guest", WindowsMaster()))
    options = PrepareOptions(drivers=str(library))

    def codes() -> list[str]:
        found = findings(inspection, PROFILES[Target.AHV], options)
        return [each.code for each in found if "driver" in each.code]

    listed = [path for path in sorted(library.rglob("*.*")) if path.is_file()]
    lines = [f"{digest(path)} *./{path.relative_to(library)}" for path in listed]
    (library / "drivers.lock").write_text("# by sha256sum\n" + "\n".join(lines) + "\n")
    assert codes() == []
    driver = library / "vioscsi/2k22/amd64/vioscsi.sys"
    driver.write_bytes(portable_executable(b"another"))
    assert codes() == ["guest.driver-not-pinned"]
    guest = windows_tree(tmp_path / "refused", WindowsMaster())
    with pytest.raises(BlockedError):
        prepared(guest, Target.AHV, library)
    driver.write_bytes(portable_executable())
    (library / "vioscsi/2k22/amd64/extra.dll").write_bytes(b"unknown")
    assert codes() == ["guest.driver-not-pinned"]


def test_a_lock_of_another_form_is_said(tmp_path: Path) -> None:
    library = driver_library(tmp_path / "library")
    (library / "drivers.lock").write_text("\nvioscsi.sys d41d8cd9\n")
    inspection = inspect(windows_tree(tmp_path / "guest", WindowsMaster()))
    with pytest.raises(DriverLockError) as caught:
        findings(inspection, PROFILES[Target.AHV], PrepareOptions(drivers=str(library)))
    assert caught.value.message.startswith("Line 2 ")


@pytest.mark.parametrize(
    ("where", "build", "server", "fits"),
    [
        ("Drivers/pvscsi/Win10/amd64", 20348, True, True),
        ("Drivers/pvscsi/Win10/amd64", 19045, False, True),
        ("Drivers/pvscsi/Win8/amd64", 20348, True, False),
        ("Drivers/pvscsi/Win10/i386", 20348, True, False),
        ("ENA/2022", 20348, True, True),
        ("ENA/2022", 26100, True, True),
        ("ENA/2025", 20348, True, False),
        ("ENA/2012R2", 20348, True, False),
        ("gvnic/win10.0", 14393, True, True),
        ("gvnic/win6.3", 14393, True, False),
        ("xenvbd/x64", 20348, True, True),
        ("xenvbd/x86", 20348, True, False),
        ("NVMe", 26100, True, True),
    ],
)
def test_layouts_of_vendors(
    tmp_path: Path, where: str, build: int, server: bool, fits: bool
) -> None:
    place = tmp_path / where
    place.mkdir(parents=True)
    (place / "it.inf").write_text(r"%x% = y, PCI\VEN_1D0F&DEV_EC20")
    facts = dataclasses.replace(FACTS, build=build, server=server)
    found = library_of.find(str(tmp_path), (r"PCI\VEN_1D0F&DEV_EC20",), facts)
    assert (found is not None) == fits


def test_its_own_release_is_better_than_one_for_all(tmp_path: Path) -> None:
    for where in ("any", "win10.0", "2019", "2022"):
        (tmp_path / where).mkdir()
        (tmp_path / where / "it.inf").write_text(r"PCI\VEN_1D0F&DEV_EC20")
    chosen = []
    for where in ("2022", "2019", "win10.0", "any"):
        found = library_of.find(str(tmp_path), (r"PCI\VEN_1D0F&DEV_EC20",), FACTS)
        assert found
        chosen.append(found.inf.parent.name)
        (tmp_path / where / "it.inf").unlink()
    assert chosen == ["2022", "2019", "win10.0", "any"]


def test_tools_of_xenserver_come_whole_or_not_at_all(tmp_path: Path) -> None:
    """Its drivers as packages are left alone; its installer waits for the first boot."""
    library = tmp_path / "library"
    place = library / "xennet/x64"
    place.mkdir(parents=True)
    (place / "xennet.inf").write_text(r"%x% = y, XENVIF\VEN_XS0001&DEV_NET")
    (place / "xennet.sys").write_bytes(portable_executable())
    guest = windows_tree(tmp_path / "alone", WindowsMaster())
    assert prepared(guest, Target.XENSERVER, library).library == ()
    (library / "ManagementAgentx64.msi").write_bytes(b"msi")
    guest = windows_tree(tmp_path / "whole", WindowsMaster())
    done = prepared(guest, Target.XENSERVER, library)
    assert [file.path for file in done.library] == ["ManagementAgentx64.msi"]
    assert (guest.root / FILES / "xenserver-tools/setup.msi").read_bytes() == b"msi"
    steps = guest.root / "ProgramData/imageport/first-boot/steps"
    (step,) = (each for each in steps.iterdir() if "install-xenserver-tools" in each.name)
    assert r'msiexec /i "%files%\xenserver-tools\setup.msi" /qn' in step.read_text()
    home = windows_tree(tmp_path / "home", WindowsMaster(tools=Tools.XENSERVER))
    assert prepared(home, Target.XENSERVER, library).library == (), "they are there"
