from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from imageport.guest.errors import BlockedError, ReadOnlyGuestError, VerificationError
from imageport.guest.first_boot import collect, goes_on, installed
from imageport.guest.fixups.linux.initramfs import Initramfs
from imageport.guest.inspect import inspect
from imageport.guest.linux import initramfs as archive
from imageport.guest.linux.needs import needed_modules
from imageport.guest.plan import findings, plan
from imageport.guest.prepare import prepare, verify
from imageport.model.findings import Severity
from imageport.model.guest import Inspection, PrepareOptions
from imageport.model.target import PROFILES, Firmware, Target
from tests.golden.trees import (
    KERNEL,
    ROOT_UUID,
    SWAP_UUID,
    debian_tree,
    run_first_boot,
    tree_hash,
)

OPTIONS = PrepareOptions()


def quiet(what: str, done: int, total: int) -> None:
    assert what
    assert 0 <= done <= total


@pytest.mark.parametrize("target", list(Target))
def test_prepare_for_every_target(tmp_path: Path, target: Target) -> None:
    guest = debian_tree(tmp_path)
    profile = PROFILES[target]
    before = inspect(guest)
    untouched = tree_hash(tmp_path)
    changes = plan(before, profile, OPTIONS)
    assert tree_hash(tmp_path) == untouched, "a plan changes nothing"
    done = prepare(guest, before, profile, OPTIONS, quiet)
    assert done.changes == changes
    assert all(check.passed for check in done.checks)
    held = archive.read(tmp_path / f"boot/initrd.img-{KERNEL}").modules
    assert set(needed_modules(profile)) <= held | {"nvme"}
    assert installed(guest)


@pytest.mark.parametrize("target", list(Target))
def test_prepare_twice_changes_nothing_more(tmp_path: Path, target: Target) -> None:
    guest = debian_tree(tmp_path)
    profile = PROFILES[target]
    prepare(guest, inspect(guest), profile, OPTIONS, quiet)
    once = tree_hash(tmp_path)
    again = inspect(guest)
    planned = {change.fixup for change in plan(again, profile, OPTIONS)}
    assert planned <= {"first-boot"}, "only the runner waits to be installed again"
    prepare(guest, again, profile, OPTIONS, quiet)
    assert tree_hash(tmp_path) == once


