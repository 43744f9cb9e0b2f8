"""A guest while it is changed or checked: hives and chroot are opened once and closed once."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from imageport.guest.guest import Guest
from imageport.guest.linux.chroot import Chroot
from imageport.guest.windows.registry import Registry


class Session:
    """What fix-ups work with. On leaving, changed hives are written unless an error passes by."""

    def __init__(self, guest: Guest, *, writable: bool) -> None:
        self.guest = guest
        self._writable = writable

    @cached_property
    def registry(self) -> Registry:
        """The guest's registry (Windows)."""
        return Registry(self.guest, writable=self._writable)

    @cached_property
    def chroot(self) -> Chroot:
        """The guest's root to run commands in (Linux)."""
        return Chroot(self.guest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if "chroot" in self.__dict__:
            self.chroot.close()
        if "registry" in self.__dict__:
            try:
                if kind is None and self._writable:
                    self.registry.commit()
            finally:
                self.registry.close()
