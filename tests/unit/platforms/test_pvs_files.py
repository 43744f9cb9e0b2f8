"""Names, manifests and properties of vDisks."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from imageport.model.target import DiskFormat
from imageport.platforms.pvs.errors import ManifestUnreadable, NameRefused, StoreError
from imageport.platforms.pvs.manifest import Access, Origin, VersionManifest
from imageport.platforms.pvs.names import check_name, parse
from imageport.platforms.pvs.properties import SIZE, Mode, mode_of
from imageport.platforms.pvs.store import images_of

VERSION = """<version><versionNumber>{}</versionNumber><description>a &amp; b</description>
<type>{}</type><access>{}</access><createDate>2024-01-02 03:04:05</createDate><scheduledDate/>
<deleteWhenFree>0</deleteWhenFree><diskFileName>{}</diskFileName><size>{}</size>
<lastWriteTime>2024-01-02T03:04:05</lastWriteTime></version>"""
HEAD = '<?xml version="1.0" encoding="utf-8"?><versionManifest><startingVersion>0</startingVersion>'


def manifest(*versions: tuple[object, ...]) -> bytes:
    body = "".join(VERSION.format(*version) for version in versions)
    return f"{HEAD}{body}</versionManifest>".encode("utf-8-sig")


class TestNames:
    @pytest.mark.parametrize(
        ("file", "vdisk", "number", "child", "form"),
        [
            ("win.vhdx", "win", 0, False, DiskFormat.VHDX),
            ("win.1.avhdx", "win", 1, True, DiskFormat.VHDX),
            ("Win 10.12.AVHD", "Win 10", 12, True, DiskFormat.VHD),
            ("win.2.vhdx", "win", 2, False, DiskFormat.VHDX),
            ("win.x.3.vhd", "win.x", 3, False, DiskFormat.VHD),
            ("win.0.vhdx", "win.0", 0, False, DiskFormat.VHDX),
            ("1.vhd", "1", 0, False, DiskFormat.VHD),
        ],
    )
    def test_parts(self, file: str, vdisk: str, number: int, child: bool, form: DiskFormat) -> None:
        image = parse(file)
        assert image is not None
        assert (image.vdisk, image.number, image.child) == (vdisk, number, child)
        assert image.format is form

    @pytest.mark.parametrize("file", ["win.pvp", "win.xml", "win.vhdx.unproven", ".vhdx", "win"])
    def test_other_files(self, file: str) -> None:
        assert parse(file) is None

    def test_sidecars(self) -> None:
        image = parse("win.2.avhdx")
        assert image is not None
        assert (image.lock, image.properties) == ("win.2.lok", "win.2.pvp")

    def test_versions_of_a_vdisk_called_like_a_version(self) -> None:
        names = ["srv.2019.vhdx", "srv.2019.1.avhdx", "srv.2019.pvp", "srv.vhdx", "other.vhdx"]
        files = dict.fromkeys(names, 1)
        found = [(image.number, image.file) for image in images_of("srv.2019", files)]
        assert found == [(0, "srv.2019.vhdx"), (1, "srv.2019.1.avhdx")]
        assert [image.file for image in images_of("SRV", files)] == ["srv.vhdx", "srv.2019.vhdx"]

    @pytest.mark.parametrize("name", ["win", "Win 11-24H2_v2", "a" * 52, "win.gold"])
    def test_good_names(self, name: str) -> None:
        check_name(name)

    @pytest.mark.parametrize(
        "name",
        (
            *("", "a" * 53, "wín", "a/b", "a\\b", "a:b", "a*", "con", "LPT1.x", "win.", " win"),
            *("win.3", "win.vhdx", "win.lok", "win\n", "../win"),
        ),
    )
    def test_bad_names(self, name: str) -> None:
        with pytest.raises(NameRefused):
            check_name(name)


class TestManifest:
    def test_versions(self) -> None:
        data = manifest((1, 1, 1, "win.1.avhdx", 512), (0, 0, 0, "win.vhdx", 1024))
        found = VersionManifest.parse("win.xml", data)
        assert [entry.number for entry in found.entries] == [0, 1]
        assert found.newest == 1
        base, child = found.entries
        assert (base.file, base.size, base.origin) == ("win.vhdx", 1024, Origin.BASE)
        assert (child.access, child.origin) == (Access.MAINTENANCE, Origin.MANUAL)
        assert found.entry(2) is None

    def test_what_is_not_known_is_none(self) -> None:
        data = manifest((0, 77, "", "win.vhdx", ""))
        (entry,) = VersionManifest.parse("win.xml", data).entries
        assert (entry.origin, entry.access, entry.size) == (None, None, None)

    def test_utf_16(self) -> None:
        text = manifest((0, 0, 0, "win.vhdx", 1)).decode("utf-8-sig").replace("utf-8", "utf-16")
        assert VersionManifest.parse("win.xml", text.encode("utf-16")).newest == 0

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"win",
            b"<other/>",
            b"<versionManifest/>",
            manifest((1, 1, 1, "win.1.avhdx", 1), (1, 1, 1, "win.1.avhdx", 1)),
            manifest(("x", 1, 1, "win.1.avhdx", 1)),
            manifest(("", 1, 1, "win.1.avhdx", 1)),
            manifest((1, 1, 1, "..\\win.1.avhdx", 1)),
            manifest((1, 1, 1, "", 1)),
            manifest((0, 0, 0, "win.vhdx", -1)),
            b'<!DOCTYPE x [<!ENTITY a "aaaa">]><versionManifest>&a;</versionManifest>',
        ],
    )
    def test_refuses(self, data: bytes) -> None:
        with pytest.raises(ManifestUnreadable) as caught:
            VersionManifest.parse("win.xml", data)
        assert "win.xml" in caught.value.message


class TestProperties:
    @pytest.mark.parametrize(
        ("kind", "mode"),
        [
            (0, Mode.PRIVATE),
            (10, Mode.PRIVATE),
            (1, Mode.STANDARD),
            (9, Mode.STANDARD),
            (12, Mode.STANDARD),
            (2, Mode.UNKNOWN),
            (99, Mode.UNKNOWN),
        ],
    )
    def test_mode(self, kind: int, mode: Mode) -> None:
        data = bytearray(SIZE)
        struct.pack_into("<I", data, 256, kind)
        assert mode_of(bytes(data)) is mode

    def test_another_size_says_nothing(self) -> None:
        assert mode_of(bytes(SIZE - 1)) is Mode.UNKNOWN
        assert mode_of(b"") is Mode.UNKNOWN


def test_codes_are_documented() -> None:
    text = (Path(__file__).parents[3] / "docs/pvs.md").read_text()
    codes = {kind.code for kind in StoreError.__subclasses__()}
    assert set(re.findall(r"`(pvs\.[a-z-]+)`", text)) == codes
