"""Unwrapped keys in memory for a bounded time, so that not each request asks the key service.

Within a transaction it is never asked at all: what is not in memory ends the transaction with
`KeysWanted`, and is fetched before the next try.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence

from imageport.service.errors import KeyServiceError
from imageport.service.store.keys import WrappedKey
from imageport.service.wallet.aead import KEY_BYTES
from imageport.service.wallet.master import MasterKey, Wrapped

KEPT_SECONDS = 300.0
"""What was taken away at the key service goes on working here for as long."""
REST_SECONDS = 2.0
"""After a failure the key service is left alone, and whoever needs it is told at once."""


_Failure = tuple[float, KeyServiceError]
"""Until when it is told again, and what."""


class KeysWanted(Exception):
    """A transaction needs keys that are not in memory: wrapped ones, or one made for `made_for`."""

    def __init__(self, wrapped: Sequence[WrappedKey] = (), made_for: str | None = None) -> None:
        super().__init__()
        self.wrapped, self.made_for = wrapped, made_for


class OpenedKeys:
    """Of one replica; used by many threads."""

    def __init__(self, master: MasterKey) -> None:
        self._master = master
        self._opened: dict[tuple[str, Wrapped], tuple[float, bytes]] = {}
        self._made: dict[str, tuple[float, bytes, Wrapped]] = {}
        self._lock = threading.Lock()
        self._failed: _Failure | None = None
        self.worked = False
        """Whether the key service has ever answered."""

    @property
    def failure(self) -> KeyServiceError | None:
        """What the key service's last answer was, when it was none."""
        return self._failed[1] if self._failed else None

    def plain(self, *keys: WrappedKey) -> list[bytes]:
        """Raises KeysWanted."""
        now = time.monotonic()
        found = [self._opened.get(_place(key), (0.0, b"")) for key in keys]
        missing = [key for key, (until, _) in zip(keys, found, strict=True) if until <= now]
        if missing:
            raise KeysWanted(missing)
        return [plain for _, plain in found]

    def new(self, context: str) -> tuple[bytes, Wrapped]:
        """A new key bound to `context`, which is given out once. Raises KeysWanted."""
        made = self._made.pop(context, None)
        if made is None:
            raise KeysWanted(made_for=context)
        return made[1:]

    def fetch(self, wanted: KeysWanted) -> None:
        """Not within a transaction. Raises KeyServiceAway, KeyServiceRefused, SecretUnreadable."""
        failed = self._failed
        # One thread asks. The others wait for it, but not for what failed last time: they would be
        # missed where requests need no wallet.
        if failed is None:
            self._lock.acquire()
        elif not self._lock.acquire(blocking=False):
            raise _again(failed)
        try:
            self._fetch_locked(wanted)
        finally:
            self._lock.release()

    def _fetch_locked(self, wanted: KeysWanted) -> None:
        if self._failed and time.monotonic() < self._failed[0]:
            raise _again(self._failed)
        self._forget_old()
        try:
            self._fetch(wanted)
        except KeyServiceError as error:
            self._failed = time.monotonic() + REST_SECONDS, error
            raise
        self._failed, self.worked = None, True

    def _fetch(self, wanted: KeysWanted) -> None:
        for key in wanted.wrapped:
            # Another thread may have been here while this one waited.
            if _place(key) not in self._opened:
                context, wrapped = _place(key)
                self._keep(context, wrapped, self._master.unwrap(wrapped, context))
        if wanted.made_for is not None:
            plain = secrets.token_bytes(KEY_BYTES)
            wrapped = self._master.wrap(plain, wanted.made_for)
            self._made[wanted.made_for] = time.monotonic() + KEPT_SECONDS, plain, wrapped
            self._keep(wanted.made_for, wrapped, plain)

    def _keep(self, context: str, wrapped: Wrapped, plain: bytes) -> None:
        self._opened[context, wrapped] = time.monotonic() + KEPT_SECONDS, plain

    def _forget_old(self) -> None:
        now = time.monotonic()
        # Replaced, not changed: `plain` reads without the lock.
        self._opened = {key: kept for key, kept in self._opened.items() if kept[0] > now}
        for context in [each for each, made in self._made.items() if made[0] <= now]:
            self._made.pop(context, None)


def _again(failed: _Failure) -> KeyServiceError:
    return type(failed[1])(**failed[1].data)


def _place(key: WrappedKey) -> tuple[str, Wrapped]:
    return key.id, Wrapped(key.master, key.wrapped)
