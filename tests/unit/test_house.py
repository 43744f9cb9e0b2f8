"""The house keeps its own rules: style, types, layers, sizes, and documented dependencies."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 500
_ROWS = re.findall(r"^\|([^|]+)\|", (ROOT / "docs/dependencies.md").read_text(), re.M)
MENTIONED = set(re.findall(r"`([^`]+)`", " ".join(_ROWS)))


@pytest.mark.parametrize(
    "argv",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
    ],
    ids=" ".join,
)
def test_checker_finds_nothing(argv: tuple[str, ...]) -> None:
    program = Path(sys.executable).with_name(argv[0])
    command = [str(program), *argv[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_source_file_is_too_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in ROOT.glob("src/**/*.py")}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_every_python_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    names = [re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in wanted]
    assert names
    assert [name for name in names if name not in MENTIONED] == []


@pytest.mark.parametrize("folder", ["golden/oracles", "contract/clients"])
def test_every_independent_program_has_its_reason(folder: str) -> None:
    lines = (ROOT / "tests" / folder / "requirements.in").read_text().splitlines()
    names = [line.split(">=")[0] for line in lines if line[0] != "#"]
    assert names
    assert [name for name in names if name not in MENTIONED] == []


def test_every_debian_package_has_its_reason() -> None:
    listed = re.findall(r"PACKAGES [+:]= ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text())
    names = " ".join(listed).replace("\\", " ").split()
    assert "qemu-utils" in names
    assert [name for name in names if name not in MENTIONED] == []
