"""docs/linux-guests.md and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imageport.guest import fixups
from imageport.guest.linux.needs import kernel_arguments, needed_modules
from imageport.model.guest import OsFamily
from imageport.model.target import PROFILES, Target

ROOT = Path(__file__).parents[3]
GUEST = ROOT / "src/imageport/guest"
DOCS = (ROOT / "docs/linux-guests.md").read_text()


def test_fixups_are_documented_in_their_order() -> None:
    table = DOCS.partition("## Fix-ups")[2].partition("## ")[0]
    named = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert named == [each.name for each in fixups.in_order(OsFamily.LINUX)]


@pytest.mark.parametrize("target", list(Target))
def test_drivers_and_arguments_are_documented(target: Target) -> None:
    profile = PROFILES[target]
    drivers = " ".join(f"`{name}`" for name in needed_modules(profile))
    words = " ".join(kernel_arguments(profile, kernel_names=False))
    assert f"| `{target}` | {drivers} | {f'`{words}` ' if words else ''}|\n" in DOCS


def test_every_finding_is_documented_and_exists() -> None:
    source = "".join(path.read_text() for path in (GUEST / "fixups/linux").glob("*.py"))
    found = set(re.findall(r'"(guest\.[a-z-]+)"', source))
    documented = set(re.findall(r"`(guest\.[a-z-]+)`", DOCS))
    assert found
    assert found <= documented
    errors = (GUEST / "errors.py").read_text()
    assert {code for code in documented - found if f'"{code}"' not in errors} == set()
