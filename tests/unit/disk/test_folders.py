"""Addresses of folders, and folders of this computer."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.folders import open_folder
from imageport.disk.ends.open import Access, CredentialError
from imageport.disk.ends.smb import SmbFolder
from imageport.disk.errors import TargetExistsError, UnwritableError
from imageport.disk.folder import LocalFolder
from imageport.model.credentials import UsernamePassword

ACCOUNT = Access(UsernamePassword("me", "hunter2"))


def test_path_is_local(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path), Access())
    assert isinstance(folder, LocalFolder)
    assert folder.address("win.vhdx") == str(tmp_path / "win.vhdx")


@pytest.mark.parametrize("address", ["smb://files/store/pvs", "SMB://files/store/pvs/"])
def test_share(address: str) -> None:
    folder = open_folder(address, ACCOUNT)
    assert isinstance(folder, SmbFolder)
    assert folder.address("win 1.vhdx") == "smb://files/store/pvs/win 1.vhdx"
    assert open_folder("smb://files/store", ACCOUNT).address("x") == "smb://files/store/x"


def test_refuses() -> None:
    with pytest.raises(CredentialError):
        open_folder("smb://files/store", Access())
    with pytest.raises(AddressError):
        open_folder("https://files/store", ACCOUNT)
    with pytest.raises(AddressError):
        open_folder("smb://files/store", ACCOUNT).address("../x")


def test_local_files(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").mkdir()
    assert folder.files() == {"a": 5}
    (tmp_path / "c").touch()
    with pytest.raises(TargetExistsError):
        folder.rename("a", "c", replace=False)
    folder.rename("a", "c", replace=True)
    assert folder.files() == {"c": 5}
    for _ in range(2):
        folder.remove("c")
    assert folder.files() == {}
    with pytest.raises(UnwritableError):
        folder.rename("c", "d", replace=False)
