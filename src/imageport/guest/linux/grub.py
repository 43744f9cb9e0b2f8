"""GRUB 2 as a guest has it: the generated grub.cfg, and /etc/default/grub it is generated from.

Both are edited: grub.cfg so that the next boot is right without running update-grub (which takes
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

    return _KERNEL_LINE.sub(line, text)


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
