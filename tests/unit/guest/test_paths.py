from __future__ import annotations

from pathlib import Path

import pytest

from imageport.guest.paths import folded, folded_new, inside


def test_links_stay_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/os-release").write_text("ID=x\n")
    (root / "etc").mkdir()
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "etc/absolute").symlink_to("/usr/lib/os-release")
    (root / "etc/escape").symlink_to("../../../../../../etc/passwd")
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/circle").symlink_to("circle")
    assert inside(root, "/etc/os-release") == root / "usr/lib/os-release"
    assert inside(root, "etc/absolute") == root / "usr/lib/os-release"
    assert inside(root, "/etc/escape") == root / "etc/passwd"
    assert inside(root, "/lib/modules/new") == root / "usr/lib/modules/new"
    assert inside(root, "/../..") == root
    with pytest.raises(OSError, match="symbolic"):
        inside(root, "/etc/circle")


def test_case_is_folded(tmp_path: Path) -> None:
    (tmp_path / "WINDOWS/System32").mkdir(parents=True)
    (tmp_path / "WINDOWS/System32/Cmd.EXE").touch()
    assert folded(tmp_path, r"\windows\system32\cmd.exe") == tmp_path / "WINDOWS/System32/Cmd.EXE"
    assert folded(tmp_path, r"Windows\System32\nothing") is None
    assert folded(tmp_path, r"Windows\System32\cmd.exe\below") is None
    new = folded_new(tmp_path, r"windows\SYSTEM32\drivers\new.sys")
    assert new == tmp_path / "WINDOWS/System32/drivers/new.sys"
