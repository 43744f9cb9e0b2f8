from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from imageport.host.user_ids import has_own_ids

NAME = pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"other:100000:65536\n{NAME}:165536:65536\n", True),
        ("4711:100000:65536\n", True),
        ("other:100000:65536\n", False),
        (f"{NAME}:100000:10\n", False),
        (f"{NAME}\n", False),
        ("", False),
    ],
)
def test_of_an_ordinary_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: bool
) -> None:
    user = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: user)
    tables = tmp_path / "subuid", tmp_path / "subgid"
    for table in tables:
        table.write_text(text)
    assert has_own_ids(tables) is expected
    tables[1].unlink()
    assert not has_own_ids(tables)


def test_of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert has_own_ids((tmp_path / "none",))
