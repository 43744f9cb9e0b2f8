"""What wraps the data keys: keys in this process' memory, or a driver for a key service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from imageport.service.errors import MasterKeyMissing

LONGEST_ID = 64
"""What the store keeps of a master key's id."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key under the master key with the id `master`."""

    master: str
    key: bytes


class MasterKey(Protocol):
    """Wraps keys of 32 bytes. `context` is bound to the wrapped key as associated data.

    A driver may ask a service, which takes seconds when that is away: never within a transaction.
    Each method but `knows` may raise KeyServiceAway or KeyServiceRefused.
    """

    def newest(self) -> str:
        """Id of the key that `wrap` uses: what is under another one is to be wrapped anew."""

    def knows(self, master: str) -> bool:
        """Whether the id is one of this driver's keys."""

    def wrap(self, key: bytes, context: str) -> Wrapped:
        """Under the newest key."""

    def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """Raises SecretUnreadable."""


class Ring:
    """Several master keys: the first wraps, the others unwrap what is not under it yet."""

    def __init__(self, first: MasterKey, older: Sequence[MasterKey]) -> None:
        self._first = first
        self._all = [first, *older]

    def newest(self) -> str:
        """See `MasterKey`."""
        return self._first.newest()

    def knows(self, master: str) -> bool:
        """See `MasterKey`."""
        return any(each.knows(master) for each in self._all)

    def wrap(self, key: bytes, context: str) -> Wrapped:
        """See `MasterKey`."""
        return self._first.wrap(key, context)

    def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """See `MasterKey`."""
        for each in self._all:
            if each.knows(wrapped.master):
                return each.unwrap(wrapped, context)
        raise MasterKeyMissing(what=context, master=wrapped.master)
