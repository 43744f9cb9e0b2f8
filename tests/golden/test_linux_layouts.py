"""Red Hat's and SUSE's layouts: recorded trees, prepared for every target."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imageport.guest.inspect import inspect
from imageport.guest.linux import initramfs as archive
from imageport.guest.linux import selinux
from imageport.guest.linux.needs import needed_modules
from imageport.guest.plan import findings, plan
from imageport.guest.prepare import prepare
from imageport.model.findings import Severity
from imageport.model.guest import Inspection, Preparation, PrepareOptions
from imageport.model.guest_facts import LinuxFacts
from imageport.model.target import PROFILES, Target
from tests.golden.linux_layouts import ENTRY, LAYOUTS, RHEL_WORDS, ROOT_UUID, layout_tree
from tests.golden.trees import KERNEL, tree_hash

OPTIONS = PrepareOptions()
LABEL = b"system_u:object_r:etc_t:s0\0"
GCP_WORDS = "console=tty0 console=ttyS0,38400n8"


def prepared(root: Path, name: str, target: Target) -> tuple[Inspection, Preparation]:
    guest = layout_tree(root, name)
    before = inspect(guest)
    return before, prepare(guest, before, PROFILES[target], OPTIONS, lambda *_: None)


def facts(inspection: Inspection) -> LinuxFacts:
    assert inspection.linux is not None
    return inspection.linux


@pytest.mark.parametrize("name", list(LAYOUTS))
@pytest.mark.parametrize("target", list(Target))
def test_prepare_for_every_target(tmp_path: Path, name: str, target: Target) -> None:
    guest = layout_tree(tmp_path, name)
    profile = PROFILES[target]
    before = inspect(guest)
    untouched = tree_hash(tmp_path)
    changes = plan(before, profile, OPTIONS)
    assert tree_hash(tmp_path) == untouched, "a plan changes nothing"
    done = prepare(guest, before, profile, OPTIONS, lambda *_: None)
    assert done.changes == changes
    assert all(check.passed for check in done.checks)
    held = archive.read(tmp_path / LAYOUTS[name].image).modules
    assert set(needed_modules(profile)) <= held | {"nvme"}
    assert (tmp_path / "boot/efi/EFI/BOOT/BOOTX64.EFI").read_bytes() == b"shim"
    once = tree_hash(tmp_path)
    again = inspect(guest)
    assert {change.fixup for change in plan(again, profile, OPTIONS)} <= {"first-boot"}
    prepare(guest, again, profile, OPTIONS, lambda *_: None)
    assert tree_hash(tmp_path) == once, "twice is once"


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_back_again(tmp_path: Path, name: str) -> None:
    once, often = tmp_path / "once", tmp_path / "often"
    prepared(once, name, Target.GCP)
    guest = layout_tree(often, name)
    for target in (Target.GCP, Target.AZURE, Target.VSPHERE, Target.GCP):
        prepare(guest, inspect(guest), PROFILES[target], OPTIONS, lambda *_: None)
    for path in sorted((once / "etc").rglob("*")):
        if path.is_file():
            there = often / path.relative_to(once)
            assert there.read_text() == path.read_text(), path
    assert (often / "boot/grub2/grub.cfg").read_text() == (once / "boot/grub2/grub.cfg").read_text()


def test_red_hat_9_is_recognised(tmp_path: Path) -> None:
    inspection = inspect(layout_tree(tmp_path, "rhel9"))
    seen = facts(inspection)
    assert inspection.name == "Red Hat Enterprise Linux 9.4 (Plow)"
    assert (seen.boot_loader, seen.initramfs_tool, seen.package_manager, seen.selinux) == (
        "grub-bls", "dracut", "rpm", "enforcing",
    )  # fmt: skip
    assert seen.network_manager == "networkmanager"
    assert inspection.network == ("ens192 static 10.1.2.3/24",)
    assert [product.name for product in inspection.products] == ["open-vm-tools"]


def test_red_hat_9_texts(tmp_path: Path) -> None:
    prepared(tmp_path, "rhel9", Target.GCP)
    entry = (tmp_path / ENTRY).read_text()
    assert f"options {RHEL_WORDS} $tuned_params {GCP_WORDS}\n" in entry
    assert f"initrd /initramfs-{KERNEL}.img $tuned_initrd\n" in entry
    assert (tmp_path / "etc/kernel/cmdline").read_text() == f"{RHEL_WORDS} {GCP_WORDS}\n"
    menu = (tmp_path / "boot/grub2/grub.cfg").read_text()
    assert f'  set kernelopts="{RHEL_WORDS} {GCP_WORDS}"\n' in menu
    defaults = (tmp_path / "etc/default/grub").read_text()
    assert f'rhgb quiet {GCP_WORDS}"\n' in defaults
    table = (tmp_path / "etc/fstab").read_text()
    assert "/dev/mapper/rhel-root   /  " in table, "the same in every machine"
    assert "UUID=63BE-6B2A          /boot/efi" in table
    assert (tmp_path / "etc/crypttab").read_text().startswith("data UUID=b00t none luks\n")
    connections = tmp_path / "etc/NetworkManager/system-connections"
    assert [path.name for path in connections.iterdir()] == ["imageport.nmconnection"]
    drop_in = tmp_path / "etc/systemd/system/vmtoolsd.service.d/imageport.conf"
    assert "ConditionPathExists=" in drop_in.read_text()
    steps = sorted(p.name for p in (tmp_path / "usr/lib/imageport/first-boot/steps").iterdir())
    assert steps == ["10-remove-open-vm-tools", "20-machine-id", "30-ssh-host-keys", "40-labels"]


def test_red_hat_8_keeps_its_words_in_the_environment(tmp_path: Path) -> None:
    before, _ = prepared(tmp_path, "rhel8", Target.GCP)
    assert facts(before).network_manager == "ifcfg"
    block = (tmp_path / "boot/efi/EFI/redhat/grubenv").read_text()
    assert len(block) == 1024
    words = f"{RHEL_WORDS} net.ifnames=0 biosdevname=0 {GCP_WORDS}"
    assert f"kernelopts={words}\n#" in block
    assert (tmp_path / "boot/grub2/grubenv").is_symlink()
    assert "options $kernelopts $tuned_params\n" in (tmp_path / ENTRY).read_text()
    scripts = tmp_path / "etc/sysconfig/network-scripts"
    assert [path.name for path in scripts.iterdir()] == ["ifcfg-eth0"]
    assert "HWADDR" not in (scripts / "ifcfg-eth0").read_text()
    assert "GATEWAY" not in (tmp_path / "etc/sysconfig/network").read_text()


def test_suse_texts(tmp_path: Path) -> None:
    before, _ = prepared(tmp_path, "sles15", Target.GCP)
    seen = facts(before)
    assert (seen.network_manager, seen.package_manager, seen.boot_loader) == (
        "wicked", "rpm", "grub",
    )  # fmt: skip
    assert before.network == ("eth0 static 10.1.2.3/24",)
    table = (tmp_path / "etc/fstab").read_text().splitlines()
    assert table[0].split()[:3] == [f"UUID={ROOT_UUID}", "/", "btrfs"]
    assert "UUID=5wap  swap  swap" in "\n".join(table)
    assert "resume=UUID=5wap" in (tmp_path / "boot/grub2/grub.cfg").read_text()
    network = tmp_path / "etc/sysconfig/network"
    assert sorted(path.name for path in network.iterdir()) == ["ifcfg-eth0", "ifcfg-lo"]
    assert "BOOTPROTO='dhcp'" in (network / "ifcfg-eth0").read_text()
    assert not (tmp_path / "etc/udev/rules.d/70-persistent-net.rules").exists()
    assert (tmp_path / "boot/efi/EFI/BOOT/grub.efi").read_bytes() == b"grub"
    assert (tmp_path / "boot/efi/EFI/BOOT/grub.cfg").read_bytes() == b"configfile"
    assert (tmp_path / "etc/systemd/system/waagent.service.d/imageport.conf").exists()


def test_an_agent_starts_again_on_its_own_platform(tmp_path: Path) -> None:
    guest = layout_tree(tmp_path, "sles15")
    for target in (Target.GCP, Target.AZURE):
        prepare(guest, inspect(guest), PROFILES[target], OPTIONS, lambda *_: None)
    assert not (tmp_path / "etc/systemd/system/waagent.service.d/imageport.conf").exists()


def test_azure_has_no_swap_and_others_have_it_again(tmp_path: Path) -> None:
    guest = layout_tree(tmp_path, "rhel9")
    prepare(guest, inspect(guest), PROFILES[Target.AZURE], OPTIONS, lambda *_: None)
    assert "\n#imageport-no-swap# /dev/mapper/rhel-swap" in (tmp_path / "etc/fstab").read_text()
    prepare(guest, inspect(guest), PROFILES[Target.AWS], OPTIONS, lambda *_: None)
    assert "\n/dev/mapper/rhel-swap" in (tmp_path / "etc/fstab").read_text()


def test_what_is_written_is_labelled(tmp_path: Path) -> None:
    guest = layout_tree(tmp_path, "rhel9")
    for path in (tmp_path, *tmp_path.rglob("*")):
        if not path.is_relative_to(tmp_path / "boot/efi"):
            os.setxattr(path, "security.selinux", LABEL, follow_symlinks=False)
    kept = b"system_u:object_r:boot_t:s0\0"
    image = tmp_path / LAYOUTS["rhel9"].image
    os.setxattr(image, "security.selinux", kept)
    prepare(guest, inspect(guest), PROFILES[Target.GCP], OPTIONS, lambda *_: None)
    assert selinux.label_of(image) == kept
    for path in tmp_path.rglob("*"):
        # policy-rc.d's folder and the fallback loader's are not among what is kept or labelled.
        if not path.is_relative_to(tmp_path / "boot/efi"):
            assert selinux.label_of(path), path


def test_a_lost_label_is_seen(tmp_path: Path) -> None:
    from imageport.guest.prepare import verify  # noqa: PLC0415 - used here alone

    guest = layout_tree(tmp_path, "rhel9")
    for path in (tmp_path / "etc", *(tmp_path / "etc").rglob("*")):
        os.setxattr(path, "security.selinux", LABEL)
    before = inspect(guest)
    prepare(guest, before, PROFILES[Target.GCP], OPTIONS, lambda *_: None)
    os.removexattr(tmp_path / "etc/fstab", "security.selinux")
    checks = verify(guest, before, PROFILES[Target.GCP], OPTIONS)
    assert [check.seen for check in checks if not check.passed] == [
        "/etc/fstab: has no SELinux label"
    ]


def test_systemd_boot_is_refused(tmp_path: Path) -> None:
    guest = layout_tree(tmp_path, "rhel9")
    (tmp_path / "boot/grub2/grub.cfg").unlink()
    (tmp_path / "boot/efi/EFI/systemd").mkdir()
    (tmp_path / "boot/efi/EFI/systemd/systemd-bootx64.efi").write_bytes(b"boot")
    found = findings(inspect(guest), PROFILES[Target.GCP], OPTIONS)
    assert [f.severity for f in found if f.code == "guest.systemd-boot"] == [Severity.BLOCKER]
