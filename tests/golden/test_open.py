"""Finding and mounting on real file systems, through loop devices (needs root)."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imageport.guest.errors import (
    BitLockerError,
    CommandError,
    DirtyNtfsError,
    GuestError,
    HibernatedError,
    LuksError,
    NoOperatingSystemError,
    SeveralOperatingSystemsError,
)
from imageport.guest.linux.chroot import Chroot
from imageport.guest.mount import open_volumes
from imageport.guest.mounting import mounted
from imageport.guest.volumes import probe
from imageport.guest.windows import ntfs
from imageport.model.guest import OsFamily, Volume
from imageport.model.target import Firmware
from tests.golden.host_disk import run
from tests.golden.trees import debian_tree

SIZE = 32 << 20


class Disk:
    """Volumes in files of their own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.volumes: list[Volume] = []

    def add(self, content: bytes = b"") -> Path:
        file = self.folder / f"volume-{len(self.volumes)}"
        with file.open("wb") as stream:
            stream.write(content)
            stream.truncate(SIZE)
        return file

    def attach(self, file: Path) -> Volume:
        device = run("losetup", "-f", "--show", file).strip()
        self.stack.callback(run, "losetup", "-d", device)
        volume = probe(device, number=len(self.volumes) + 1, offset=0, size=SIZE)
        self.volumes.append(volume)
        return volume

    def ext4(self, tree: Path) -> Volume:
        file = self.add()
        run("mkfs.ext4", "-q", "-d", tree, file)
        return self.attach(file)

    def ntfs(self, *, windows: bool = True, memory: bytes | None = None) -> Volume:
        file = self.add()
        run("mkntfs", "-Q", "-F", "-q", "-L", "Windows", file)
        volume = self.attach(file)
        with mounted(volume, self.folder / "fill", writable=True) as place:
            if windows:
                (place / "Windows/System32/config").mkdir(parents=True)
                (place / "Windows/System32/config/SYSTEM").touch()
            if memory is not None:
                (place / "hiberfil.sys").write_bytes(memory)
        return volume


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with ExitStack() as stack:
        yield Disk(tmp_path, stack)


@pytest.fixture(autouse=True)
def _own_mount_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `leftovers` does not see what other tests have mounted at the same time."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def leftovers() -> list[str]:
    here = tempfile.gettempdir()
    return [line for line in Path("/proc/mounts").read_text().splitlines() if here in line]


def refused(disk: Disk, error: type[GuestError]) -> GuestError:
    with pytest.raises(error) as caught, open_volumes("disk", disk.volumes, writable=True):
        pytest.fail("it was opened")
    assert leftovers() == []
    assert caught.value.advice
    return caught.value


def test_linux_opens_and_closes(disk: Disk, tmp_path: Path) -> None:
    debian_tree(tmp_path / "tree", firmware=Firmware.BIOS)
    volume = disk.ext4(tmp_path / "tree")
    assert volume.kind == "ext4"
    with open_volumes("disk", disk.volumes, writable=False) as guest:
        assert guest.family is OsFamily.LINUX
        assert guest.firmware is Firmware.BIOS
        assert guest.find("/etc/os-release")
        with pytest.raises(OSError, match="Read-only"):
            (guest.root / "new").touch()
    assert leftovers() == []
    with open_volumes("disk", disk.volumes, writable=True) as guest:
        (guest.root / "new").touch()
    with open_volumes("disk", disk.volumes, writable=False) as guest:
        assert (guest.root / "new").exists()


def test_reading_writes_nothing(disk: Disk, tmp_path: Path) -> None:
    debian_tree(tmp_path / "tree", firmware=Firmware.BIOS)
    disk.ext4(tmp_path / "tree")
    disk.ntfs(windows=False)
    before = [(tmp_path / f"volume-{n}").read_bytes() for n in range(2)]
    with open_volumes("disk", disk.volumes, writable=False) as guest:
        assert guest.family is OsFamily.LINUX
    after = [(tmp_path / f"volume-{n}").read_bytes() for n in range(2)]
    assert before == after


def test_unmounted_after_an_error(disk: Disk, tmp_path: Path) -> None:
    debian_tree(tmp_path / "tree", firmware=Firmware.BIOS)
    disk.ext4(tmp_path / "tree")
    with (
        pytest.raises(RuntimeError, match="inside"),
        open_volumes("disk", disk.volumes, writable=True) as guest,
        Chroot(guest) as chroot,
    ):
        (guest.root / "usr/bin/true").symlink_to("sh")
        with pytest.raises(CommandError):
            chroot.run(["/no/such/program"])
        assert (guest.root / "usr/sbin/policy-rc.d").exists()
        raise RuntimeError("inside")
    assert leftovers() == []
    with open_volumes("disk", disk.volumes, writable=False) as guest:
        assert not (guest.root / "usr/sbin/policy-rc.d").exists()


