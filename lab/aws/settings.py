"""What a test may tell the lab while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields


@dataclass
class Settings:
    """Changed by `POST /lab/settings`; times in seconds."""

    throttle: int = 0
    """How many requests to EBS are refused with `RequestThrottledException`."""
    quota_gib: int = 1 << 20
    """GiB of all snapshots together."""
    token_life: float = 7 * 24 * 3600.0
    page_life: float = 3600.0
    generation: int = 0
    """Of block tokens: those of another one are as good as expired."""
    seal: float = 0.0
    """From CompleteSnapshot to `completed`."""
    seal_fails: bool = False
    encrypt_by_default: bool = False
    page: int = 10_000
    """The most blocks of one page, whatever is asked for."""
    denied: list[str] = field(default_factory=list)
    """Actions of access management (`ebs:StartSnapshot`) that are not allowed."""
    asked: list[str] = field(default_factory=list)
    """Actions that were asked for, each once, in order; a test sets it to empty."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def change(self, values: dict[str, object]) -> None:
        """Set `values`; an unknown name is a `KeyError`."""
        known = {each.name for each in fields(self)} - {"lock"}
        for name, value in values.items():
            if name not in known:
                raise KeyError(name)
            setattr(self, name, value)

    def denies(self, action: str) -> bool:
        """Whether the action is denied; it is noted down."""
        with self.lock:
            if action not in self.asked:
                self.asked.append(action)
        return action in self.denied

    def throttled(self) -> bool:
        """Whether this request is one of those to be refused."""
        with self.lock:
            self.throttle -= 1
            return self.throttle >= 0
