"""ISO images that xorriso makes, read by our own reader; and images that are none."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from imageport.engine.errors import LibraryUnusable
from imageport.engine.library import check_library, driver_file, pack
from imageport.host.errors import IsoInvalid
from imageport.host.iso9660 import Iso
from lab.guests.driver_library import driver_library

FORMS = {"joliet": ("-J",), "joliet-rock-ridge": ("-J", "-R"), "plain": ()}


def iso_of(folder: Path, image: Path, *options: str) -> Path:
    command = ["xorriso", "-as", "mkisofs", *options, "-o", str(image), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return image


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("content")
    driver_library(folder)
    (folder / "empty.inf").touch()
    (folder / "large.sys").write_bytes(random.Random(1).randbytes(3_000_001))
    many = folder / "many"
    many.mkdir()
    for number in range(200):  # a folder of several sectors
        (many / f"file{number:03d}.dll").write_bytes(bytes([number]))
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_every_file_reads_as_it_was(tmp_path: Path, content: Path, form: str) -> None:
    with Iso(iso_of(content, tmp_path / "x.iso", *FORMS[form])) as iso:
        seen = {
            file.path.casefold(): hashlib.sha256(b"".join(iso.read(file))).hexdigest()
            for file in iso.files()
        }
    there = {
        path.relative_to(content).as_posix().casefold(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in content.rglob("*")
        if path.is_file()
    }
    assert len(there) > 200
    assert seen == there


def test_a_library_is_the_same_from_a_folder_and_from_an_image(
    tmp_path: Path, content: Path
) -> None:
    lock = "# ours\n"
    image = iso_of(content, tmp_path / "x.iso", "-J")
    (tmp_path / "x.iso.lock").write_text(lock)
    check_library(image)
    from_image, from_folder = packed(image), packed(content)
    assert from_image.pop("drivers.lock") == lock.encode()
    assert from_image == from_folder
    assert "vioscsi/2k22/amd64/vioscsi.sys" in from_folder


def packed(library: Path) -> dict[str, bytes]:
    spool = io.BytesIO()
    pack(library, spool, driver_file)
    spool.seek(0)
    with tarfile.open(fileobj=spool) as archive:
        found = ((member.name, archive.extractfile(member)) for member in archive)
        return {name: file.read() for name, file in found if file}


def test_what_no_windows_for_x64_needs_is_not_sent() -> None:
    assert driver_file("vioscsi/2k22/amd64/vioscsi.inf")
    assert driver_file("managementagent-x64.msi")
    assert driver_file("drivers.lock")
    assert not driver_file("vioscsi/2k22/x86/vioscsi.inf")
    assert not driver_file("vioscsi/2k22/ARM64/vioscsi.inf")
    assert not driver_file("vioscsi/2k22/amd64/vioscsi.pdb")


def test_damage_is_refused_and_never_hangs(tmp_path: Path, content: Path) -> None:
    image = iso_of(content, tmp_path / "x.iso", "-J").read_bytes()
    damaged = tmp_path / "damaged.iso"
    chance = random.Random(7)
    refused = 0
    for _ in range(300):
        copy = bytearray(image[: 400 * 2048])  # descriptors and folders; then it is cut short
        for _ in range(chance.randrange(1, 9)):
            copy[chance.randrange(16 * 2048, 60 * 2048)] = chance.randrange(256)
        damaged.write_bytes(copy)
        try:
            with Iso(damaged) as iso:
                for file in iso.files():
                    assert ".." not in file.path.split("/")
        except IsoInvalid as invalid:
            refused += 1
            assert "damaged.iso" in invalid.message
    assert refused > 250, "what lies behind the cut cannot be read"


@pytest.mark.parametrize("size", [0, 100, 40_000])
def test_no_image(tmp_path: Path, size: int) -> None:
    path = tmp_path / "none.iso"
    path.write_bytes(bytes(size))
    with pytest.raises(IsoInvalid) as caught:
        check_library(path)
    assert caught.value.advice


def test_nothing_to_send(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").touch()
    with pytest.raises(LibraryUnusable):
        check_library(tmp_path)
