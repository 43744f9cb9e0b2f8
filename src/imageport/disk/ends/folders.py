"""Addresses of folders, here and on shares."""

from __future__ import annotations

from pathlib import Path

from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.open import Access, is_local
from imageport.disk.ends.smb.folder import SmbFolder
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.folder import Folder, LocalFolder
from imageport.model.credentials import UsernamePassword


def open_folder(address: str, access: Access, *, require_encryption: bool = True) -> Folder:
    """The folder at a path, or at `smb://host[:port]/share/folder`. Raises `DiskError`.

    Without `require_encryption`, a server that cannot encrypt is talked to with signatures.
    """
    if is_local(address):
        return LocalFolder(Path(address))
    if address.partition("://")[0].lower() != "smb":
        scheme = address.partition("://")[0]
        raise AddressError(file=f"{scheme}://...", detail="a folder is a path or begins with smb")
    account = access.needed(address, UsernamePassword)
    location = SmbLocation.parse(address)
    return SmbFolder(location, account, require_encryption=require_encryption)