def test_windows_opens(disk: Disk) -> None:
    volume = disk.ntfs()
    assert volume.kind == "ntfs"
    assert not ntfs.is_dirty(volume.device)
    with open_volumes("disk", disk.volumes, writable=True) as guest:
        assert guest.family is OsFamily.WINDOWS
        assert guest.find(r"windows\system32\CONFIG\system")
        assert guest.boot == guest.root
    assert leftovers() == []


@pytest.mark.parametrize("header", [b"HIBR", b"hibr"])
def test_hibernated_windows(disk: Disk, header: bytes) -> None:
    disk.ntfs(memory=header.ljust(8192, b"\0"))
    refused(disk, HibernatedError)


def test_windows_that_woke_up_is_no_hibernated_one(disk: Disk) -> None:
    disk.ntfs(memory=b"wake".ljust(8192, b"\0"))
    with open_volumes("disk", disk.volumes, writable=False) as guest:
        assert guest.family is OsFamily.WINDOWS


def test_dirty_volume(disk: Disk) -> None:
    volume = disk.ntfs()
    set_dirty(Path(volume.device))
    assert ntfs.is_dirty(volume.device)
    assert volume.device in refused(disk, DirtyNtfsError).message


def set_dirty(device: Path) -> None:
    """Set bit 0 of $VOLUME_INFORMATION's flags in record 3 of the MFT and of its mirror."""
    with device.open("r+b") as file:
        boot = file.read(512)
        cluster = struct.unpack_from("<H", boot, 11)[0] * boot[13]
        for table in struct.unpack_from("<QQ", boot, 0x30):
            place = table * cluster + 3 * 1024
            file.seek(place)
            record = bytearray(file.read(1024))
            at = struct.unpack_from("<H", record, 0x14)[0]
            while struct.unpack_from("<I", record, at)[0] != 0x70:
                at += struct.unpack_from("<I", record, at + 4)[0]
            content = at + struct.unpack_from("<H", record, at + 0x14)[0]
            record[content + 10] |= 1
            file.seek(place)
            file.write(record)


def test_nothing_inside(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    disk.ext4(tmp_path / "empty")
    disk.ntfs(windows=False)
    assert "partition 1: ext4, partition 2: ntfs" in refused(disk, NoOperatingSystemError).message


def test_no_volumes(disk: Disk) -> None:
    assert "no partitions" in refused(disk, NoOperatingSystemError).message


def test_two_systems(disk: Disk, tmp_path: Path) -> None:
    debian_tree(tmp_path / "tree", firmware=Firmware.BIOS)
    disk.ext4(tmp_path / "tree")
    disk.ntfs()
    refused(disk, SeveralOperatingSystemsError)


def test_encrypted_and_volume_groups(disk: Disk, tmp_path: Path) -> None:
    volume = Volume("/dev/sdb1", 1, 0, SIZE, "bitlocker")
    for kind, error in (("bitlocker", BitLockerError), ("luks", LuksError)):
        disk.volumes = [Volume(volume.device, 1, 0, SIZE, kind)]
        assert "/dev/sdb1" in refused(disk, error).message
    header = b"LUKS\xba\xbe\x00\x01" + b"aes".ljust(32, b"\0")
    encrypted = disk.add(header.ljust(592, b"\0"))
    disk.volumes = []
    assert disk.attach(encrypted).kind == "luks"


def test_bitlocker_is_recognised(disk: Disk) -> None:
    """The boot sector of an encrypted volume ("BitLocker Drive Encryption format", libbde)."""
    sector = bytearray(512)
    sector[:11] = b"\xeb\x58\x90-FVE-FS-"
    struct.pack_into("<HB", sector, 11, 512, 8)
    sector[160:176] = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
    struct.pack_into("<QQQ", sector, 176, 0x10000, 0x20000, 0x30000)
    sector[510:] = b"\x55\xaa"
    metadata = bytearray(SIZE)
    metadata[:512] = sector
    for place in (0x10000, 0x20000, 0x30000):
        metadata[place : place + 12] = b"-FVE-FS-" + struct.pack("<HH", 64, 2)
    volume = disk.attach(disk.add(bytes(metadata)))
    assert volume.kind == "bitlocker"
    refused(disk, BitLockerError)


def test_missing_program_is_an_error() -> None:
    from imageport.guest.command import run as guest_run  # noqa: PLC0415 - beside its test's twin

    with pytest.raises(CommandError) as caught:
        guest_run(["imageport-no-such-program"])
    assert caught.value.data["status"] == 127
    assert subprocess.run(["true"], check=False).returncode == 0