def test_texts(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    prepare(guest, inspect(guest), PROFILES[Target.AZURE], OPTIONS, quiet)
    table = (tmp_path / "etc/fstab").read_text().splitlines()
    assert table[1].split() == [f"UUID={ROOT_UUID}", "/", "ext4", "errors=remount-ro", "0", "1"]
    assert table[2].startswith("UUID=63BE-6B2A\t/boot/efi")
    assert table[3].startswith(f"#imageport-no-swap# UUID={SWAP_UUID}\tnone"), "not on Azure"
    assert table[4].split()[:4] == ["/dev/sdb1", "/data", "ext4", "defaults,nofail"]
    words = (
        f"root=UUID={ROOT_UUID} ro quiet net.ifnames=0 biosdevname=0 "
        "console=tty0 console=ttyS0,115200n8"
    )
    menu = (tmp_path / "boot/grub/grub.cfg").read_text()
    assert f"\tlinux\t/boot/vmlinuz-{KERNEL} {words}\n" in menu
    defaults = (tmp_path / "etc/default/grub").read_text()
    assert 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n' in defaults
    assert "#GRUB_DISABLE_LINUX_UUID=true\n" in defaults
    interfaces = (tmp_path / "etc/network/interfaces").read_text()
    assert "iface eth0 inet dhcp" in interfaces
    assert "ens192" not in interfaces
    assert not (tmp_path / "etc/udev/rules.d/70-persistent-net.rules").exists()
    assert (tmp_path / "boot/efi/EFI/BOOT/BOOTX64.EFI").read_bytes() == b"shim"
    assert (tmp_path / "boot/efi/EFI/BOOT/grubx64.efi").read_bytes() == b"grub"


def test_one_target_after_another(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    once, often = debian_tree(first), debian_tree(second)
    prepare(once, inspect(once), PROFILES[Target.AZURE], OPTIONS, quiet)
    for target in (Target.AZURE, Target.GCP, Target.AZURE):
        prepare(often, inspect(often), PROFILES[target], OPTIONS, quiet)
    for name in ("boot/grub/grub.cfg", "etc/default/grub", "etc/initramfs-tools/modules"):
        assert (second / name).read_text() == (first / name).read_text()
    held = archive.read(second / f"boot/initrd.img-{KERNEL}").modules
    assert {"hv_storvsc", "virtio_scsi", "vmw_pvscsi"} <= held


def test_appended_archive_keeps_the_link(tmp_path: Path) -> None:
    """A folder entry for `lib` would make the kernel remove the link and all that it led to."""
    guest = debian_tree(tmp_path)
    prepare(guest, inspect(guest), PROFILES[Target.GCP], OPTIONS, quiet)
    seen: list[tuple[str, int]] = []
    archive.read(
        tmp_path / f"boot/initrd.img-{KERNEL}",
        lambda member, _: seen.append((member.path, member.mode)),
    )
    assert [mode & 0o170000 for path, mode in seen if path == "lib"] == [0o120000]
    added = f"usr/lib/modules/{KERNEL}"
    assert (f"{added}/kernel/virtio-scsi.ko", 0o100644) in seen
    assert (f"{added}/kernel/virtio.ko", 0o100644) in seen, "dependencies come along"
    assert (f"{added}/modules.dep.bin", 0o100644) in seen


def test_first_boot_is_collected_once(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    before = inspect(guest)
    prepare(guest, before, PROFILES[Target.AHV], OPTIONS, quiet)
    assert collect(guest) is None
    run_first_boot(guest)
    report = collect(guest)
    assert report is not None
    assert report.complete
    assert report.facts["boot-driver"] == "virtio_scsi"
    assert [(step.number, step.exit_code) for step in report.steps] == [(10, 0), (20, 1603)]
    assert collect(guest) is None
    assert not (tmp_path / "var/lib/imageport").exists()
    after = verify(guest, before, PROFILES[Target.AHV], OPTIONS)
    assert all(check.passed for check in after)


def test_report_of_a_runner_that_waits_for_another_boot_stays(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    prepare(guest, inspect(guest), PROFILES[Target.AHV], OPTIONS, quiet)
    place = tmp_path / "var/lib/imageport/first-boot.report"
    place.parent.mkdir(parents=True)
    place.write_text("fact boots 1\nstep 10 machine-id 0\n")
    for _ in range(2):
        report = collect(guest)
        assert report is not None
        assert not report.complete
        assert [step.name for step in report.steps] == ["machine-id"]
    assert installed(guest)


def test_a_first_boot_goes_on_after_a_restart_in_the_middle(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    before = inspect(guest)
    prepare(guest, before, PROFILES[Target.AHV], OPTIONS, quiet)
    assert not goes_on(guest, before), "it has not run"
    place = tmp_path / "var/lib/imageport/first-boot.report"
    place.parent.mkdir(parents=True)
    for text in ("step 10 kernel 0\nrestart\n", "fact boots 1\nstep 10 kernel 0\n"):
        place.write_text(text)
        assert goes_on(guest, before), "asked for, or cut short"
    run_first_boot(guest)
    assert not goes_on(guest, before), "it is complete"


def test_a_first_boot_comes_after_the_relabelling_that_was_ordered(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    order = tmp_path / ".autorelabel"
    order.touch()
    before = inspect(guest)
    prepare(guest, before, PROFILES[Target.AHV], OPTIONS, quiet)
    assert not goes_on(guest, before), "it is still to come"
    order.unlink()
    assert goes_on(guest, before)
    assert not goes_on(guest, inspect(guest)), "nobody ordered it: the guest did not start"


def test_verify_sees_what_is_undone(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    before = inspect(guest)
    pristine = (tmp_path / f"boot/initrd.img-{KERNEL}").read_bytes()
    prepare(guest, before, PROFILES[Target.AHV], OPTIONS, quiet)
    (tmp_path / f"boot/initrd.img-{KERNEL}").write_bytes(pristine)
    (tmp_path / "etc/fstab").write_text("/dev/sda3 / ext4 defaults 0 1\n")
    failed = {c.fixup for c in verify(guest, before, PROFILES[Target.AHV], OPTIONS) if not c.passed}
    assert failed == {"initramfs", "file-systems"}


def test_half_a_runner_is_not_right(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    before = inspect(guest)
    prepare(guest, before, PROFILES[Target.AHV], OPTIONS, quiet)
    (tmp_path / "etc/systemd/system/imageport-first-boot.service").unlink()
    failed = {c.fixup for c in verify(guest, before, PROFILES[Target.AHV], OPTIONS) if not c.passed}
    assert failed == {"first-boot"}


def test_kernel_without_the_usual_driver_is_refused(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path, lacking=("virtio_scsi",))
    before = inspect(guest)
    untouched = tree_hash(tmp_path)
    with pytest.raises(BlockedError) as refused:
        prepare(guest, before, PROFILES[Target.GCP], OPTIONS, quiet)
    assert refused.value.data["findings"] == ["guest.no-controller-driver"]
    assert "virtio-scsi" in refused.value.message
    assert tree_hash(tmp_path) == untouched


def test_kernel_without_a_lesser_driver_is_a_warning(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path, lacking=("ata_piix",))
    found = findings(inspect(guest), PROFILES[Target.AZURE], OPTIONS)
    ide = [f for f in found if f.code == "guest.no-controller-driver"]
    assert [f.severity for f in ide] == [Severity.WARNING]


def test_read_only_guest_is_refused(tmp_path: Path) -> None:
    guest = dataclasses.replace(debian_tree(tmp_path), writable=False)
    with pytest.raises(ReadOnlyGuestError):
        prepare(guest, inspect(guest), PROFILES[Target.AHV], OPTIONS, quiet)


def test_failed_verification_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = debian_tree(tmp_path)
    monkeypatch.setattr(Initramfs, "apply", lambda *_: None)
    with pytest.raises(VerificationError, match="virtio_scsi"):
        prepare(guest, inspect(guest), PROFILES[Target.AHV], OPTIONS, quiet)


def test_inspection_is_json(tmp_path: Path) -> None:
    from pydantic import TypeAdapter  # noqa: PLC0415 - what the other side of the wire uses

    inspection = inspect(debian_tree(tmp_path, firmware=Firmware.BIOS))
    text = json.dumps(dataclasses.asdict(inspection))
    assert TypeAdapter(Inspection).validate_json(text) == inspection
    assert inspection.name == "Debian GNU/Linux 12 (bookworm)"
    assert inspection.network == ("ens192 static 10.20.30.41/24",)
    assert inspection.linux is not None
    assert inspection.linux.kernels[0].builtin == ("nvme",)


def test_steps_of_an_earlier_preparation_go(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    prepare(guest, inspect(guest), PROFILES[Target.AHV], OPTIONS, quiet)
    steps = tmp_path / "usr/lib/imageport/first-boot/steps"
    shutil.copy(steps / "10-machine-id", steps / "50-old")
    prepare(guest, inspect(guest), PROFILES[Target.AHV], OPTIONS, quiet)
    assert sorted(path.name for path in steps.iterdir()) == ["10-machine-id", "20-ssh-host-keys"]


OFF = "etc/cloud/cloud-init.disabled"


def test_cloud_init_is_off_until_the_first_boot_is_over(tmp_path: Path) -> None:
    from tests.golden.trees import run_first_boot  # noqa: PLC0415 - as above

    guest = debian_tree(tmp_path)
    (tmp_path / "usr/bin/cloud-init").touch()
    before = inspect(guest)
    for inspection in (before, inspect(guest)):
        prepare(guest, inspection, PROFILES[Target.AWS], OPTIONS, quiet)
        assert (tmp_path / OFF).read_text().startswith("imageport")
    sources = (tmp_path / "etc/cloud/cloud.cfg.d/zz-imageport.cfg").read_text()
    assert "datasource_list: [ Ec2, None ]\n" in sources
    step = (tmp_path / "usr/lib/imageport/first-boot/steps/30-cloud-init").read_text()
    assert f"rm -f /{OFF}" in step
    run_first_boot(guest)
    left = verify(guest, before, PROFILES[Target.AWS], OPTIONS)
    assert [check.seen for check in left if not check.passed] == [f"/{OFF}: left"]
    (tmp_path / OFF).unlink()
    assert all(check.passed for check in verify(guest, before, PROFILES[Target.AWS], OPTIONS))


def test_cloud_init_that_a_user_switched_off_stays_off(tmp_path: Path) -> None:
    guest = debian_tree(tmp_path)
    (tmp_path / "usr/bin/cloud-init").touch()
    (tmp_path / OFF).parent.mkdir(parents=True)
    (tmp_path / OFF).touch()
    prepare(guest, inspect(guest), PROFILES[Target.AWS], OPTIONS, quiet)
    assert (tmp_path / OFF).read_text() == ""
    step = (tmp_path / "usr/lib/imageport/first-boot/steps/30-cloud-init").read_text()
    assert "rm -f" not in step
