"""Images on SMB 3 shares: Windows servers, Samba, and what stores for PVS."""

from imageport.disk.ends.smb.file import SmbFile
from imageport.disk.ends.smb.folder import SmbFolder
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.space import free_space
from imageport.disk.ends.smb.target import SmbTarget
from imageport.disk.ends.smb.tree import SmbTree

__all__ = ["SmbFile", "SmbFolder", "SmbLocation", "SmbTarget", "SmbTree", "free_space"]
