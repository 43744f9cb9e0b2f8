"""docs/windows-preparation.md and the fix-ups of Windows agree."""

from __future__ import annotations

import re
from pathlib import Path

from imageport.cli import guest_options
from imageport.guest.fixup import FixUp
from imageport.guest.fixups import in_order
from imageport.model.guest import OsFamily

DOCS = (Path(__file__).parents[3] / "docs/windows-preparation.md").read_text()
CITRIX = ("InstallMisa", "InstallMcsio", "InstallPvs", "XdReconfigure", "DomainUnjoin", "Chkdsk")


def module(fixup: FixUp) -> str:
    return type(fixup).__module__.rpartition(".")[2]


def test_every_fixup_that_changes_settings_is_described() -> None:
    by_option = {
        "install_misa", "install_mcsio", "install_pvs", "xd_reconfigure", "domain_unjoin",
        "check_disk", "defragment", "preflight", "driver_lock", "first_boot",
    }  # fmt: skip
    named = set(re.findall(r"`([a-z_]+)`", DOCS))
    modules = {module(each) for each in in_order(OsFamily.WINDOWS)}
    assert by_option <= modules
    assert modules - by_option - named == set()


def test_every_option_is_described() -> None:
    names = re.findall(r"[A-Z][A-Za-z]+(?=[,=;])", guest_options.HELP)
    assert set(CITRIX) <= set(names)
    assert [name for name in names if f"`{name}" not in DOCS and not name.isupper()] == []
