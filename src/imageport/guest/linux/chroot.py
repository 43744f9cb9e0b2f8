"""Running the guest's own programs: a chroot with the kernel's file systems, always cleaned up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, Self

from imageport.guest.command import run
from imageport.guest.errors import ReadOnlyGuestError
from imageport.guest.guest import Guest
from imageport.guest.paths import inside

_BOUND: Final = ("proc", "sys", "dev")
_POLICY: Final = "#!/bin/sh\n# imageport: no service starts while the image is prepared\nexit 101\n"


class Chroot:
    """The guest's root to run commands in; entered at the first `run`, left by `close`."""

    def __init__(self, guest: Guest) -> None:
        if not guest.writable:
            raise ReadOnlyGuestError
        self._guest = guest
        self._stack: ExitStack | None = None

    def run(self, argv: Sequence[str], *, timeout: float = 1800.0) -> str:
        """Run `argv` in the guest and return its output; raises `CommandError`.

        Services are not started by it (policy-rc.d), whatever packages it installs or removes.
        """
        self._enter()
        return run(["chroot", str(self._guest.root), *argv], timeout=timeout)

    def close(self) -> None:
        """Unmount and restore everything; a second call does nothing."""
        stack, self._stack = self._stack, None
        if stack:
            stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enter(self) -> None:
        if self._stack:
            return
        with ExitStack() as stack:
            self._forbid_services(stack)
            for name in _BOUND:
                place = inside(self._guest.root, f"/{name}")
                place.mkdir(exist_ok=True)
                run(["mount", "--rbind", "--make-rslave", f"/{name}", place])
                stack.callback(run, ["umount", "-R", "-l", place])
            self._stack = stack.pop_all()

    def _forbid_services(self, stack: ExitStack) -> None:
        policy = inside(self._guest.root, "/usr/sbin/policy-rc.d")
        before = policy.read_bytes() if policy.exists() else None
        if before == _POLICY.encode():  # left by a preparation that was killed
            before = None
        policy.write_text(_POLICY)
        policy.chmod(0o755)
        if before is None:
            stack.callback(policy.unlink)
        else:
            stack.callback(policy.write_bytes, before)
