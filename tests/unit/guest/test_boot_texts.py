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


ENTRY = "title A\noptions root=/dev/sda3 ro $tuned_params\nlinux /vmlinuz\n"


def test_options_of_an_entry() -> None:
    edited = grub.with_entry_words(ENTRY, lambda w: (*w, "x"), lambda w: (*w, "y"))
    assert edited == "title A\noptions root=/dev/sda3 ro $tuned_params x\nlinux /vmlinuz\n"
    named = ENTRY.replace("root=/dev/sda3 ro", "$kernelopts")
    cleaned = grub.with_entry_words(named, lambda w: (*w, "x"), tuple)
    assert cleaned == named, "its words are in the environment block"


def test_environment_block_keeps_its_size() -> None:
    text = "# GRUB Environment Block\nsaved_entry=a\nkernelopts=root=/dev/sda3 ro \n"
    block = text.ljust(1024, "#")
    edited = grub.with_environment_words(block, lambda w: (*w, "x"))
    assert len(edited) == 1024
    assert edited.rstrip("#") == text.replace("ro ", "ro x")
    assert grub.with_environment_words(block, tuple).rstrip("#") == text.replace("ro ", "ro")
    assert grub.with_environment_words(block, lambda w: (*w, "x" * 1024)) == block
    other = "# GRUB Environment Block\nnext_entry=\n".ljust(1024, "#")
    assert grub.with_environment_words(other, lambda w: (*w, "x")) == other


def test_what_red_hat_falls_back_to() -> None:
    text = '  set kernelopts="root=/dev/sda3 ro "\nblscfg\n'
    assert grub.with_kernel_words(text, lambda w: (*w, "x")) == (
        '  set kernelopts="root=/dev/sda3 ro x"\nblscfg\n'
    )
