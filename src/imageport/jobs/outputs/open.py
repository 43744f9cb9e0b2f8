"""The place behind an output's address."""

from __future__ import annotations

from pathlib import Path

from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.open import Access, is_local
from imageport.jobs.outputs.base import Output
from imageport.jobs.outputs.local import LocalOutput
from imageport.jobs.outputs.share import ShareOutput


def output_at(address: str, access: Access, state: Path, *, overwrite: bool = False) -> Output:
    """`state` is the job's folder. Raises `AddressError`, `CredentialError`."""
    if is_local(address):
        return LocalOutput(Path(address), overwrite=overwrite)
    if not address.lower().startswith("smb://"):
        detail = "a job writes to a path or to smb://...; `image copy` reaches all others"
        raise AddressError(file=address, detail=detail)
    return ShareOutput(address, access, state, overwrite=overwrite)
