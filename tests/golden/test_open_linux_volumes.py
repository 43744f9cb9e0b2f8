"""btrfs subvolumes, XFS and volume groups as the roots of Linux guests, through loop devices.

The kernel of a test's machine need not have a device mapper: that volume groups are opened, and
closed again, is seen in the engine by `tests/system`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from imageport.guest import lvm
from imageport.guest.errors import DirtyXfsError, LvmError, NoOperatingSystemError
from imageport.guest.inspect import inspect
from imageport.guest.mount import open_volumes
from imageport.guest.volumes import probe
from imageport.model.guest import Volume
from imageport.model.target import Firmware
from tests.golden.host_disk import run
from tests.golden.trees import debian_tree

SIZE = 320 << 20
_LVM = (
    "--driverloaded=n",
    "--config=devices{obtain_device_list_from_udev=0 use_devicesfile=0} "
    "backup{backup=0 archive=0} activation{udev_sync=0 udev_rules=0 monitoring=0}",
)


@pytest.fixture(autouse=True)
def _own_mount_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def sparse(place: Path) -> Path:
    with place.open("wb") as file:
        file.truncate(SIZE)
    return place


@contextmanager
def attached(*files: Path) -> Iterator[tuple[Volume, ...]]:
    with ExitStack() as stack:
        found = []
        for number, file in enumerate(files, 1):
            device = run("losetup", "-f", "--show", file).strip()
            stack.callback(run, "losetup", "-d", device)
            found.append(probe(device, number=number, offset=0, size=SIZE))
        yield tuple(found)


@contextmanager
def mounted_for_writing(file: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    run("mount", "-o", "loop", file, place)
    try:
        yield place
    finally:
        run("umount", place)


def tree(folder: Path, table: str) -> Path:
    debian_tree(folder, firmware=Firmware.BIOS)
    (folder / "etc/fstab").write_text(table)
    return folder


def btrfs(tmp_path: Path, system: str, table: str, *others: str, default: str = "") -> Path:
    """A btrfs with a system in the subvolume `system`, and empty subvolumes `others`."""
    file = sparse(tmp_path / "btrfs")
    run("mkfs.btrfs", "-q", file)
    source = tree(tmp_path / "tree", table)
    with mounted_for_writing(file, tmp_path / "fill") as top:
        for name in (*others, system):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            run("btrfs", "subvolume", "create", top / name)
        run("cp", "-a", f"{source}/.", top / system)
        if default:
            run("btrfs", "subvolume", "set-default", top / default)
    return file


def test_btrfs_by_the_name_in_its_fstab(tmp_path: Path) -> None:
    table = (
        "/dev/sda1 / btrfs defaults,subvol=@ 0 0\n"
        "/dev/sda1 /var btrfs defaults,subvol=/@var 0 0\n"
        "/dev/sda1 /home btrfs defaults,subvol=@home 0 0\n"
    )
    file = btrfs(tmp_path, "@", table, "@var", "@home")
    with attached(file) as volumes:
        with open_volumes("disk", volumes, writable=True) as guest:
            assert guest.root_options == ("subvol=@",)
            assert guest.find("/etc/os-release")
            (guest.root / "var/lib").mkdir(parents=True)
            (guest.root / "var/lib/new").touch()
            assert not guest.root.joinpath("home").exists(), "no part of the system"
            assert inspect(guest).volumes[0].free
        with open_volumes("disk", volumes, writable=False) as guest:
            assert (guest.root / "var/lib/new").exists()
            with pytest.raises(OSError, match="Read-only"):
                (guest.root / "new").touch()
    with mounted_for_writing(file, tmp_path / "fill") as top:
        assert (top / "@var/lib/new").exists()
        assert not (top / "@/var/lib/new").exists()


def test_btrfs_with_a_default_subvolume(tmp_path: Path) -> None:
    """SUSE's: fstab names none, and a rollback would have left an older system behind."""
    snapshot = "@/.snapshots/1/snapshot"
    file = btrfs(tmp_path, snapshot, "UUID=x / btrfs defaults 0 0\n", "@", default=snapshot)
    with attached(file) as volumes, open_volumes("disk", volumes, writable=False) as guest:
        assert guest.root_options == ()
        assert guest.find("/etc/os-release")


def test_btrfs_that_only_the_boot_loader_names(tmp_path: Path) -> None:
    file = btrfs(tmp_path, "root", "UUID=x /home btrfs subvol=home 0 0\n", "home")
    with attached(file) as volumes, open_volumes("disk", volumes, writable=False) as guest:
        assert guest.root_options == ("subvol=root",)


def test_btrfs_without_a_system(tmp_path: Path) -> None:
    file = sparse(tmp_path / "btrfs")
    run("mkfs.btrfs", "-q", file)
    with (
        attached(file) as volumes,
        pytest.raises(NoOperatingSystemError, match="partition 1: btrfs"),
        open_volumes("disk", volumes, writable=False),
    ):
        pytest.fail("it was opened")


