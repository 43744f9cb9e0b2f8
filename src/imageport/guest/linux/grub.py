"""GRUB 2 as a guest has it: the generated grub.cfg, and /etc/default/grub it is generated from.

Where menu entries are files (Boot Loader Specification, as Red Hat has them), those hold the
command line, or name a variable of GRUB's environment block that does.

All are edited: grub.cfg so that the next boot is right without running update-grub (which takes
long under emulation and asks the wrong machine about its disks), the defaults so that the next
update-grub in the guest says the same.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Final

Rewrite = Callable[[Sequence[str]], tuple[str, ...]]

_KERNEL_LINE: Final = re.compile(
    r"^(?P<head>[ \t]*linux(?:16|efi)?[ \t]+(?P<kernel>\S+))(?P<words>[^\n]*)$", re.MULTILINE
)
_FALLBACK: Final = re.compile(r'^(?P<head>[ \t]*set kernelopts=")(?P<words>[^"\n]*)"', re.MULTILINE)
"""For an environment block without the variable."""
_ENTRY: Final = re.compile(r"^(?P<head>options[ \t]+)(?P<words>[^\n]*)$", re.MULTILINE)
_VARIABLE: Final = "$kernelopts"
_BLOCK_SIZE: Final = 1024
_BLOCK_HEAD: Final = "# GRUB Environment Block\n"
_DEFAULT: Final = re.compile(
    r"^(?P<name>GRUB_CMDLINE_LINUX(?:_DEFAULT)?)=(?P<value>.*)$", re.MULTILINE
)
_NO_UUID: Final = re.compile(r"^(GRUB_DISABLE_LINUX_UUID=[\"']?true)", re.MULTILINE)


def kernel_words(text: str) -> tuple[tuple[str, ...], ...]:
    """The command line of every menu entry's kernel in grub.cfg."""
    return tuple(tuple(match["words"].split()) for match in _KERNEL_LINE.finditer(text))


def with_kernel_words(text: str, rewrite: Rewrite) -> str:
    """grub.cfg with `rewrite` applied to every kernel's command line."""

    def line(match: re.Match[str]) -> str:
        words = rewrite(match["words"].split())
        return f"{match['head']} {' '.join(words)}"

    edited = _KERNEL_LINE.sub(line, text)
    return _FALLBACK.sub(
        lambda match: f'{match["head"]}{" ".join(rewrite(match["words"].split()))}"', edited
    )


def with_entry_words(text: str, rewrite: Rewrite, clean: Rewrite) -> str:
    """A menu entry's file with `rewrite` applied to its `options`.

    Where these name the environment block's variable, `rewrite` is for that, and `clean` for what
    stands beside it.
    """

    def line(match: re.Match[str]) -> str:
        words = match["words"].split()
        edited = clean(words) if _VARIABLE in words else rewrite(words)
        return match["head"] + " ".join(edited)

    return _ENTRY.sub(line, text)


def with_environment_words(text: str, rewrite: Rewrite) -> str:
    """GRUB's environment block (grub-editenv(1)) with `rewrite` applied to its `kernelopts`.

    It keeps its size, which GRUB asks for; what would not fit any more stays as it is.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    name = "kernelopts="
    edited = [
        name + " ".join(rewrite(line.removeprefix(name).split())) if line.startswith(name) else line
        for line in lines
    ]
    block = _BLOCK_HEAD + "".join(f"{line}\n" for line in edited)
    if edited == lines or len(block) > _BLOCK_SIZE:
        return text
    return block.ljust(_BLOCK_SIZE, "#")


def with_default_words(text: str, rewrite: Rewrite, clean: Rewrite) -> str:
    """/etc/default/grub with `rewrite` applied to the words of every entry (GRUB_CMDLINE_LINUX)
    and `clean` to those of the usual ones (GRUB_CMDLINE_LINUX_DEFAULT), and roots by UUID."""
    rewrites = {"GRUB_CMDLINE_LINUX": rewrite, "GRUB_CMDLINE_LINUX_DEFAULT": clean}

    def line(match: re.Match[str]) -> str:
        words = _shell_words(match["value"])
        if words is None:
            return match[0]
        return f'{match["name"]}="{" ".join(rewrites[match["name"]](words))}"'

    edited = _DEFAULT.sub(line, text)
    if not re.search(r"^GRUB_CMDLINE_LINUX=", edited, re.MULTILINE):
        end = "" if edited.endswith("\n") or not edited else "\n"
        edited += f'{end}GRUB_CMDLINE_LINUX="{" ".join(rewrite(()))}"\n'
    return _NO_UUID.sub(r"#\1", edited)


def _shell_words(value: str) -> list[str] | None:
    """The words of a shell assignment's value; None when only a shell could tell them."""
    if "$" in value or "`" in value:
        return None
    try:
        return " ".join(shlex.split(value, comments=True)).split()
    except ValueError:
        return None
