from __future__ import annotations

from imageport.guest.linux import cmdline, grub
from imageport.guest.linux.needs import kernel_arguments, needed_modules
from imageport.model.target import PROFILES, Target

DEVICES = {"2": "UUID=swap", "3": "UUID=root"}
MENU = """\
set timeout=5
menuentry 'Debian' --class debian {
\tinsmod ext2
\tsearch --no-floppy --fs-uuid --set=root root
\tlinux\t/boot/vmlinuz-6.1 root=/dev/sda3 ro  quiet
\tinitrd\t/boot/initrd.img-6.1
}
    linuxefi /vmlinuz-6.2 root=UUID=root ro
    linux16 /memtest
"""


def test_every_kernel_line_is_rewritten_and_nothing_else() -> None:
    edited = grub.with_kernel_words(MENU, lambda words: (*words, "x=1"))
    lines = dict(zip(MENU.splitlines(), edited.splitlines(), strict=True))
    changed = {new for old, new in lines.items() if old != new}
    assert changed == {
        "\tlinux\t/boot/vmlinuz-6.1 root=/dev/sda3 ro quiet x=1",
        "    linuxefi /vmlinuz-6.2 root=UUID=root ro x=1",
        "    linux16 /memtest x=1",
    }
    assert grub.kernel_words(edited)[0] == ("root=/dev/sda3", "ro", "quiet", "x=1")


def test_root_and_resume() -> None:
    words = ("root=/dev/sdc3", "resume=/dev/sda2", "rootflags=x", "root", "ro")
    stable = cmdline.with_stable_root(words, DEVICES, "/dev/sda3")
    assert stable == ("root=UUID=root", "resume=UUID=swap", "rootflags=x", "root", "ro")
    lvm = ("root=/dev/mapper/vg-root",)
    assert cmdline.with_stable_root(lvm, DEVICES, "") == lvm


def test_second_target_leaves_nothing_of_the_first() -> None:
    words: tuple[str, ...] = ("ro", "console=ttyS1,9600", "splash")
    for target in (Target.AZURE, Target.AWS, Target.GCP):
        added = kernel_arguments(PROFILES[target], kernel_names=True)
        words = cmdline.retargeted(words, added, serial=True)
    assert words == (
        "ro", "splash", "net.ifnames=0", "biosdevname=0", "console=tty0", "console=ttyS0,38400n8",
    )  # fmt: skip


def test_defaults_that_only_a_shell_can_tell_stay() -> None:
    text = "GRUB_CMDLINE_LINUX=\"$OTHER quiet\"\nGRUB_CMDLINE_LINUX_DEFAULT='a b' # comment\n"
    edited = grub.with_default_words(text, lambda w: (*w, "x"), lambda w: (*w, "y"))
    assert edited == 'GRUB_CMDLINE_LINUX="$OTHER quiet"\nGRUB_CMDLINE_LINUX_DEFAULT="a b y"\n'


def test_defaults_without_the_line_get_it() -> None:
    assert grub.with_default_words("A=1", lambda w: (*w, "x"), tuple) == (
        'A=1\nGRUB_CMDLINE_LINUX="x"\n'
    )


def test_needed_modules_cover_controllers_and_nics() -> None:
    assert needed_modules(PROFILES[Target.AZURE])[:2] == ("hv_vmbus", "hv_storvsc")
    for profile in PROFILES.values():
        names = needed_modules(profile)
        assert len(names) == len(set(names)) >= len(profile.controllers)
