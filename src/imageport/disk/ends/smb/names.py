"""Names of files on a share: whether one is there, another one for it, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from imageport.disk.ends.errors import NotFoundError
from imageport.disk.ends.retry import PATIENCE, RetryBudget
from imageport.disk.ends.smb.file import SILENCE
from imageport.disk.ends.smb.lane import Access, Create, Handle, Login, Share
from imageport.disk.ends.smb.location import SmbLocation
from imageport.disk.ends.smb.pool import Pool
from imageport.model.credentials import UsernamePassword

T = TypeVar("T")

_EVERYTHING = Share.READ | Share.WRITE | Share.DELETE


def exists(location: SmbLocation, account: UsernamePassword) -> bool:
    """Whether there is such a file or folder. Raises `DeniedError`, `UnreachableError`, ..."""
    return identity(location, account) is not None


def identity(location: SmbLocation, account: UsernamePassword) -> int | None:
    """What tells a file from others that may get its name; None when there is none."""
    try:
        stamp = _on(location, account, Access.READ_ATTRIBUTES, _EVERYTHING, Handle.stamp)
    except NotFoundError:
        return None
    return stamp.identity


def rename(
    location: SmbLocation, account: UsernamePassword, to: SmbLocation, *, replace: bool
) -> None:
    """Give a file another name in its share; with `replace`, also one that is taken.

    Raises `NotFoundError`, `DeniedError`, and `RefusedError` when the file is in use.
    """

    renamed: list[int] = []

    def work(handle: Handle) -> None:
        renamed.append(handle.stamp().identity)
        handle.rename(to.windows_path, replace=replace)

    try:
        _on(location, account, Access.DELETE | Access.READ_ATTRIBUTES, Share.READ, work)
    except NotFoundError:
        # The answer to the renaming may have been lost, but not the renaming.
        if not renamed or identity(to, account) != renamed[-1]:
            raise


def remove(location: SmbLocation, account: UsernamePassword) -> None:
    """Remove a file; nothing happens when there is none. Raises as `rename` does."""
    try:
        _on(location, account, Access.DELETE, Share.READ | Share.DELETE, Handle.delete)
    except NotFoundError:
        return


def _on(
    location: SmbLocation,
    account: UsernamePassword,
    access: Access,
    share: Share,
    work: Callable[[Handle], T],
) -> T:
    login = Login(location, account, True, min(SILENCE, PATIENCE))
    path = location.windows_path
    pool = Pool(
        login,
        RetryBudget(location.name, patience=PATIENCE),
        lambda lane: lane.open(path, access, share, Create.NEVER, folder=None),
    )
    try:
        return pool.run(work)
    finally:
        pool.close()
