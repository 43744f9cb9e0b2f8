"""How much room a share has."""

from __future__ import annotations

from imageport.disk.ends.errors import NotFoundError
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.ends.smb.file import SILENCE
from imageport.disk.ends.smb.lane import Access, Create, Handle, Lane, Login, Share
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.pool import Pool
from imageport.model.credentials import UsernamePassword

_EVERYTHING = Share.READ | Share.WRITE | Share.DELETE


def free_space(
    location: SmbLocation,
    credential: UsernamePassword,
    *,
    require_encryption: bool = True,
    patience: float = PATIENCE,
) -> int:
    """Bytes that the account may still store where `location` lies, quotas included.

    `location` is a folder, a file, or a file that is yet to be made in a folder that exists.
    Raises `DeniedError`, `NotFoundError`, `InsecureError`, `UnreachableError`.
    """
    login = Login(location, credential, require_encryption, min(SILENCE, patience))
    budget = RetryBudget(location.name, patience=patience)
    try:
        return _ask(login, budget, location)
    except NotFoundError:
        if not location.path:
            raise
        return _ask(login, budget, location.parent)


def _ask(login: Login, budget: RetryBudget, place: SmbLocation) -> int:
    def opener(lane: Lane) -> Handle:
        access = Access.READ_ATTRIBUTES
        return lane.open(place.windows_path, access, _EVERYTHING, Create.NEVER, folder=None)

    pool = Pool(login, budget, opener)
    try:
        return pool.run(Handle.free_space)
    finally:
        pool.close()
