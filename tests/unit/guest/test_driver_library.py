from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from imageport.guest.errors import DriverLibraryError
from imageport.guest.windows.driver_library import find, windows_folders
from imageport.model.guest_facts import WindowsFacts
from lab.guests.windows_files import portable_executable

FACTS = WindowsFacts("Windows", "ControlSet001", 20348, True, (), (), (), (), (), ())
IDS = (r"PCI\VEN_1AF4&DEV_1004", r"PCI\VEN_1AF4&DEV_1048")


def add(folder: Path, where: str, ids: str, encoding: str = "latin-1") -> Path:
    place = folder / where
    place.mkdir(parents=True)
    inf = place / "vioscsi.inf"
    inf.write_text(f"%x% = y, {ids}&SUBSYS_00081AF4&REV_00\r\n", encoding=encoding)
    (place / "vioscsi.sys").write_bytes(portable_executable())
    (place / "vioscsi.pdb").write_bytes(b"symbols")
    return inf


@pytest.mark.parametrize(
    ("build", "server", "chosen"),
    [(14393, True, "2k16"), (17763, True, "2k19"), (20348, True, "2k22"), (26100, True, "2k25"),
     (19045, False, "w10"), (22631, False, "w11")],
)  # fmt: skip
def test_release(tmp_path: Path, build: int, server: bool, chosen: str) -> None:
    for name in ("2k12R2", "2k16", "2k19", "2k22", "2k25", "w10", "w11"):
        add(tmp_path, f"vioscsi/{name}/amd64", IDS[0])
        add(tmp_path, f"vioscsi/{name}/x86", IDS[0])
    package = find(str(tmp_path), IDS, replace(FACTS, build=build, server=server))
    assert package is not None
    assert package.inf.parent == tmp_path / f"vioscsi/{chosen}/amd64"
    assert package.driver == package.inf.with_suffix(".sys")
    assert [file.name for file in package.files] == ["vioscsi.inf", "vioscsi.sys"]


def test_older_release_is_good_enough_and_newer_is_not(tmp_path: Path) -> None:
    add(tmp_path, "vioscsi/2k25/amd64", IDS[0])
    assert find(str(tmp_path), IDS, FACTS) is None
    old = add(tmp_path, "vioscsi/2k16/amd64", IDS[0])
    package = find(str(tmp_path), IDS, FACTS)
    assert package is not None
    assert package.inf == old
    assert windows_folders(FACTS) == ("2k22", "2k19", "2k16")


def test_any_folder_and_utf16(tmp_path: Path) -> None:
    inf = add(tmp_path, "my drivers", IDS[1].lower(), "utf-16")
    package = find(str(tmp_path), IDS, FACTS)
    assert package is not None
    assert package.inf == inf


def test_driver_for_another_machine_is_none(tmp_path: Path) -> None:
    inf = add(tmp_path, "x", IDS[0])
    program = bytearray(portable_executable())
    struct.pack_into("<H", program, struct.unpack_from("<I", program, 0x3C)[0] + 4, 0x14C)
    inf.with_suffix(".sys").write_bytes(program)
    package = find(str(tmp_path), IDS, FACTS)
    assert package is not None
    assert package.driver is None


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DriverLibraryError) as caught:
        find(str(tmp_path / "none"), IDS, FACTS)
    assert "virtio-win" in caught.value.advice
