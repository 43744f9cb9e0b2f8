"""docs/windows-preflight.md and the rules say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GUEST = ROOT / "src/imageport/guest"
DOCS = (ROOT / "docs/windows-preflight.md").read_text()
RULES = "".join(path.read_text() for path in sorted(GUEST.glob("windows/findings*.py")))
GRADED = dict(re.findall(r'"(guest\.[a-z-]+)",\s+Severity\.([A-Z]+),', RULES))


def test_rules_were_found() -> None:
    assert len(GRADED) > 20


@pytest.mark.parametrize("code", sorted(GRADED))
def test_a_rule_is_documented_with_its_severity(code: str) -> None:
    assert f"| `{code}` | {GRADED[code].lower()} |" in DOCS


def test_every_code_of_the_rules_is_documented() -> None:
    codes = set(re.findall(r'"(guest\.[a-z-]+)"', RULES))
    assert {code for code in codes if f"`{code}`" not in DOCS} == set()


def test_what_is_documented_exists() -> None:
    source = "".join(path.read_text() for path in GUEST.rglob("*.py"))
    codes = set(re.findall(r"`(guest\.[a-z-]+)`", DOCS))
    assert {code for code in codes if f'"{code}"' not in source} == set()
