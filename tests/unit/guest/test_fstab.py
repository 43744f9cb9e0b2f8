from __future__ import annotations

import pytest

from imageport.guest.linux import fstab
from imageport.model.guest import Volume

DEVICES = {"1": "UUID=AAAA-1111", "3": "UUID=root"}


@pytest.mark.parametrize(
    ("source", "root", "number"),
    [
        ("/dev/sda3", "/dev/sda3", 3),
        ("/dev/sda3", "", 3),
        ("/dev/vda12", "UUID=x", 12),
        ("/dev/nvme0n1p2", "", 2),
        ("/dev/xvda1", "/dev/xvda1", 1),
        ("/dev/mmcblk0p1", "", 1),
        ("/dev/sdb1", "/dev/sdb1", 1),
        ("/dev/sdb1", "/dev/sda1", None),
        ("/dev/sdb1", "", None),
        ("/dev/nvme1n1p1", "/dev/nvme0n1p1", None),
        ("UUID=x", "", None),
        ("/dev/mapper/vg-root", "", None),
        ("/dev/disk/by-id/scsi-36000c29-part3", "/dev/disk/by-id/scsi-36000c29-part1", 3),
    ],
)
def test_partition_number(source: str, root: str, number: int | None) -> None:
    assert fstab.partition_number(source, root) == number


def test_stable_keeps_everything_else() -> None:
    text = (
        "# /dev/sda3 in a comment stays\n"
        "/dev/sda3  /      ext4  defaults  0 1\n"
        "UUID=other /home  ext4  defaults  0 2\n"
        "/dev/sda1  /boot/efi vfat umask=0077\n"
        "/dev/sdb1  /data  xfs   noatime,nodev 0 0\n"
        "/dev/sdc1  /more  xfs\n"
        "/dev/sdd1  /off   xfs   noauto 0 0\n"
        "/dev/sr0   /cdrom iso9660 ro,noauto 0 0\n"
        "short\n"
    )
    assert fstab.stable(text, DEVICES) == (
        "# /dev/sda3 in a comment stays\n"
        "UUID=root  /      ext4  defaults  0 1\n"
        "UUID=other /home  ext4  defaults  0 2\n"
        "UUID=AAAA-1111  /boot/efi vfat umask=0077\n"
        "/dev/sdb1  /data  xfs   noatime,nodev,nofail 0 0\n"
        "/dev/sdc1  /more  xfs defaults,nofail\n"
        "/dev/sdd1  /off   xfs   noauto 0 0\n"
        "/dev/sr0   /cdrom iso9660 ro,noauto 0 0\n"
        "short\n"
    )


def test_stable_is_idempotent_and_keeps_a_missing_line_end() -> None:
    once = fstab.stable("/dev/sda3 / ext4 defaults 0 1\n/dev/sdb1 /d xfs defaults 0 0", DEVICES)
    assert fstab.stable(once, DEVICES) == once
    assert not once.endswith("\n")


def test_foreign_and_volume_of() -> None:
    volumes = (
        Volume("/dev/sdb1", 1, 0, 1, "vfat", uuid="AAAA-1111", label="ESP"),
        Volume("/dev/sdb3", 3, 0, 1, "ext4", uuid="root", partition_uuid="pp"),
    )
    text = (
        "/dev/sda3 / ext4 defaults 0 1\nUUID=aaaa-1111 /boot/efi vfat x 0 0\n"
        "LABEL=gone /a xfs defaults 0 0\nPARTUUID=pp /b xfs defaults 0 0\nproc /proc proc x 0 0\n"
        "tmpfs /tmp tmpfs x 0 0\n/dev/sr0 /cd iso9660 x 0 0\nnas:/x /nas nfs x 0 0\n"
    )
    assert [entry.source for entry in fstab.foreign(text, volumes)] == ["LABEL=gone"]
    assert fstab.volume_of("/dev/disk/by-uuid/root", volumes) is volumes[1]
    assert fstab.volume_of('LABEL="esp"', volumes) is volumes[0]
    assert fstab.volume_of("/dev/sdb3", volumes, "/dev/sda3") is None


def test_logical_volumes_have_the_same_names_everywhere() -> None:
    root = Volume("/dev/mapper/a--b-root", 0, 0, 1, "xfs", uuid="r", name="a-b/root")
    for source in ("/dev/mapper/a--b-root", "/dev/a-b/root", "UUID=r", "/dev/disk/by-uuid/r"):
        assert fstab.volume_of(source, (root,)) is root
    assert fstab.volume_of("/dev/a-b/other", (root,)) is None
    assert fstab.volume_of("/dev/sda1", (root,), "/dev/sda1") is None
    text = "/dev/mapper/a--b-root / xfs defaults 0 0\n/dev/a-b/x /x xfs defaults 0 0\n"
    assert fstab.stable(text, DEVICES) == text
    assert [entry.source for entry in fstab.foreign(text, (root,))] == ["/dev/a-b/x"]


def test_swap_is_put_aside_and_comes_back() -> None:
    text = "UUID=r / xfs defaults 0 0\n/swapfile none swap sw 0 0\n# swap\nUUID=s swap swap x 0 0\n"
    without = fstab.with_swap(text, wanted=False)
    assert [entry.kind for entry in fstab.parse(without)] == ["xfs"]
    assert fstab.with_swap(without, wanted=False) == without
    assert fstab.with_swap(without, wanted=True) == text


def test_crypttab() -> None:
    text = "# name /dev/sda3\ndata /dev/sda3 none luks\nmore  /dev/sdb1  /key\nlast\n"
    assert fstab.stable_crypttab(text, DEVICES, "/dev/sda1") == (
        "# name /dev/sda3\ndata UUID=root none luks\nmore  /dev/sdb1  /key\nlast\n"
    )