def test_xfs_and_its_log(tmp_path: Path) -> None:
    file = sparse(tmp_path / "xfs")
    run("mkfs.xfs", "-q", file)
    source = tree(tmp_path / "tree", "/dev/sda1 / xfs defaults 0 0\n")
    dirty = tmp_path / "dirty"
    with mounted_for_writing(file, tmp_path / "fill") as root:
        run("cp", "-a", f"{source}/.", root)
        (root / "late").touch()
        run("sync", "-f", root)
        (root / "later").touch()
        run("sync", root / "later")
        run("cp", "--sparse=always", file, dirty)
    with attached(file) as volumes:
        with open_volumes("disk", volumes, writable=True) as guest:
            (guest.root / "new").touch()
        with open_volumes("disk", volumes, writable=False) as guest:
            assert (guest.root / "new").exists()
    before = dirty.read_bytes()
    with (
        attached(dirty) as volumes,
        pytest.raises(DirtyXfsError, match="log is not empty"),
        open_volumes("disk", volumes, writable=True),
    ):
        pytest.fail("it was opened")
    assert dirty.read_bytes() == before


def test_parts_on_volumes_of_their_own(tmp_path: Path) -> None:
    """/usr and /var apart, as hardening guides want it: the root alone has no /usr/lib."""
    table = "/dev/sda1 / ext4 x 0 1\n/dev/sda3 /var ext4 x 0 2\n/dev/sda2 /usr ext4 x 0 2\n"
    source = tree(tmp_path / "tree", table)
    (source / "etc/os-release").unlink()
    (source / "etc/os-release").symlink_to("../usr/lib/os-release")
    (source / "usr/lib/os-release").write_text("ID=debian\n")
    files = []
    for name in ("usr", "var"):
        files.append(sparse(tmp_path / f"{name}.ext4"))
        run("mkfs.ext4", "-q", "-d", source / name, files[-1])
        run("rm", "-r", source / name)
        (source / name).mkdir()
    whole = sparse(tmp_path / "root.ext4")
    run("mkfs.ext4", "-q", "-d", source, whole)
    with attached(whole, *files) as volumes:
        with open_volumes("disk", volumes, writable=True) as guest:
            assert guest.device == volumes[0].device
            assert dict(guest.parts) == {
                volumes[1].device: guest.root / "usr",
                volumes[2].device: guest.root / "var",
            }
            inspection = inspect(guest)
            assert all(volume.free for volume in inspection.volumes)
            assert inspection.linux is not None
            assert inspection.linux.kernels, "in /usr/lib/modules"
        assert "imageport-guest-" not in Path("/proc/mounts").read_text()


def group(volumes: tuple[Volume, ...], name: str, *members: Volume) -> None:
    devices = [each.device for each in (members or volumes)]
    options = (*_LVM, f"--devices={','.join(devices)}")
    run("pvcreate", "-q", *options, *devices)
    run("vgcreate", "-q", *options, name, *devices)
    plain = ("-an", "-Zn", "-Wn", "-l", "100%FREE", "-n", "root")
    run("lvcreate", "-q", *options, *plain, name)


def again(volumes: tuple[Volume, ...]) -> tuple[Volume, ...]:
    return tuple(probe(v.device, number=v.number, offset=0, size=SIZE) for v in volumes)


def test_two_groups_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [sparse(tmp_path / name) for name in ("one", "two")]
    with attached(*files) as volumes:
        for volume in volumes:
            group(volumes, "same", volume)
        found = again(volumes)
        assert [volume.kind for volume in found] == ["lvm", "lvm"]
        with (
            pytest.raises(LvmError, match="2 different groups have this name"),
            open_volumes("disk", found, writable=True),
        ):
            pytest.fail("it was opened")


def test_a_group_that_lies_on_another_disk_too_is_refused(tmp_path: Path) -> None:
    files = [sparse(tmp_path / name) for name in ("one", "two")]
    with attached(*files) as volumes:
        group(volumes, "wide")
        one, _ = again(volumes)
        before = files[0].read_bytes()
        with (
            pytest.raises(LvmError, match=r"wide on .*: 1 of its physical volumes"),
            open_volumes("disk", [one], writable=True),
        ):
            pytest.fail("it was opened")
        assert files[0].read_bytes() == before
        with lvm.activated([one], writable=False) as logical:
            assert logical == ()


def test_a_damaged_group_is_refused(tmp_path: Path) -> None:
    file = sparse(tmp_path / "one")
    with attached(file) as volumes:
        group(volumes, "torn")
        with file.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xff" * 65536)
        with (
            pytest.raises((LvmError, NoOperatingSystemError)),
            open_volumes("disk", again(volumes), writable=True),
        ):
            pytest.fail("it was opened")
