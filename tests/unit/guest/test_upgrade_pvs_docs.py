"""docs/upgrade-pvs.md and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_group

from imageport.cli.main import application
from imageport.guest.windows.software import PVS_DRIVERS
from imageport.jobs import errors

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs/upgrade-pvs.md").read_text()
GUEST = ROOT / "src/imageport/guest"
RULES = "".join(
    (GUEST / name).read_text()
    for name in ("plan.py", *(f"fixups/windows/{each}_pvs.py" for each in ("install", "upgrade")))
)
CODES = set(re.findall(r'"(guest\.[a-z-]+)"', RULES))
OWN_ERRORS = (
    errors.VdiskFormat,
    errors.ChildName,
    errors.ChildFolder,
    errors.VdiskLocked,
    errors.NoSpace,
)


def test_every_refusal_is_described() -> None:
    assert len(CODES) > 6
    named = set(re.findall(r"`(guest\.[a-z-]+)`", DOCS))
    assert CODES - named == set()
    everywhere = "".join(path.read_text() for path in GUEST.rglob("*.py"))
    assert {code for code in named if f'"{code}"' not in everywhere} == set()


def test_every_error_is_described() -> None:
    named = set(re.findall(r"`(job\.[a-z-]+)`", DOCS))
    assert named == {each.code for each in OWN_ERRORS}


def test_every_option_is_described() -> None:
    application_ = get_group(application("upgrade-pvs"))
    command = application_.commands["upgrade-pvs"]
    options = {name for each in command.params for name in each.opts if name.startswith("--")}
    assert "--pvs-version" in options
    table = DOCS.split("| option |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(--[a-z-]+)`", table)) == options


def test_every_driver_is_described() -> None:
    assert {name for name in PVS_DRIVERS if f"`{name}`" not in DOCS} == set()
